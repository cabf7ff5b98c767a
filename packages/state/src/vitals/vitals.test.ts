import { describe, expect, test } from 'vitest'
import { type VitalValues, after, instant } from '@causeway/protocol'
import { INCARNATION_MAX } from './vital-decoder.ts'
import { VitalEncoder } from './vital-encoder.ts'
import { SILENCE_MS, Vitals } from './vitals.ts'
import { LabNode, VitalsLab, identity } from './vitals-lab.ts'

const EVERYTHING: VitalValues = { cpu: 0, mem: 0, load: 0 }

/** Two hubs; a site of two nodes below the first, a site of one below the second. */
function fleet(wants: readonly string[] = []): {
  lab: VitalsLab
  hubs: [LabNode, LabNode]
  gateway: LabNode
  member: LabNode
  far: LabNode
  lines: ReturnType<VitalsLab['join']>[]
} {
  const lab = new VitalsLab()
  const hubs: [LabNode, LabNode] = [
    new LabNode(identity('core-1', 'core', 'hub', 'eu'), 1, EVERYTHING),
    new LabNode(identity('core-2', 'core', 'hub', 'eu'), 1, EVERYTHING),
  ]
  const gateway = new LabNode(identity('hkg-1-a', 'hkg-1'), 1, EVERYTHING)
  const member = new LabNode(identity('hkg-1-b', 'hkg-1'), 1, EVERYTHING)
  const far = new LabNode(identity('nrt-1-a', 'nrt-1'), 1, EVERYTHING)
  const lines = [
    lab.join(...hubs, 'mesh'),
    lab.join(gateway, hubs[0], 'up', { wants: ['hkg-1'], delayMs: 80 }),
    lab.join(member, gateway, 'up', { wants: ['hkg-1'], delayMs: 1 }),
    lab.join(far, hubs[1], 'up', { wants: ['nrt-1', ...wants], delayMs: 80 }),
  ]
  return { lab, hubs, gateway, member, far, lines }
}

/** Every node says how high its load is, once a second, each at its own time. */
function chatter(nodes: readonly LabNode[]): (now: number) => void {
  return (now) => {
    for (const [at, node] of nodes.entries()) {
      if (now % 1000 === 100 * at) node.vitals.set(instant(now), { cpu: ((now / 1000) * (at + 1)) % 100, mem: 10 + at })
    }
  }
}

