import fc from 'fast-check'
import { type ProbeReply, SeededRandom, WAKE, instant } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { LabLink, type LabSettings } from './lab-link.ts'
import { LinkMonitor } from './link-monitor.ts'

const DAY_MS = 86_400_000

function establish(settings: LabSettings & { inUse?: boolean; udp?: boolean }): LabLink {
  const link = new LabLink(settings)
  if (settings.inUse) link.trafficMs = 100
  link.run(2_000)
  if (settings.udp !== false) link.input({ type: 'datagrams', open: true })
  link.run(10_000 + (settings.seed % 97) * 13)
  expect(link.monitor.state).toBe('up')
  return link
}

/** Milliseconds from the fault to `down`, over many seeds. */
function detections(settings: Omit<LabSettings, 'seed'> & { inUse: boolean }, fault: (link: LabLink) => void): number[] {
  const times: number[] = []
  for (let seed = 1; seed <= 60; seed++) {
    const link = establish({ ...settings, seed })
    const cutAt = link.now
    fault(link)
    link.run(8_000)
    const down = link.when('down', cutAt)
    expect(down).toBeDefined()
    times.push((down as number) - cutAt)
  }
  return times.sort((a, b) => a - b)
}

describe('coming up', () => {
  it('is up after two replies, and rests on both evidences once UDP is open', () => {
    const link = new LabLink({ seed: 1, rttMs: 40 })
    link.run(100)
    expect(link.when('up')).toBe(90)
    expect(link.monitor.evidence).toBe('control')
    link.input({ type: 'datagrams', open: true })
    link.run(50)
    expect(link.monitor.evidence).toBe('both')
    expect(link.changes.at(-1)).toMatchObject({ state: 'up', previous: 'up', reason: 'answers over udp and control' })
  })

  it('gives a peer that never answers 3 s', () => {
    const link = new LabLink({ seed: 1, rttMs: 40 })
    link.cut()
    link.run(5_000)
    expect(link.when('down')).toBe(3_000)
    expect(link.monitor.costMs).toBeNull()
    expect(link.monitor.view(instant(link.now)).rttMs.p50).toBeNull()
  })

  it('measures what the link is', () => {
    const link = establish({ seed: 3, rttMs: 50, inUse: true })
    link.lossForward = 0.04
    link.run(60_000)
    const view = link.monitor.view(instant(link.now))
    expect(view.rttMs.smoothed).toBeCloseTo(50, 3)
    expect(Math.abs((view.rttMs.p95 as number) - 50) / 50).toBeLessThan(0.025)
    expect(view.lossRatio.forward).toBeGreaterThan(0.01)
    expect(view.lossRatio.forward).toBeLessThan(0.08)
    expect(view.lossRatio.backward).toBe(0)
    expect(link.monitor.costMs).toBeGreaterThan(25.5)
  })
})

describe('rates', () => {
  it.each([
    { inUse: true, low: 290, high: 310 },
    { inUse: false, low: 58, high: 62 },
  ])('probes at the rate of its use ($inUse), every fifth over control', ({ inUse, low, high }) => {
    const link = establish({ seed: 5, rttMs: 20, inUse })
    const before = { ...link.sent }
    link.run(60_000)
    const udp = link.sent.udp - before.udp
    const control = link.sent.control - before.control
    expect(udp + control).toBeGreaterThan(low)
    expect(udp + control).toBeLessThan(high)
    expect(control / (udp + control)).toBeCloseTo(0.2, 1)
  })

  it('wakes only to do something', () => {
    const link = establish({ seed: 6, rttMs: 20 })
    let idle = 0
    let now = link.now
    for (let i = 0; i < 200; i++) {
      const wake = link.monitor.nextWake() as number
      expect(wake).toBeGreaterThanOrEqual(now)
      now = wake
      const before = link.monitor.state
      const effects = link.monitor.handle(instant(now), WAKE)
      // Beginning to suspect sends the first probe of a burst at once, so every wake-up shows.
      if (effects.length === 0 && link.monitor.state === before) idle++
    }
    expect(link.monitor.state).toBe('down')
    expect(idle).toBe(0)
  })
})

