import { describe, expect, it } from 'vitest'
import { instant } from '@causeway/protocol'
import { PULSE_MS, Pulse } from './pulse.ts'

describe('Pulse', () => {
  it('is 0 while the beat is on time, then how long the last one is ago', () => {
    const pulse = new Pulse()
    const other = new Pulse(pulse.memory)
    pulse.beat(instant(1_000))
    expect([0, 1, PULSE_MS, PULSE_MS + 40].map((ms) => other.ageMs(instant(1_000 + ms)))).toEqual([0, 0, 0, 0])
    expect(other.ageMs(instant(1_000 + 500))).toBe(500)
    pulse.beat(instant(1_500))
    expect(other.ageMs(instant(1_510))).toBe(0)
  })

  it('bears a clock that outgrows its word, and a beat from the future', () => {
    const pulse = new Pulse()
    const late = 40 * 86_400_000 + 0.5
    pulse.beat(instant(late))
    expect(pulse.ageMs(instant(late + 700))).toBe(700)
    expect(pulse.ageMs(instant(late - 3))).toBe(0)
  })
})
