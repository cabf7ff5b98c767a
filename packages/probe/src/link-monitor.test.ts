import { SeededRandom, WAKE, instant, stampOf, type ProbeReply } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { LabLink, type LabSettings } from './lab-link.ts'
import { LinkMonitor } from './link-monitor.ts'

const DAY_MS = 86_400_000

type Settings = LabSettings & { readonly inUse?: boolean; readonly udp?: boolean; readonly loss?: number }

function establish(settings: Settings): LabLink {
  const link = new LabLink(settings)
  if (settings.udp !== false) link.openDatagrams()
  if (settings.inUse) link.trafficMs = 100
  for (const path of link.paths) path.loss = settings.loss ?? 0
  link.run(12_000 + (settings.seed % 97) * 13)
  for (const end of link.ends) expect(end.monitor.state).toBe('up')
  return link
}

/** Milliseconds from the fault to `down` at either end, over many seeds. */
function detections(settings: Omit<Settings, 'seed'>, fault: (link: LabLink) => void): number[] {
  const times: number[] = []
  for (let seed = 1; seed <= 60; seed++) {
    const link = establish({ ...settings, seed })
    const cutAt = link.now
    fault(link)
    link.run(8_000)
    for (const end of link.ends) {
      const down = end.when('down', cutAt)
      expect(down).toBeDefined()
      times.push((down as number) - cutAt)
    }
  }
  return times.sort((a, b) => a - b)
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number
}

describe('coming up', () => {
  it('is up after two replies, and rests on both evidences', () => {
    const link = new LabLink({ seed: 1, rttMs: 40 }).openDatagrams()
    link.run(150)
    for (const end of link.ends) {
      expect(end.when('up')).toBeLessThan(100)
      expect(end.monitor.evidence).toBe('both')
    }
  })

  it('rests on control where UDP is not to be had', () => {
    const link = establish({ seed: 1, rttMs: 40, udp: false })
    for (const end of link.ends) {
      expect(end.monitor.evidence).toBe('control')
      expect(end.sent.udp).toBe(0)
    }
  })

  it('gives a peer that never answers 3 s', () => {
    const link = new LabLink({ seed: 1, rttMs: 40 })
    link.cut()
    link.run(5_000)
    for (const { monitor, when } of [link.near, link.far].map((end) => ({ monitor: end.monitor, when: end.when('down') }))) {
      expect(when).toBe(3_000)
      expect(monitor.costMs).toBeNull()
      expect(monitor.view(instant(link.now)).rttMs.p50).toBeNull()
    }
  })
})

describe('measuring', () => {
  it('both ends know what the link is, though only one probes', () => {
    const link = establish({ seed: 3, rttMs: 50, inUse: true })
    link.forward.loss = 0.04
    const before = link.far.sent.udp
    link.run(60_000)
    const near = link.near.monitor.view(instant(link.now))
    const far = link.far.monitor.view(instant(link.now + 1e6))
    for (const { rttMs } of [near, far]) {
      expect(rttMs.smoothed).toBeCloseTo(50, 1)
      expect(Math.abs((rttMs.p95 as number) - 50) / 50).toBeLessThan(0.025)
    }
    expect(near.lossRatio.forward).toBeGreaterThan(0.01)
    expect(near.lossRatio.forward).toBeLessThan(0.08)
    expect(near.lossRatio.backward).toBe(0)
    expect(Math.abs((far.lossRatio.backward as number) - (near.lossRatio.forward as number))).toBeLessThan(0.01)
    expect(far.lossRatio.forward).toBeLessThan(0.01)
    expect(link.near.monitor.costMs).toBeGreaterThan(25.5)
    // Only what is lost makes the far end ask.
    expect(link.far.sent.udp - before).toBeLessThan(60)
  })

  it('puts a queue into the cost of the direction that has it', () => {
    const link = establish({ seed: 4, rttMs: 50, inUse: true })
    const near = link.near.monitor.costMs as number
    const far = link.far.monitor.costMs as number
    link.forward.delayMs += 40
    link.run(8_000)
    expect((link.near.monitor.costMs as number) - near).toBeCloseTo(40, 0)
    expect((link.far.monitor.costMs as number) - far).toBeCloseTo(0, 0)
  })
})