describe('silent cut', () => {
  it.each([1, 50, 100, 200])('in use, round trip %d ms: 0.6 to 0.9 s', (rttMs) => {
    const times = detections({ rttMs, spreadMs: rttMs / 20, inUse: true }, (link) => link.cut())
    expect(times[0]).toBeGreaterThan(550)
    expect(times.at(-1)).toBeLessThan(900)
  })

  it.each([1, 50, 200])('idle, round trip %d ms: below 2.5 s', (rttMs) => {
    const times = detections({ rttMs, spreadMs: rttMs / 20, inUse: false }, (link) => link.cut())
    expect(times.at(-1)).toBeLessThan(2_500)
  })

  it('in use, with data heard until the cut: 0.55 to 0.9 s', () => {
    const times = detections({ rttMs: 50, inUse: true }, (link) => {
      link.heardMs = 20
      link.run(3_000)
      link.cut()
    }).map((ms) => ms - 3_000)
    expect(times[0]).toBeGreaterThan(550)
    expect(times.at(-1)).toBeLessThan(900)
  })

  it('one way, backward: like both', () => {
    const times = detections({ rttMs: 50, inUse: true }, (link) => (link.backwardCut = true))
    expect(times.at(-1)).toBeLessThan(900)
  })

  it('one way, forward, while the peer is still heard: below 3 s', () => {
    const times = detections({ rttMs: 50, inUse: true }, (link) => {
      link.forwardCut = true
      link.heardMs = 200
    })
    expect(times.at(-1)).toBeLessThan(3_000)
    const idle = detections({ rttMs: 50, inUse: false }, (link) => {
      link.forwardCut = true
      link.heardMs = 200
    })
    expect(idle.at(-1)).toBeLessThan(4_000)
  })
})

describe('false alarms', () => {
  it.each([
    { inUse: false, days: 2 },
    { inUse: true, days: 1 },
  ])('none in $days days at 5 % loss each way (in use: $inUse)', ({ inUse, days }) => {
    let downs = 0
    for (let day = 0; day < days; day++) {
      const link = establish({ seed: 100 + day, rttMs: 60, spreadMs: 10, udp: true })
      link.lossForward = 0.05
      link.lossBackward = 0.05
      if (inUse) link.trafficMs = 1_900
      link.run(DAY_MS)
      expect(link.sent.udp).toBeGreaterThan(60_000)
      downs += link.changes.filter((change) => change.state === 'down').length
    }
    expect(downs).toBe(0)
  })

  it('none in a day on UDP alone; without a whole burst there would be hundreds', () => {
    const downs = (burstProbes: number, days: number): number => {
      const link = establish({ seed: 7, rttMs: 60, spreadMs: 10, config: { burstProbes, holdMsMax: 5_000 } })
      link.controlCut = true
      link.lossForward = 0.05
      link.lossBackward = 0.05
      link.run(days * DAY_MS)
      expect(link.monitor.evidence).toBe('udp')
      return link.changes.filter((change) => change.state === 'down').length
    }
    expect(downs(8, 1)).toBe(0)
    expect(downs(1, 0.1)).toBeGreaterThan(50)
  })

  it.each([true, false])('none for a stall of our own of 2 s (in use: %s)', (inUse) => {
    for (let seed = 1; seed <= 40; seed++) {
      const link = establish({ seed, rttMs: 30, inUse })
      for (let i = 0; i < 5; i++) {
        link.stall(2_000)
        link.run(4_000 + 37 * seed)
      }
      expect(link.when('down')).toBeUndefined()
      expect(link.monitor.view(instant(link.now)).rttMs.p99).toBeLessThan(40)
    }
  })

  it('asks once more after a stall, but not for ever', () => {
    const link = establish({ seed: 9, rttMs: 30, inUse: true })
    link.cut()
    link.stall(2_000)
    link.run(2_400)
    expect(link.monitor.state).toBe('up')
    link.run(5_000)
    expect(link.monitor.state).toBe('down')
  })

  it('stretches its deadlines while the driver reports lag', () => {
    const link = establish({ seed: 9, rttMs: 30, inUse: true })
    link.cut()
    const cutAt = link.now
    link.input({ type: 'lag', lagMs: 400 })
    link.run(5_000)
    expect((link.when('down') as number) - cutAt).toBeGreaterThan(1_300)
  })
})

