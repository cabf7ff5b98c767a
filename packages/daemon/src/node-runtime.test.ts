import { type Logger, pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type EventView, type Instant, type NetworkEffect, type StoreEffect, instant } from '@causeway/protocol'
import type { NodeEffect, NodeInput, NodeMachine } from '@causeway/node'
import { NodeRuntime } from './node-runtime.ts'
import { Pulse } from './pulse.ts'

/** A small machine: it keeps what it was told, and answers by the rules below. */
class ScriptedMachine {
  readonly inputs: NodeInput[] = []
  readonly times: Instant[] = []
  wakeAt: Instant | undefined
  rule: (input: NodeInput) => NodeEffect[] = () => []

  handle(now: Instant, input: NodeInput): NodeEffect[] {
    this.times.push(now)
    this.inputs.push(input)
    return this.rule(input)
  }
  nextWake(): Instant | undefined {
    return this.wakeAt
  }
}

describe('NodeRuntime', () => {
  let machine: ScriptedMachine
  let runtime: NodeRuntime
  let fatal: unknown[]
  let lines: { msg: string; level: number }[]
  let log: Logger
  const applied: (NetworkEffect | StoreEffect)[] = []
  const outside = {
    network: { apply: (effect: NetworkEffect) => void applied.push(effect) },
    store: { persist: (effect: StoreEffect) => void applied.push(effect) },
  }
  beforeEach(() => {
    machine = new ScriptedMachine()
    fatal = []
    lines = []
    applied.length = 0
    log = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line) as { msg: string; level: number }) })
    runtime = new NodeRuntime({
      machine: machine as unknown as NodeMachine,
      log,
      pulse: new Pulse(),
      onFatal: (error) => fatal.push(error),
    })
  })
  afterEach(async () => {
    await runtime.stop(0)
  })

  const persisted = (ticket: number): NodeInput => ({ type: 'persisted', ticket })

  it('handles nothing before start, then the wall clock, then what came meanwhile (2)', () => {
    runtime.input(persisted(1))
    expect(machine.inputs).toEqual([])
    runtime.start(outside)
    expect(machine.inputs.map((input) => input.type)).toEqual(['wall', 'wake', 'persisted'])
  })

  it('carries out all effects of an input before the next one, in order (1)', () => {
    const order: string[] = []
    machine.rule = (input) => {
      order.push(`in ${input.type === 'persisted' ? input.ticket : input.type}`)
      return input.type === 'persisted' && input.ticket === 1
        ? [
            { type: 'persist', ticket: 2, entries: [] },
            { type: 'dial', address: 'a:1' },
          ]
        : []
    }
    runtime.start({
      store: {
        persist: ({ ticket }) => {
          order.push(`persist ${ticket}`)
          // A store that is done at once.
          runtime.input(persisted(ticket))
        },
      },
      network: { apply: (effect) => order.push(effect.type) },
    })
    runtime.input(persisted(1))
    expect(order).toEqual(['in wall', 'in wake', 'in 1', 'persist 2', 'dial', 'in 2'])
  })

  it('wakes the machine when it asks, with a clock that never goes back (3)', async () => {
    runtime.start(outside)
    machine.wakeAt = instant(performance.now() + 5)
    runtime.input(persisted(1))
    await vi.waitFor(() => expect(machine.inputs.filter((input) => input.type === 'wake').length).toBeGreaterThan(1))
    machine.wakeAt = undefined
    expect(machine.times).toEqual(machine.times.toSorted((a, b) => a - b))
  })

  it('stops at once when the machine throws (4)', async () => {
    runtime.start(outside)
    const waiting = runtime.ping({ to: 'x', count: 1, intervalMs: 1, bytes: 1 }, () => {}).ended
    machine.rule = () => {
      throw new Error('our bug')
    }
    runtime.input(persisted(1))
    runtime.input(persisted(2))
    expect(fatal).toEqual([expect.objectContaining({ message: 'our bug' })])
    expect(machine.inputs.at(-1)).toEqual(persisted(1))
    expect(lines.at(-1)).toMatchObject({ level: 60 })
    await expect(waiting).rejects.toMatchObject({ code: 'refused' })
  })

  it('hands out events, keeps the last, and logs them', () => {
    runtime.start(outside)
    machine.rule = () => [{ type: 'event', name: 'link-up', data: { peer: 'core-1' } }]
    const seen: EventView[] = []
    const off = runtime.onEvent((event) => seen.push(event))
    runtime.input(persisted(1))
    off()
    runtime.input(persisted(2))
    expect(seen).toEqual([{ at: expect.any(Number), name: 'link-up', data: { peer: 'core-1' } }])
    expect(runtime.recentEvents).toHaveLength(2)
    expect(lines.map((line) => line.msg)).toEqual(['link-up', 'link-up'])
  })

  it('logs a violation once per peer and kind, and counts the rest', () => {
    runtime.start(outside)
    machine.rule = () => [{ type: 'violation', peer: 'evil', code: 'malformed', detail: 'x' }]
    for (let turn = 0; turn < 5; turn++) runtime.input(persisted(turn))
    expect(lines).toHaveLength(1)
    expect([...runtime.violations]).toEqual([['malformed evil', 5]])
  })

  it('passes answers to who asked, and cancels once', async () => {
    runtime.start(outside)
    machine.rule = (input) => {
      if (input.type !== 'ping') return []
      const reply = { sequence: 0, rttMs: 1, path: [], remoteMs: 0, remoteCount: 1, sentAt: 0, remoteAt: 0, arrivedAt: 1 }
      return [
        { type: 'pinged', request: input.request, reply },
        { type: 'pinged', request: 999, reply },
        { type: 'pingEnded', request: input.request, error: input.to === 'far' ? 'no path' : null },
      ]
    }
    const replies: number[] = []
    const ping = (to: string): ReturnType<NodeRuntime['ping']> =>
      runtime.ping({ to, count: 1, intervalMs: 1, bytes: 1 }, (reply) => replies.push(reply.sequence))
    expect(await ping('near').ended).toBeNull()
    expect(await ping('far').ended).toBe('no path')
    expect(replies).toEqual([0, 0])
    machine.rule = () => []
    const open = ping('near')
    open.cancel()
    open.cancel()
    expect(machine.inputs.filter((input) => input.type === 'cancel')).toHaveLength(1)
  })

  it('stops when the machine says so, and not later than allowed', async () => {
    runtime.start(outside)
    machine.rule = (input) => (input.type === 'stop' ? [{ type: 'close', connection: 1, reason: 'bye' }, { type: 'stopped' }] : [])
    await runtime.stop(60_000)
    expect(applied).toEqual([{ type: 'close', connection: 1, reason: 'bye' }])
    runtime.input(persisted(1))
    expect(machine.inputs.at(-1)).toEqual({ type: 'stop' })
  })
})