describe('rates', () => {
  it.each([
    { inUse: true, udp: [1_140, 1_280], control: [44, 52] },
    { inUse: false, udp: [228, 252], control: [2, 3] },
  ])('the near end probes at the rate of its use ($inUse), the far end is silent', ({ inUse, udp, control }) => {
    const link = establish({ seed: 5, rttMs: 20, inUse })
    const before = link.ends.map((end) => ({ ...end.sent }))
    link.run(240_000)
    const [near, far] = link.ends.map((end, index) => ({
      udp: end.sent.udp - (before[index]?.udp ?? 0),
      control: end.sent.control - (before[index]?.control ?? 0),
    }))
    expect(near?.udp).toBeGreaterThanOrEqual(udp[0] as number)
    expect(near?.udp).toBeLessThanOrEqual(udp[1] as number)
    expect(near?.control).toBeGreaterThanOrEqual(control[0] as number)
    expect(near?.control).toBeLessThanOrEqual(control[1] as number)
    expect(far).toEqual({ udp: 0, control: 0 })
  })

  it('can be told to probe an idle link less', () => {
    const link = establish({ seed: 5, rttMs: 20 })
    link.near.input({ type: 'pace', idleMs: 5_000 })
    link.run(5_000)
    const before = link.near.sent.udp
    link.run(60_000)
    expect(link.near.sent.udp - before).toBeLessThanOrEqual(13)
    for (const end of link.ends) expect(end.falls()).toBe(0)
  })

  it('wakes only to do something', () => {
    const link = establish({ seed: 6, rttMs: 20 })
    const { monitor } = link.near
    let idle = 0
    let now = link.now
    for (let i = 0; i < 200; i++) {
      const wake = monitor.nextWake() as number
      expect(wake).toBeGreaterThanOrEqual(now)
      now = wake
      const before = monitor.state
      const effects = monitor.handle(instant(now), WAKE)
      // Beginning to suspect sends the first probe of a burst at once, so every wake-up shows.
      if (effects.length === 0 && monitor.state === before) idle++
    }
    expect(monitor.state).toBe('down')
    expect(idle).toBe(0)
  })
})

describe('cuts', () => {
  const kinds = {
    both: (link: LabLink) => link.cut(),
    forward: (link: LabLink) => (link.forward.cut = true),
    backward: (link: LabLink) => (link.backward.cut = true),
  }
  const cells = [1, 50, 100, 200].flatMap((rttMs) => (['both', 'forward', 'backward'] as const).map((kind) => ({ rttMs, kind })))

  it.each(cells)('in use, $kind, round trip $rttMs ms: half within 0.5 s and 2 round trips, all within 0.65 s', ({ rttMs, kind }) => {
    const times = detections({ rttMs, spreadMs: rttMs / 20, inUse: true }, kinds[kind])
    expect(quantile(times, 0.5)).toBeLessThan(500 + 2 * rttMs)
    expect(quantile(times, 0.99)).toBeLessThan(650 + 2 * rttMs)
    // Nothing is called down before a whole burst has had its time.
    expect(times[0]).toBeGreaterThan(280)
  })

  it.each(cells)('idle, $kind, round trip $rttMs ms: 0.8 s more', ({ rttMs, kind }) => {
    const times = detections({ rttMs, spreadMs: rttMs / 20, inUse: false }, kinds[kind])
    expect(quantile(times, 0.5)).toBeLessThan(1_300 + 2 * rttMs)
    expect(quantile(times, 0.99)).toBeLessThan(1_450 + 2 * rttMs)
  })

  it.each(['both', 'forward', 'backward'] as const)(
    'on a link that loses packets, $0: ten probes must fail, still within 0.65 s',
    (kind) => {
      const times = detections({ rttMs: 20, spreadMs: 1, inUse: true, loss: 0.03 }, kinds[kind])
      expect(quantile(times, 0.5)).toBeLessThan(600 + 2 * 20)
      expect(quantile(times, 0.99)).toBeLessThan(650 + 2 * 20)
      expect(times[0]).toBeGreaterThan(360)
    },
  )

  it('is not found later because a probe was lost before the datagram lane was open at both ends', () => {
    for (const inUse of [true, false]) {
      const link = new LabLink({ seed: 3, rttMs: 20 })
      link.near.input({ type: 'datagrams', open: true })
      link.backward.udpCut = true
      link.far.input({ type: 'datagrams', open: true })
      link.backward.udpCut = false
      if (inUse) link.trafficMs = 100
      link.run(12_000)
      const cutAt = link.now
      link.cut()
      link.run(8_000)
      for (const end of link.ends) expect((end.when('down', cutAt) as number) - cutAt).toBeLessThan(inUse ? 690 : 1_490)
    }
  })

  it('on control alone: TCP is given time to repair', () => {
    const times = detections({ rttMs: 30, inUse: true, udp: false }, kinds.both)
    expect(times[0]).toBeGreaterThan(2_000)
    expect(times.at(-1)).toBeLessThan(3_500)
  })
})