describe('evidence', () => {
  it('stays up on control when UDP dies, and finds UDP again', () => {
    const link = establish({ seed: 11, rttMs: 30, inUse: true })
    const cutAt = link.now
    link.udpCut = true
    link.run(10_000)
    expect(link.monitor.state).toBe('up')
    expect(link.monitor.evidence).toBe('control')
    expect(link.monitor.reason).toBe('answers over control, udp is silent')
    const found = link.changes.find((change) => change.at > cutAt)
    expect((found?.at ?? Infinity) - cutAt).toBeLessThan(5_000)
    link.udpCut = false
    link.run(10_000)
    expect(link.monitor.evidence).toBe('both')
    expect(link.when('down')).toBeUndefined()
    expect(link.when('degraded')).toBeUndefined()
  })

  it('stays up on UDP when control dies, and says so', () => {
    const link = establish({ seed: 12, rttMs: 30, inUse: true })
    link.controlCut = true
    link.run(20_000)
    expect(link.monitor.state).toBe('up')
    expect(link.monitor.evidence).toBe('udp')
    expect(link.monitor.reason).toBe('answers over udp, control is silent')
  })

  it('lives on control alone where UDP was never open, and finds its cut as fast', () => {
    const link = establish({ seed: 13, rttMs: 30, inUse: true, udp: false })
    expect(link.sent.udp).toBe(0)
    const cutAt = link.now
    link.cut()
    link.run(3_000)
    expect((link.when('down', cutAt) as number) - cutAt).toBeLessThan(900)
  })
})

describe('up slowly', () => {
  it('needs 5 replies and a hold that doubles with every fall, and halves after 10 min up', () => {
    const link = establish({ seed: 21, rttMs: 30, inUse: true })
    const holds: number[] = []
    for (let fall = 0; fall < 5; fall++) {
      link.cut()
      link.run(5_000)
      expect(link.monitor.state).toBe('down')
      const healedAt = link.now
      link.heal()
      link.run(120_000)
      holds.push((link.when('up', healedAt) as number) - healedAt)
    }
    // 120 s up between falls take off 0.2 of a level: 2^0.8 = 1.74 from fall to fall.
    holds.reduce((before, hold) => {
      expect(hold / before).toBeGreaterThan(1.4)
      return hold
    }, 3_000)
    expect(holds[0]).toBeGreaterThanOrEqual(5_000)
    expect(holds[0]).toBeLessThan(6_600)
    link.run(3_600_000)
    link.cut()
    link.run(5_000)
    expect(link.monitor.holdMs).toBe(5_000)
  })

  it('starts the hold again after a gap', () => {
    const link = establish({ seed: 22, rttMs: 30 })
    link.cut()
    link.run(5_000)
    link.heal()
    link.run(4_000)
    link.cut()
    link.run(8_000)
    expect(link.monitor.state).toBe('down')
    const healedAt = link.now
    link.heal()
    link.run(10_000)
    expect((link.when('up', healedAt) as number) - healedAt).toBeGreaterThanOrEqual(5_000)
    expect(link.monitor.state).toBe('up')
  })
})

describe('degraded', () => {
  it('says so at 25 % loss, and recovers', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const link = establish({ seed, rttMs: 30, inUse: true })
      const at = link.now
      link.lossForward = 0.25
      link.run(30_000)
      expect(link.when('degraded', at)).toBeDefined()
      link.lossForward = 0
      link.run(30_000)
      expect(link.monitor.state).toBe('up')
      expect(link.when('down')).toBeUndefined()
    }
  })

  it('says so when delay swells', () => {
    const link = establish({ seed: 2, rttMs: 30, inUse: true })
    const at = link.now
    link.rttMs = 250
    link.run(10_000)
    expect((link.when('degraded', at) as number) - at).toBeLessThan(4_000)
    expect(link.monitor.reason).toContain('p95')
    link.rttMs = 30
    link.run(30_000)
    expect(link.monitor.state).toBe('up')
  })
})

