import fc from 'fast-check'
import { type Probe, type ProbeReply, SeededRandom, WAKE, instant } from '@causeway/protocol'
import { expect, it } from 'vitest'
import { LinkMonitor } from './link-monitor.ts'

const via = fc.constantFrom('udp' as const, 'control' as const)
const u16 = fc.integer({ min: 0, max: 0xffff })
const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const probe: fc.Arbitrary<Probe> = fc.record({
  type: fc.constant('probe' as const),
  sequence: u16,
  sent: u32,
  urgent: fc.boolean(),
  alone: fc.boolean(),
  degraded: fc.boolean(),
  rttMs: fc.option(fc.double({ min: 0, max: 4e6, noNaN: true })),
  queueMs: fc.option(fc.double({ min: 0, max: 6_000, noNaN: true })),
  replies: u16,
  nextMs: u16,
})

const anyInput = fc.oneof(
  fc.constant(WAKE),
  fc.constant({ type: 'carried' as const }),
  fc.record({ type: fc.constant('lag' as const), lagMs: fc.double({ min: 0, max: 5_000, noNaN: true }) }),
  fc.record({ type: fc.constant('datagrams' as const), open: fc.boolean() }),
  fc.record({ type: fc.constant('needed' as const), needed: fc.boolean() }),
  fc.record({ type: fc.constant('pace' as const), idleMs: fc.constantFrom(1_000, 5_000) }),
  fc.record({ type: fc.constant('hear' as const), via, probe }),
  fc.record({
    type: fc.constant('answer' as const),
    pick: fc.nat(30),
    reflectorSequence: u16,
    received: u32,
    residenceMs: fc.double({ min: 0, max: 600, noNaN: true }),
    ageMs: fc.constantFrom(0, 0, 0, 400, 3_000),
  }),
)

it('keeps its promises whatever comes: one effect per change, progress at every wake-up, finite figures', () => {
  const steps = fc.array(fc.tuple(fc.double({ min: 0, max: 400, noNaN: true }), anyInput), { maxLength: 300 })
  fc.assert(
    fc.property(fc.nat(), fc.boolean(), steps, (seed, probes, all) => {
      const monitor = new LinkMonitor(instant(0), new SeededRandom(seed), { probes })
      const asked: { via: 'udp' | 'control'; probe: Probe }[] = []
      const numbers = new Set<string>()
      let state: string = monitor.state
      let now = 0
      const handle = (input: Parameters<LinkMonitor['handle']>[1]): void => {
        for (const effect of monitor.handle(instant(now), input)) {
          if (effect.type === 'state') {
            expect(effect.previous).toBe(state)
            state = effect.state
          } else if (effect.type === 'probe') {
            expect(numbers.has(`${effect.via} ${effect.probe.sequence}`)).toBe(false)
            numbers.add(`${effect.via} ${effect.probe.sequence}`)
            asked.push(effect)
          }
        }
        expect(monitor.state).toBe(state)
      }
      for (const [ms, input] of all) {
        now += ms
        const at = instant(now)
        if (input.type === 'hear') handle({ type: 'probed', via: input.via, at, probe: input.probe })
        else if (input.type === 'answer') {
          const one = asked.at(-1 - input.pick)
          const reply: ProbeReply = { ...input, type: 'reply', sequence: one?.probe.sequence ?? 0, sent: one?.probe.sent ?? 0 }
          if (one) handle({ type: 'reply', via: one.via, at, reply })
        } else handle(input)
        let turns = 0
        for (let wake = monitor.nextWake(); wake !== undefined && wake <= now; wake = monitor.nextWake()) {
          handle(WAKE)
          expect(++turns).toBeLessThan(4)
        }
        const view = monitor.view(at)
        for (const figure of [monitor.costMs, view.jitterMs, view.rttMs.smoothed, view.lossRatio.forward, view.lossRatio.backward])
          expect(figure === null || (Number.isFinite(figure) && figure >= 0)).toBe(true)
      }
    }),
    { numRuns: 200 },
  )
})