describe('who is told', () => {
  test('every hub has the load of every node within two seconds', () => {
    const { lab, hubs, gateway, member, far } = fleet()
    lab.run(10_000, chatter([gateway, member, far, ...hubs]))
    for (let at = 0; at < 20; at++) {
      const load = 10 + at
      member.vitals.set(lab.now, { cpu: load, mem: 50 })
      lab.run(2_000, chatter([gateway, far, ...hubs]))
      for (const hub of hubs) expect(hub.view(lab.now, 'hkg-1-b')).toMatchObject({ fresh: true, values: { cpu: load, mem: 50 } })
    }
    for (const hub of hubs) expect(hub.vitals.views(lab.now)).toHaveLength(5)
    for (const node of [...hubs, gateway, member, far]) expect(node.violations).toEqual([])
  })

  test('a site hears of its own nodes, and of others only if it wants them', () => {
    const { lab, gateway, member, far } = fleet(['apac/hkg-1'])
    lab.run(8_000, chatter([gateway, member, far]))
    const known = (node: LabNode): string[] =>
      node.vitals
        .views(lab.now)
        .map((view) => view.identity.name)
        .sort()
    expect(known(member)).toEqual(['hkg-1-a', 'hkg-1-b'])
    expect(known(gateway)).toEqual(['hkg-1-a', 'hkg-1-b'])
    expect(known(far)).toEqual(['hkg-1-a', 'hkg-1-b', 'nrt-1-a'])
  })

  test('an interest that changes changes what is told', () => {
    const wants = new Set<string>()
    const hub = new Vitals({ self: identity('core-1', 'core', 'hub'), incarnation: 1 })
    hub.opened(1, 'down')
    hub.opened(2, 'down', { wants: (partition) => wants.has(partition) })
    const site = new Vitals({ self: identity('hkg-1-a', 'hkg-1'), incarnation: 1 })
    site.opened(7, 'up')
    site.set(instant(10), { cpu: 1 })
    const said = site.gather(instant(10), 7)
    expect(said && hub.receive(instant(10), 1, said)).toBeUndefined()
    expect([hub.nextWake(), hub.takeDue(instant(9_000))]).toEqual([undefined, []])
    wants.add('apac/hkg-1')
    hub.interestChanged(2)
    expect(hub.takeDue(instant(20))).toEqual([2])
    expect(hub.gather(instant(20), 2)).toBeDefined()
    hub.interestChanged(2)
    expect(hub.gather(instant(30), 2)).toBeUndefined()
  })

  test('nothing goes back to where it came from, and a full mesh of hubs carries it once each', () => {
    const lab = new VitalsLab()
    const hubs = [1, 2, 3, 4].map((at) => new LabNode(identity(`core-${at}`, 'core', 'hub'), 1))
    const mesh = hubs.flatMap((a, at) => hubs.slice(at + 1).map((b) => lab.join(a, b, 'mesh')))
    const [first] = hubs
    if (!first) throw new Error('no hub')
    const gateway = new LabNode(identity('hkg-1-a', 'hkg-1'), 1, { cpu: 0 })
    const uplink = lab.join(gateway, first, 'up', { wants: ['hkg-1', 'apac/hkg-1'] })
    lab.run(20_000, chatter([gateway]))
    lab.run(500)
    expect(uplink.messages).toBe(20)
    const messages = mesh.map((line) => line.messages)
    expect(messages.slice(3)).toEqual([0, 0, 0])
    for (const count of messages.slice(0, 3)) expect(count).toBe(uplink.messages)
    for (const hub of hubs) expect(hub.vitals.counts.stale).toBe(0)
  })

  test('two gateways of one site at once: the latest is known, whichever way it came', () => {
    const { lab, hubs, gateway, member, far } = fleet()
    lab.join(member, hubs[1], 'up', { wants: ['hkg-1'], delayMs: 300 })
    lab.run(10_000, chatter([gateway, member, far]))
    member.vitals.set(lab.now, { cpu: 77 })
    lab.run(2_000)
    for (const hub of hubs) expect(hub.view(lab.now, 'hkg-1-b')?.values).toEqual({ cpu: 77 })
    expect(member.vitals.counts.bytesIn).toBeLessThan(2_000)
  })
})

describe('what a packet costs', () => {
  test('a site whose nodes say nothing new says so once in four seconds for all of them', () => {
    const { lab, hubs, gateway, member, lines } = fleet()
    const quiet = (now: number): void => {
      if (now % 1000 === 0) gateway.vitals.set(instant(now), { cpu: 1 })
      if (now % 1000 === 700) member.vitals.set(instant(now), { cpu: 2 })
    }
    lab.run(20_000, quiet)
    const before = lines[1]?.messages ?? 0
    lab.run(60_000, quiet)
    expect((lines[1]?.messages ?? 0) - before).toBeLessThanOrEqual(16)
    for (const hub of hubs) {
      for (const name of ['hkg-1-a', 'hkg-1-b']) expect(hub.view(lab.now, name)).toMatchObject({ fresh: true, since: expect.any(Number) })
    }
    // What is new does not wait for company.
    member.vitals.set(lab.now, { cpu: 50 })
    lab.run(1_500)
    expect(hubs[1].view(lab.now, 'hkg-1-b')?.values).toEqual({ cpu: 50 })
  })

  test('what a site is told leaves when the site has spoken', () => {
    const { lab, far, gateway, lines } = fleet(['apac/hkg-1'])
    const quiet = (now: number): void => {
      if (now % 1000 === 0) gateway.vitals.set(instant(now), { cpu: 1 })
      if (now % 1000 === 300) far.vitals.set(instant(now), { cpu: 2 })
    }
    lab.run(20_000, quiet)
    const [before, heard] = [lines[3]?.messages ?? 0, far.view(lab.now, 'hkg-1-a')]
    lab.run(40_000, quiet)
    expect((lines[3]?.messages ?? 0) - before).toBeLessThanOrEqual(22)
    expect(far.view(lab.now, 'hkg-1-a')).toMatchObject({ fresh: true, since: heard?.since })
  })
})

