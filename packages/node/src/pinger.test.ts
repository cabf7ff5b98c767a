import { after, instant, nodeId } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { EchoService, type PingStep, Pinger } from './pinger.ts'

const ORDER = { request: 1, to: nodeId('far'), channel: 7, count: 3, intervalMs: 10, bytes: 64 }

function written(steps: readonly PingStep[]): Uint8Array[] {
  return steps.flatMap((step) => (step.type === 'write' ? [step.message] : []))
}

describe('Pinger', () => {
  it('sends one message each interval, of about the size that was asked for', () => {
    const pinger = new Pinger()
    const first = written(pinger.start(instant(0), ORDER))
    expect(first).toHaveLength(1)
    expect(first[0]?.length).toBeGreaterThan(50)
    expect(pinger.nextWake()).toBe(10)
    expect(written(pinger.wake(instant(25)))).toHaveLength(2)
  })

  it('tells of every answer, and ends after the last', () => {
    const pinger = new Pinger()
    const messages = [...written(pinger.start(instant(0), ORDER)), ...written(pinger.wake(instant(20)))]
    const echo = new EchoService()
    const steps = messages.flatMap((message, i) =>
      pinger.message(instant(50), 7, echo.reply(instant(1000 + i), 1, message, 5_000) as Uint8Array, 100_000),
    )
    const replies = steps.flatMap((step) => (step.type === 'pinged' ? [step.reply] : []))
    expect(replies.map((reply) => [reply.sequence, reply.remoteMs, reply.remoteCount])).toEqual([
      [0, 1000, 1],
      [1, 1001, 2],
      [2, 1002, 3],
    ])
    expect(replies[0]?.rttMs).toBe(50)
    expect(replies[1]).toMatchObject({ sentAt: 100_020, remoteAt: 6_001, arrivedAt: 100_050 })
    expect(steps.at(-1)).toEqual({ type: 'pingEnded', request: 1, error: null })
    expect(pinger.nextWake()).toBeUndefined()
  })

  it('waits while the channel is blocked, then catches up', () => {
    const pinger = new Pinger()
    pinger.start(instant(0), ORDER)
    pinger.blocked(7, true)
    expect(pinger.wake(instant(100))).toEqual([])
    expect(pinger.nextWake()).toBeUndefined()
    pinger.blocked(7, false)
    expect(written(pinger.wake(instant(100)))).toHaveLength(2)
  })

  it('gives up on stragglers, and says how many', () => {
    const pinger = new Pinger()
    pinger.start(instant(0), { ...ORDER, count: 1 })
    expect(pinger.wake(after(instant(0), 60_000)).at(-1)).toMatchObject({
      type: 'pingEnded',
      error: expect.stringContaining('1 of 1 messages were not answered'),
    })
  })

  it('takes no notice of messages that are none', () => {
    const pinger = new Pinger()
    pinger.start(instant(0), ORDER)
    expect(pinger.message(instant(1), 7, new Uint8Array([1, 2, 3]), 0)).toEqual([])
    expect(new EchoService().reply(instant(1), 1, new Uint8Array([0xc1]), 0)).toBeUndefined()
  })
})