describe('false alarms', () => {
  it.each([
    { inUse: false, days: 2 },
    { inUse: true, days: 0.25 },
  ])('none in $days days at 5 % loss each way (in use: $inUse)', ({ inUse, days }) => {
    const link = establish({ seed: 100, rttMs: 60, spreadMs: 10 })
    for (const path of link.paths) path.loss = 0.05
    if (inUse) link.trafficMs = 100
    link.run(days * DAY_MS)
    expect(link.near.sent.udp).toBeGreaterThan(days * 60_000)
    for (const end of link.ends) {
      expect(end.falls()).toBe(0)
      expect(end.halfOpen).toBe(0)
    }
  })

  it('few in 0.5 days of losses that come in spells of 100 ms', () => {
    const link = establish({ seed: 100, rttMs: 20, inUse: true })
    for (const path of link.paths) path.bursty = { goodMs: 900, badMs: 100, goodLoss: 0, badLoss: 0.5 }
    link.run(0.5 * DAY_MS)
    // With a burst of eight the end that is probed falls three times.
    for (const end of link.ends) expect(end.falls()).toBeLessThanOrEqual(1)
  })

  it('without a whole burst there would be hundreds', () => {
    const link = establish({
      seed: 7,
      rttMs: 60,
      spreadMs: 10,
      config: { burstProbes: 1, burstProbesLossy: 1, holdMs: 50, holdMsMax: 100, recoveryReplies: 1 },
    })
    for (const path of link.paths) path.loss = 0.05
    link.trafficMs = 100
    link.run(0.1 * DAY_MS)
    expect(link.near.falls()).toBeGreaterThan(50)
  })

  const stalls = ([100, 500, 1_000, 1_500, 2_000] as const).flatMap((ms) => [true, false].map((inUse) => ({ ms, inUse })))

  it.each(stalls)('a stall of $ms ms of either main thread is none (in use: $inUse)', ({ ms, inUse }) => {
    for (let seed = 1; seed <= 20; seed++) {
      const link = establish({ seed, rttMs: 30, inUse })
      for (let i = 0; i < 4; i++) {
        link.ends[i % 2]?.stall(ms)
        link.run(6_000 + 37 * seed)
      }
      for (const end of link.ends) expect(end.falls()).toBe(0)
      expect(link.near.monitor.view(instant(link.now)).rttMs.p99).toBeLessThan(40)
    }
  })

  it('a process that was stopped for 2 s blames itself; its peers fall once and come back', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const link = establish({ seed, rttMs: 30, inUse: seed % 2 === 0 })
      const [stopped, peer] = seed % 4 < 2 ? [link.far, link.near] : [link.near, link.far]
      stopped.freeze(2_000)
      link.run(30_000)
      expect(stopped.falls()).toBe(0)
      expect(peer.falls()).toBe(1)
      expect(peer.monitor.state).toBe('up')
    }
  })

  it('a process that hangs while its socket answers is degraded, then dead, then back', () => {
    const link = establish({ seed: 8, rttMs: 30, inUse: true })
    const at = link.now
    link.far.stall(6_000)
    link.run(25_000)
    expect((link.near.when('degraded', at) as number) - at).toBeLessThan(1_000)
    const down = (link.near.when('down', at) as number) - at
    expect(down).toBeGreaterThan(2_000)
    expect(down).toBeLessThan(3_000)
    expect(link.near.changes.find((change) => change.state === 'down')?.reason).toContain('its process has stood still')
    expect(link.near.monitor.state).toBe('up')
  })

  it('asks once more after a stall, but not for ever', () => {
    const link = establish({ seed: 9, rttMs: 30, inUse: true })
    link.cut()
    link.near.stall(2_000)
    link.run(2_200)
    expect(link.near.monitor.state).toBe('up')
    link.run(5_000)
    expect(link.near.monitor.state).toBe('down')
  })

  it('stretches its deadlines while the driver reports lag', () => {
    const quick = establish({ seed: 9, rttMs: 30, inUse: true })
    const lagging = establish({ seed: 9, rttMs: 30, inUse: true })
    lagging.near.input({ type: 'lag', lagMs: 400 })
    const [undisturbed, stretched] = [quick, lagging].map((link) => {
      const cutAt = link.now
      link.cut()
      link.run(5_000)
      return (link.near.when('down') as number) - cutAt
    })
    expect((stretched as number) - (undisturbed as number)).toBeGreaterThan(200)
  })
})