describe('silence', () => {
  test('a site that is cut off keeps its last values with their age, and is fresh again when it is back', () => {
    const { lab, hubs, gateway, member, far, lines } = fleet()
    const talk = chatter([gateway, member, far])
    lab.run(10_000, talk)
    const line = lines[1]
    if (!line) throw new Error('no line')
    lab.cut(line)
    const cutAt = lab.now
    lab.run(60_000, talk)
    for (const hub of hubs) {
      const view = hub.view(lab.now, 'hkg-1-b')
      expect(view?.fresh).toBe(false)
      expect(view?.ageMs).toBeGreaterThan(59_000)
      expect(view?.ageMs).toBeLessThan(62_500)
      expect(Math.abs((view?.since ?? 0) - cutAt - SILENCE_MS)).toBeLessThan(2_500)
      expect(view?.values).toHaveProperty('cpu')
      expect(hub.view(lab.now, 'nrt-1-a')?.fresh).toBe(true)
    }
    // A hub that comes to know of them now hears how old that is.
    const late = new LabNode(identity('core-3', 'core', 'hub', 'eu'), 1)
    lab.join(late, hubs[0], 'mesh')
    lab.run(1_000, talk)
    expect(late.view(lab.now, 'hkg-1-b')?.fresh).toBe(false)
    const backAt = lab.now
    lab.join(gateway, hubs[0], 'up', { wants: ['hkg-1'], delayMs: 80 })
    lab.run(3_000, talk)
    for (const hub of [...hubs, late]) {
      const view = hub.view(lab.now, 'hkg-1-b')
      expect(view?.fresh).toBe(true)
      expect(Math.abs((view?.since ?? 0) - backAt)).toBeLessThan(2_500)
    }
  })

  test('a node without changes is fresh all the same, for very few bytes', () => {
    const lab = new VitalsLab()
    const [hub, gateway] = [new LabNode(identity('core-1', 'core', 'hub'), 1), new LabNode(identity('hkg-1-a', 'hkg-1'), 1)]
    const line = lab.join(gateway, hub, 'up')
    const still = (now: number): void => {
      if (now % 1000 === 0) gateway.vitals.set(instant(now), { cpu: 40 + (now % 3000) / 10_000, mem: 10 })
    }
    lab.run(2_000, still)
    const before = line.bytes
    for (let at = 0; at < 60; at++) {
      lab.run(1_000, still)
      expect(hub.view(lab.now, 'hkg-1-a')?.fresh).toBe(true)
    }
    expect(line.bytes - before).toBeLessThanOrEqual(31)
  })

  test('what was not heard of for an hour is forgotten, and may come back', () => {
    const { lab, hubs, gateway, member, far, lines } = fleet()
    const talk = chatter([gateway, member, far, ...hubs])
    lab.run(5_000, talk)
    const line = lines[1]
    if (!line) throw new Error('no line')
    lab.cut(line)
    lab.run(3_700_000, chatter([far, ...hubs]), 100)
    for (const hub of hubs) expect(hub.view(lab.now, 'hkg-1-b')).toBeUndefined()
    lab.join(gateway, hubs[0], 'up', { wants: ['hkg-1'], delayMs: 80 })
    lab.run(5_000, talk)
    for (const hub of hubs) expect(hub.view(lab.now, 'hkg-1-b')?.fresh).toBe(true)
    for (const hub of hubs) expect(hub.violations).toEqual([])
  })
})

