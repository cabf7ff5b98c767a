import { instant } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { Jitter } from './jitter.ts'

describe('Jitter', () => {
  it('follows RFC 3550, 6.4.1, whatever the offset of the clocks', () => {
    for (const offset of [0, 1e9]) {
      const jitter = new Jitter()
      jitter.add(instant(0), instant(offset + 50))
      expect(jitter.jitterMs).toBeNull()
      jitter.add(instant(100), instant(offset + 166))
      expect(jitter.jitterMs).toBe(1)
      jitter.add(instant(200), instant(offset + 250))
      expect(jitter.jitterMs).toBe(1 + 15 / 16)
    }
  })

  it('learns nothing from a clock that jumps or lies', () => {
    const jitter = new Jitter()
    jitter.add(instant(0), instant(50))
    jitter.add(instant(100), instant(150))
    jitter.add(instant(200), instant(1e12))
    jitter.add(instant(300), instant(-Number.MAX_VALUE))
    expect(jitter.jitterMs).toBe(0)
  })
})