describe('evidence', () => {
  it('stays up on control when UDP dies, at both ends, and finds UDP again', () => {
    const link = establish({ seed: 11, rttMs: 30, inUse: true })
    const cutAt = link.now
    for (const path of link.paths) path.udpCut = true
    link.run(20_000)
    for (const end of link.ends) {
      expect(end.monitor.state).toBe('up')
      expect(end.monitor.evidence).toBe('control')
      expect((end.changes.find((change) => change.at > cutAt)?.at ?? Infinity) - cutAt).toBeLessThan(5_000)
    }
    expect(link.near.monitor.reason).toBe('answers over control, udp is silent')
    for (const path of link.paths) path.udpCut = false
    link.run(10_000)
    for (const end of link.ends) {
      expect(end.monitor.evidence).toBe('both')
      expect(end.falls()).toBe(0)
    }
  })

  it('calls UDP silent only when it has had the time to answer', () => {
    const link = new LabLink({ seed: 11, rttMs: 30 }).openDatagrams()
    for (const path of link.paths) path.udpCut = true
    link.run(200)
    expect([link.near.monitor.state, link.near.monitor.reason]).toEqual(['up', 'answers over control, udp not yet'])
    link.run(5_000)
    expect(link.near.monitor.reason).toBe('answers over control, udp is silent')
  })

  it('calls a connection half open when control dies under UDP', () => {
    const link = establish({ seed: 12, rttMs: 30, inUse: true })
    for (const path of link.paths) path.controlCut = true
    link.run(25_000)
    expect(link.near.halfOpen).toBe(1)
    expect(link.near.monitor.state).toBe('up')
    expect(link.near.monitor.evidence).toBe('udp')
  })
})