describe('thresholds', () => {
  test('small changes are not told, many of them are, and all are if the threshold is 0', () => {
    for (const threshold of [0, 5]) {
      const vitals = new Vitals({ self: identity('a', 's'), incarnation: 1, thresholds: { cpu: threshold, queue: threshold } })
      const told: number[] = []
      for (let at = 0; at < 20; at++) {
        vitals.set(instant(1000 * at), { cpu: at, queue: -at })
        told.push(vitals.views(instant(1000 * at))[0]?.values['cpu'] ?? Number.NaN)
      }
      expect(told).toEqual(told.map((_, at) => (threshold === 0 ? at : at - (at % threshold))))
    }
  })

  test('fields come and go', () => {
    const lab = new VitalsLab()
    const [hub, gateway] = [new LabNode(identity('core-1', 'core', 'hub'), 1), new LabNode(identity('hkg-1-a', 'hkg-1'), 1)]
    lab.join(gateway, hub, 'up')
    for (const values of [{ cpu: 1 }, { cpu: 1, players: 12 }, { players: 13.5 }, {}, { cpu: 2 }] as VitalValues[]) {
      gateway.vitals.set(lab.now, values)
      lab.run(1_500)
      expect(hub.view(lab.now, 'hkg-1-a')?.values).toEqual(values)
    }
  })

  test('no more than 32 fields besides the schema, and none that is no number, however they came', () => {
    const vitals = new Vitals({ self: identity('a', 's'), incarnation: 1 })
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`f${String(at).padStart(2, '0')}`, at]))
    vitals.set(instant(1), { ...many, cpu: 3, nothing: Number.NaN, far: Number.POSITIVE_INFINITY, 'no name': 1 })
    const values = vitals.views(instant(1))[0]?.values ?? {}
    expect(Object.keys(values)).toHaveLength(40)
    expect(values['cpu']).toBe(3)
    expect(values).not.toHaveProperty('nothing')
  })
})

describe('a node that comes back as less than it was', () => {
  test('with a lower incarnation it is told, and takes a higher one', () => {
    const { lab, hubs, gateway, member, far } = fleet()
    member.vitals = new Vitals({ self: member.identity, incarnation: 50 })
    const line = lab.join(member, gateway, 'up', { wants: ['hkg-1'], delayMs: 1 })
    const talk = chatter([gateway, member, far])
    lab.run(10_000, talk)
    expect(hubs[1].view(lab.now, 'hkg-1-b')?.fresh).toBe(true)
    lab.cut(line)
    member.vitals = new Vitals({ self: member.identity, incarnation: 3 })
    lab.join(member, gateway, 'up', { wants: ['hkg-1'], delayMs: 1 })
    lab.run(6_000, talk)
    member.vitals.set(lab.now, { cpu: 33.3 })
    lab.run(2_000)
    for (const hub of hubs) expect(hub.view(lab.now, 'hkg-1-b')?.values).toEqual({ cpu: 33.3 })
  })

  test('set back in time within an incarnation, too', () => {
    const hub = new Vitals({ self: identity('core-1', 'core', 'hub'), incarnation: 1 })
    const other = (): Vitals => new Vitals({ self: identity('hkg-1-a', 'hkg-1'), incarnation: 9 })
    const first = other()
    let now = instant(0)
    const exchange = (site: Vitals, session: number): void => {
      const up = site.gather(now, session)
      if (up) expect(hub.receive(now, session, up)).toBeUndefined()
      now = after(now, 2_500)
      const down = hub.gather(now, session)
      if (down) expect(site.receive(now, session, down)).toBeUndefined()
    }
    hub.opened(1, 'down')
    first.opened(1, 'up')
    for (let at = 0; at < 10; at++) {
      first.set(now, { cpu: at })
      exchange(first, 1)
    }
    hub.closed(1)
    const restored = other()
    hub.opened(2, 'down')
    restored.opened(2, 'up')
    for (let at = 0; at < 6; at++) {
      restored.set(now, { cpu: 60 + at })
      exchange(restored, 2)
    }
    expect(hub.views(now).find(({ identity: { name } }) => name === 'hkg-1-a')?.values).toEqual({ cpu: 65 })
  })

  test('nobody can drive an incarnation beyond all bounds', () => {
    const vitals = new Vitals({ self: identity('a', 's'), incarnation: 1 })
    vitals.opened(1, 'up')
    const forged = { identity: identity('a', 's'), incarnation: INCARNATION_MAX, seq: 1, fields: [], quanta: [], saidAt: instant(0) }
    const message = new VitalEncoder().encode(instant(0), [forged])
    expect(message && vitals.receive(instant(0), 1, message)).toBeUndefined()
    vitals.set(instant(1), { cpu: 5 })
    expect(vitals.views(instant(1))[0]?.values).toEqual({ cpu: 5 })
    const beyond = new VitalEncoder().encode(instant(0), [{ ...forged, incarnation: INCARNATION_MAX + 1 }])
    expect(beyond && vitals.receive(instant(0), 1, beyond)).toMatch('cannot be')
  })
})