describe('replies', () => {
  it('ignores what it did not ask for, and what it has had', () => {
    const monitor = new LinkMonitor(instant(0), new SeededRandom(1))
    const [effect] = monitor.handle(instant(0), WAKE)
    if (effect?.type !== 'probe') throw new Error('no probe')
    const reply: ProbeReply = { ...effect.probe, type: 'reply', reflectorSequence: 0, received: instant(7), transmitted: instant(8) }
    monitor.handle(instant(10), { type: 'reply', via: 'control', reply: { ...reply, sequence: 9 } })
    monitor.handle(instant(10), { type: 'reply', via: 'control', reply: { ...reply, sent: instant(1) } })
    monitor.handle(instant(10), { type: 'reply', via: 'udp', reply })
    expect(monitor.view(instant(10)).rttMs.last).toBeNull()
    monitor.handle(instant(10), { type: 'reply', via: 'control', reply })
    monitor.handle(instant(11), { type: 'reply', via: 'control', reply })
    expect(monitor.state).toBe('probing')
    expect(monitor.view(instant(11)).rttMs.last).toBe(9)
    expect(monitor.counts('control')).toMatchObject({ received: 1, duplicated: 1, stray: 2 })
  })

  it('counts late replies of a link that is down as good', () => {
    const link = establish({ seed: 31, rttMs: 30, inUse: true })
    link.rttMs = 2_000
    link.run(1_500)
    expect(link.monitor.state).toBe('down')
    const downAt = link.when('down') as number
    link.run(12_000)
    expect(link.when('up', downAt)).toBeLessThan(downAt + 8_000)
  })
})

const anyInput = fc.oneof(
  fc.constant(WAKE),
  fc.constant({ type: 'carried' as const }),
  fc.record({ type: fc.constant('heard' as const), via: fc.constantFrom('udp' as const, 'control' as const, 'stream' as const) }),
  fc.record({ type: fc.constant('lag' as const), lagMs: fc.double({ min: 0, max: 5_000, noNaN: true }) }),
  fc.record({ type: fc.constant('datagrams' as const), open: fc.boolean() }),
  fc.record({ type: fc.constant('answer' as const), pick: fc.nat(30), shift: fc.constantFrom(0, 0, 0, 1) }),
)

describe('whatever comes', () => {
  it('keeps its promises: one effect per change, progress at every wake-up, probes numbered once', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.array(fc.tuple(fc.double({ min: 0, max: 400, noNaN: true }), anyInput), { maxLength: 300 }),
        (seed, steps) => {
          const monitor = new LinkMonitor(instant(0), new SeededRandom(seed))
          const probes: { via: 'udp' | 'control'; reply: ProbeReply }[] = []
          const numbers = new Set<string>()
          let state: string = monitor.state
          let now = 0
          const handle = (input: Parameters<LinkMonitor['handle']>[1]): void => {
            for (const effect of monitor.handle(instant(now), input)) {
              if (effect.type === 'state') {
                expect(effect.previous).toBe(state)
                state = effect.state
                continue
              }
              expect(numbers.has(`${effect.via} ${effect.probe.sequence}`)).toBe(false)
              numbers.add(`${effect.via} ${effect.probe.sequence}`)
              const reply = {
                ...effect.probe,
                type: 'reply' as const,
                reflectorSequence: probes.length,
                received: instant(now),
                transmitted: instant(now),
              }
              probes.push({ via: effect.via, reply })
            }
            expect(monitor.state).toBe(state)
          }
          for (const [ms, input] of steps) {
            now += ms
            if (input.type === 'answer') {
              const probe = probes.at(-1 - input.pick)
              if (probe)
                handle({
                  type: 'reply',
                  via: probe.via,
                  reply: { ...probe.reply, reflectorSequence: probe.reply.reflectorSequence + 100 * input.shift },
                })
            } else handle(input)
            let turns = 0
            for (let wake = monitor.nextWake(); wake !== undefined && wake <= now; wake = monitor.nextWake()) {
              handle(WAKE)
              expect(++turns).toBeLessThan(4)
            }
            const cost = monitor.costMs
            expect(cost === null || Number.isFinite(cost)).toBe(true)
          }
        },
      ),
      { numRuns: 200 },
    )
  })
})