describe('up slowly', () => {
  it('needs 5 replies and a hold that doubles with every fall, and halves after 10 min up', () => {
    const link = establish({ seed: 21, rttMs: 30, inUse: true })
    const holds: number[] = []
    for (let fall = 0; fall < 5; fall++) {
      link.cut()
      link.run(5_000)
      const healedAt = link.now
      link.heal()
      link.run(120_000)
      holds.push((link.near.when('up', healedAt) as number) - healedAt)
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
    expect(link.near.monitor.holdMs).toBe(5_000)
  })

  it('does not hold back a link that is needed: both ends hear of it', () => {
    const link = establish({ seed: 23, rttMs: 30 })
    link.cut()
    link.run(4_000)
    link.near.input({ type: 'needed', needed: true })
    link.heal()
    const healedAt = link.now
    link.run(5_000)
    for (const end of link.ends) expect((end.when('up', healedAt) as number) - healedAt).toBeLessThan(4_000)
  })

  it('starts the hold again after a gap', () => {
    const link = establish({ seed: 22, rttMs: 30 })
    link.cut()
    link.run(5_000)
    link.heal()
    link.run(4_000)
    link.cut()
    link.run(8_000)
    expect(link.near.monitor.state).toBe('down')
    const healedAt = link.now
    link.heal()
    link.run(10_000)
    expect((link.near.when('up', healedAt) as number) - healedAt).toBeGreaterThanOrEqual(5_000)
    expect(link.near.monitor.state).toBe('up')
  })
})

describe('degraded', () => {
  it('a brown-out of 20 % each way is recognised in 2 s in most cases, at both ends, and recovers', () => {
    const times: number[] = []
    for (let seed = 1; seed <= 60; seed++) {
      const link = establish({ seed, rttMs: 30, inUse: true })
      const at = link.now
      for (const path of link.paths) path.loss = 0.2
      link.run(10_000)
      times.push((link.near.when('degraded', at) ?? Infinity) - at)
      expect(link.far.when('degraded', at)).toBeDefined()
      for (const path of link.paths) path.loss = 0
      link.run(30_000)
      for (const end of link.ends) {
        expect(end.monitor.state).toBe('up')
        expect(end.falls()).toBe(0)
      }
    }
    times.sort((a, b) => a - b)
    expect(quantile(times, 0.5)).toBeLessThan(2_000)
    expect(quantile(times, 0.9)).toBeLessThan(3_000)
  })

  it('so is a delay that has swollen', () => {
    const link = establish({ seed: 2, rttMs: 30, inUse: true })
    const at = link.now
    for (const path of link.paths) path.delayMs = 125
    link.run(10_000)
    expect((link.near.when('degraded', at) as number) - at).toBeLessThan(2_300)
    expect(link.near.monitor.reason).toContain('p95')
    for (const path of link.paths) path.delayMs = 15
    link.run(40_000)
    expect(link.near.monitor.state).toBe('up')
  })
})

describe('replies', () => {
  it('ignores what it did not ask for, and what it has had', () => {
    const monitor = new LinkMonitor(instant(0), new SeededRandom(1), { probes: true })
    const [effect] = monitor.handle(instant(0), WAKE)
    if (effect?.type !== 'probe') throw new Error('no probe')
    const { sequence, sent } = effect.probe
    const reply: ProbeReply = { type: 'reply', sequence, sent, reflectorSequence: 0, received: 7, residenceMs: 1, ageMs: 0 }
    const give = (ms: number, via: 'udp' | 'control', changes: Partial<ProbeReply> = {}): unknown =>
      monitor.handle(instant(ms), { type: 'reply', via, at: instant(ms), reply: { ...reply, ...changes } })
    give(10, 'control', { sequence: 9 })
    give(10, 'control', { sent: stampOf(instant(13)) })
    give(10, 'udp')
    expect(monitor.view(instant(10)).rttMs.last).toBeNull()
    give(10, 'control')
    give(11, 'control')
    expect(monitor.state).toBe('probing')
    expect(monitor.view(instant(11)).rttMs.last).toBe(9)
    expect(monitor.counts('control')).toMatchObject({ received: 1, duplicated: 1, stray: 2 })
  })

  it('counts late replies of a link that is down as good', () => {
    const link = establish({ seed: 31, rttMs: 30, inUse: true })
    for (const path of link.paths) path.delayMs = 1_000
    link.run(1_500)
    expect(link.near.monitor.state).toBe('down')
    const downAt = link.near.when('down') as number
    link.run(12_000)
    expect(link.near.when('up', downAt)).toBeLessThan(downAt + 8_000)
  })
})