describe('bounds', () => {
  test('an edge node below speaks for its own site only', () => {
    const hub = new Vitals({ self: identity('core-1', 'core', 'hub'), incarnation: 1, siteOf: () => 'hkg-1' })
    hub.opened(1, 'down', { peer: 'hkg-1-a' })
    const said = { identity: identity('nrt-1-a', 'nrt-1'), incarnation: 1, seq: 1, fields: [], quanta: [], saidAt: instant(0) }
    const message = new VitalEncoder().encode(instant(0), [said])
    expect(message && hub.receive(instant(0), 1, message)).toBe('vitals of nrt-1-a, which is not of site hkg-1')
    expect(hub.views(instant(0))).toEqual([])
  })

  test('and does not tell a hub of another node of which that has heard something older', () => {
    const edge = new Vitals({ self: identity('hkg-1-a', 'hkg-1'), incarnation: 1 })
    edge.opened(1, 'up', { peer: 'core-1' })
    const encoder = new VitalEncoder()
    for (const incarnation of [9, 3]) {
      const said = { identity: identity('core-2', 'core', 'hub'), incarnation, seq: 1, fields: [], quanta: [], saidAt: instant(0) }
      const message = encoder.encode(instant(0), [said])
      expect(message && edge.receive(instant(0), 1, message)).toBeUndefined()
    }
    expect(edge.counts.stale).toBe(1)
    expect([edge.takeDue(instant(60_000)), edge.gather(instant(60_000), 1)]).toEqual([[], undefined])
  })

  test('what comes or is asked for in a session that is gone does nothing', () => {
    const vitals = new Vitals({ self: identity('a', 's'), incarnation: 1 })
    vitals.closed(5)
    vitals.interestChanged(5)
    expect([vitals.gather(instant(0), 5), vitals.receive(instant(0), 5, new Uint8Array(3)), vitals.nextWake()]).toEqual(
      Array.from({ length: 3 }),
    )
  })

  test('more nodes than there is room for are counted, and a message holds 500', () => {
    const hub = new Vitals({ self: identity('core-1', 'core', 'hub'), incarnation: 1 })
    hub.opened(1, 'down')
    hub.opened(2, 'mesh')
    // Two sessions, since the numbers of one are bounded as well.
    hub.opened(3, 'down')
    for (const session of [1, 3]) {
      const encoder = new VitalEncoder()
      for (let from = 0; from < 12_000; from += 500) {
        const said = Array.from({ length: 500 }, (_, at) => ({
          ...{
            identity: identity(`n-${session}-${from + at}`, `s-${from}`),
            incarnation: 1,
            seq: 1,
            fields: [],
            quanta: [],
            saidAt: instant(0),
          },
        }))
        const message = encoder.encode(instant(0), said)
        expect(message && hub.receive(instant(0), session, message)).toBeUndefined()
      }
    }
    expect(hub.views(instant(0))).toHaveLength(20_000)
    expect(hub.counts.refused).toBe(4_000)
    let messages = 0
    while (hub.gather(instant(0), 2)) messages++
    expect(messages).toBe(40)
  })
})
