import { describe, expect, it } from 'vitest'
import { PROBE_DEFAULTS } from './prober.ts'
import { followSchedule } from './schedule.ts'

const NEVER = new AbortController().signal

async function times(plan: Partial<typeof PROBE_DEFAULTS>, send: () => void = () => undefined, signal = NEVER): Promise<number> {
  let sent = 0
  await followSchedule({ ...PROBE_DEFAULTS, intervalMs: 1, ...plan }, signal, () => {
    sent++
    send()
  })
  return sent
}

describe('followSchedule', () => {
  it('sends as many as asked for, or as fit into the time', async () => {
    expect(await times({ count: 3 })).toBe(3)
    expect(await times({ durationMs: 10, intervalMs: 5 })).toBe(2)
    expect(await times({ count: 1, durationMs: 10 })).toBe(1)
    expect(await times({ durationMs: 0.5, intervalMs: 1 })).toBe(1)
  })

  it('ends when it is told to', async () => {
    const interrupt = new AbortController()
    let sent = 0
    expect(await times({}, () => ++sent === 4 && interrupt.abort(), interrupt.signal)).toBe(4)
  })
})
