/** Sync over trees of several tiers: who passes what on to whom, when, and in which order. */
import { decodeRecord, encodeRecord } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { Lab, type LabNode } from './replica-lab.ts'

const ACKS_MS = 8_000

/** The batches of a message. */
function batchesOf(message: Uint8Array): Uint8Array[] {
  const parts = decodeRecord(message) as [number, ...unknown[]][]
  return parts.filter(([kind]) => kind === 3).flatMap((part) => part.slice(2) as Uint8Array[])
}

function write(node: LabNode, collection: string, partition: string, key: string, value: unknown): void {
  const change = { key, operation: { type: 'put', value } } as const
  node.input({ type: 'write', request: node.lab.nextNumber(), collection, partition, changes: [change] })
}

/** Records every batch that is sent, by session. */
function watchBatches(lab: Lab): Map<number, string[]> {
  const sent = new Map<number, string[]>()
  const send = lab.send.bind(lab)
  lab.send = (from, session, message) => {
    for (const batch of batchesOf(message)) sent.set(session, [...(sent.get(session) ?? []), Buffer.from(batch).toString('base64')])
    send(from, session, message)
  }
  return sent
}

/** Sends every batch as so many zeros instead, until the returned function is called. */
function spoilBatches(lab: Lab): () => void {
  const send = lab.send
  lab.send = (from, session, message) => {
    const parts = decodeRecord(message) as [number, ...unknown[]][]
    const zeros = (field: unknown): unknown => (field instanceof Uint8Array ? new Uint8Array(field.length) : field)
    send.call(lab, from, session, encodeRecord(parts.map((part) => (part[0] === 3 ? part.map(zeros) : part))))
  }
  return () => (lab.send = send)
}

function keys(node: LabNode, collection = 'tasks'): string[] {
  return node.replica.list(collection).map(({ partition, key }) => `${partition}:${key}`)
}

/** Two hubs in the core, two regional ones below the first and one below the second, each with a site; one site has a member. */
function twoTiers(): Record<'p1' | 'p2' | 'r1' | 'r2' | 'r3' | 'g1' | 'g2' | 'g3' | 'member', LabNode> & { lab: Lab } {
  const lab = new Lab(7)
  const [p1, p2] = [lab.add('core-1'), lab.add('core-2')]
  const regional = { interest: ['config/**'], write: [] }
  const [r1, r2, r3] = [lab.add('apac-1', regional), lab.add('apac-2', regional), lab.add('emea-1', regional)]
  const site = (...interest: string[]): { interest: string[]; write: string[] } => ({
    interest: ['config/**', ...interest],
    write: ['tasks/**'],
  })
  const [g1, member] = [lab.add('hkg-1-a', site('tasks/hkg-1')), lab.add('hkg-1-b', site('tasks/hkg-1'))]
  const [g2, g3] = [lab.add('nrt-1-a', site('tasks/nrt-1', 'tasks/hkg-1')), lab.add('fra-1-a', site('tasks/hkg-1'))]
  lab.connect(p1, p2, 'mesh')
  for (const [below, above] of [
    [r1, p1],
    [r2, p1],
    [r3, p2],
    [g1, r1],
    [member, g1],
    [g2, r2],
    [g3, r3],
  ] as const)
    lab.connect(below, above, 'up')
  lab.run(100)
  return { lab, p1, p2, r1, r2, r3, g1, g2, g3, member }
}

describe('sync over two tiers of hubs', () => {
  it('brings a write to whoever wants it, once over each session', () => {
    const { lab, member, g1, g2, g3, r1, r2, r3, p1, p2 } = twoTiers()
    const sent = watchBatches(lab)
    write(member, 'tasks', 'hkg-1', 'a', 1)
    lab.run(20)
    for (const node of [member, g1, g2, g3, r1, r2, r3, p1, p2]) expect(keys(node)).toEqual(['hkg-1:a'])
    expect(sent.size).toBe(8)
    for (const batches of sent.values()) expect(batches).toHaveLength(1)
    lab.run(ACKS_MS)
    expect(member.replica.view(lab.now)).toMatchObject({ pending: 0 })
    for (const node of lab.nodes) expect(node.violations()).toEqual([])
  })

  it('carries down only what somebody below wants', () => {
    const { lab, g1, g2, g3, r1, r2, r3 } = twoTiers()
    write(g2, 'tasks', 'nrt-1', 'b', 2)
    lab.run(20)
    expect([r1, r3, g1, g3].flatMap((node) => keys(node))).toEqual([])
    expect(keys(r2)).toEqual(['nrt-1:b'])
  })

  it('brings everything to a site that comes later, and says so only then', () => {
    const { lab, p2, r1 } = twoTiers()
    for (let n = 0; n < 3; n++) write(p2, 'tasks', 'sin-1', `k${n}`, n)
    lab.run(20)
    const late = lab.add('sin-1-a', { interest: ['tasks/sin-1'], write: [] })
    lab.connect(late, r1, 'up')
    for (let steps = 0; !late.replica.complete(); steps++) {
      expect(steps).toBeLessThan(10_000)
      if (!lab.step()) lab.tick(10)
    }
    expect(keys(late)).toHaveLength(3)
  })

  it('goes on when a regional hub is lost and its site moves to another', () => {
    const { lab, g1, member, p1, r1, r2 } = twoTiers()
    lab.cutAll(r1)
    write(member, 'tasks', 'hkg-1', 'cut', 1)
    lab.run(20)
    expect(keys(p1)).toEqual([])
    lab.connect(g1, r2, 'up')
    lab.run(ACKS_MS)
    expect(keys(p1)).toEqual(['hkg-1:cut'])
    lab.connect(r1, p1, 'up')
    lab.run(40_000)
    for (const node of lab.nodes) expect(node.violations()).toEqual([])
  })
})

describe('a relay', () => {
  it('passes on what has passed the gate, and acknowledges it only when it is durable', () => {
    const lab = new Lab(2)
    const [gateway, hub1, hub2] = [lab.add('hkg-1-a'), lab.add('core-1'), lab.add('core-2')]
    lab.connect(gateway, hub1, 'up')
    lab.connect(hub1, hub2, 'mesh')
    lab.run(ACKS_MS)
    const persist = hub1.persistNext.bind(hub1)
    hub1.persistNext = () => {}
    gateway.put('hkg-1', 'a', 1)
    lab.tick(10)
    for (let steps = 0; steps < 200; steps++) lab.step()
    expect(keys(hub2)).toEqual(['hkg-1:a'])
    for (let seconds = 0; seconds < 5; seconds++) {
      lab.tick(1_000)
      for (let steps = 0; steps < 100; steps++) lab.step()
    }
    expect(gateway.replica.view(lab.now).pending).toBe(1)
    // It forgets what it has passed on; the gateway still has it to send.
    hub1.crash(0)
    hub1.persistNext = persist
    lab.connect(gateway, hub1, 'up')
    lab.run(ACKS_MS)
    expect(keys(hub1)).toEqual(['hkg-1:a'])
    expect(gateway.replica.view(lab.now).pending).toBe(0)
    lab.connect(hub1, hub2, 'mesh')
    lab.run(ACKS_MS)
    for (const node of lab.nodes) expect(node.violations()).toEqual([])
    expect(hub1.replica.token()).toBe(hub2.replica.token())
  })

  it('gets back from below what only those below still have', () => {
    const lab = new Lab(2)
    const [writer, hub, reader] = [lab.add('hkg-1-a'), lab.add('core-1'), lab.add('nrt-1-a')]
    lab.connect(writer, hub, 'up')
    lab.connect(reader, hub, 'up')
    lab.run(100)
    hub.persistNext = () => {}
    writer.put('hkg-1', 'a', 1)
    lab.tick(10)
    for (let steps = 0; steps < 200; steps++) lab.step()
    expect(keys(reader)).toEqual(['hkg-1:a'])
    lab.cutAll(writer)
    hub.crash(0)
    Reflect.deleteProperty(hub, 'persistNext')
    expect(keys(hub)).toEqual([])
    lab.connect(reader, hub, 'up')
    lab.run(ACKS_MS)
    expect(keys(hub)).toEqual(['hkg-1:a'])
  })

  it('sends config and tasks before everything else that waits', () => {
    const lab = new Lab(4)
    const [hub, gateway] = [lab.add('core-1'), lab.add('hkg-1-a')]
    for (let n = 0; n < 40; n++) {
      write(hub, 'media', 'hkg-1', `k${n}`, 'x'.repeat(20_000))
      lab.run(11)
    }
    const session = lab.connect(gateway, hub, 'up')
    const order: string[] = []
    const send = lab.send.bind(lab)
    lab.send = (from, number, message) => {
      if (number === session) order.push(...batchesOf(message).map((batch) => (decodeRecord(batch) as string[])[1]!))
      send(from, number, message)
    }
    while (order.length < 5) lab.step()
    expect(new Set(order)).toEqual(new Set(['media']))
    hub.persistNext()
    write(hub, 'media', 'hkg-1', 'k0', 'y')
    write(hub, 'tasks', 'hkg-1', 'a', 1)
    write(hub, 'config', 'all', 'b', 1)
    const before = order.length
    hub.persistNext()
    hub.persistNext()
    // They do not even wait for credit, which the rest has used up.
    expect(order.slice(before)).toEqual(['config', 'tasks'])
    lab.run(5_000)
    expect(order.filter((collection) => collection === 'media')).toHaveLength(41)
  })
})

describe('anti-entropy', () => {
  it('costs a few bytes at rest, however many documents there are', () => {
    const lab = new Lab(9)
    const [hub, gateway] = [lab.add('core-1'), lab.add('hkg-1-a')]
    for (let n = 0; n < 100; n++) write(hub, 'tasks', `site-${n}`, 'a', n)
    lab.connect(gateway, hub, 'up')
    lab.run(ACKS_MS)
    lab.bytes = 0
    lab.run(120_000)
    expect(lab.bytes).toBeGreaterThan(0)
    expect(lab.bytes).toBeLessThan(120)
  })

  it('finds what was lost without anything that follows it', () => {
    for (const relation of ['up', 'mesh', 'down'] as const) {
      const lab = new Lab(9)
      const [one, other] = [lab.add('core-1'), lab.add('core-2')]
      lab.connect(one, other, relation)
      one.put('hkg-1', 'early', 1)
      lab.run(ACKS_MS)
      const stop = spoilBatches(lab)
      one.put('hkg-1', 'lost', 1)
      lab.run(20)
      stop()
      expect(other.violations()).toMatchObject([{ code: 'bad-batch' }])
      expect(keys(other)).toEqual(['hkg-1:early'])
      lab.run(45_000)
      expect(keys(other)).toEqual(['hkg-1:early', 'hkg-1:lost'])
      lab.bytes = 0
      lab.run(60_000)
      expect(lab.bytes).toBeLessThan(150)
    }
  })

  it('compares heads where digests never say anything because something is always on the way', () => {
    const lab = new Lab(9)
    const [gateway, hub] = [lab.add('hkg-1-a'), lab.add('core-1')]
    const session = lab.connect(gateway, hub, 'up')
    lab.run(100)
    // A count that is never right, as if something were always under way.
    hub.input({ type: 'sessionMessage', session, message: encodeRecord([[3, 0]]) })
    const send = lab.send.bind(lab)
    let rounds = 0
    lab.send = (from, number, message) => {
      const parts = (decodeRecord(message) as [number, ...unknown[]][]).map((part) => (part[0] === 7 ? [7, 1, ...part.slice(2)] : part))
      rounds += parts.filter(([kind]) => kind === 8).length
      send(from, number, encodeRecord(parts))
    }
    lab.run(290_000)
    expect(rounds).toBe(0)
    lab.run(100_000)
    expect(rounds).toBe(1)
  })
})

describe('a write that waits', () => {
  function site(seed: number): { lab: Lab; hub: LabNode; gateway: LabNode; member: LabNode } {
    const lab = new Lab(seed)
    const [hub, gateway, member] = [lab.add('core-1', { core: true }), lab.add('hkg-1-a'), lab.add('hkg-1-b')]
    lab.connect(gateway, hub, 'up')
    lab.connect(member, gateway, 'up')
    lab.run(ACKS_MS)
    return { lab, hub, gateway, member }
  }
  const changes = [{ key: 'a', operation: { type: 'put', value: 1 } }] as const

  it('for a hub is answered as soon as a hub has it, also two hops away, without waiting for a tick', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { lab, hub, gateway, member } = site(seed)
      const requests = [gateway, member, hub].map((node) => ({ node, request: node.writeAll('hkg-1', changes, 'hub') }))
      lab.run(50)
      for (const { node, request } of requests) expect(node.answers.get(request)).toMatchObject({ ok: true })
    }
  })

  it('for the site is answered when one more node has it, for a hub not before a hub has', () => {
    const { lab, hub, gateway, member } = site(6)
    lab.cutAll(hub)
    const near = member.writeAll('hkg-1', changes, 'site')
    const far = member.writeAll('hkg-1', changes, 'hub')
    lab.run(2_000)
    expect(member.answers.get(near)).toMatchObject({ ok: true })
    expect(member.answers.has(far)).toBe(false)
    lab.connect(gateway, hub, 'up')
    lab.run(ACKS_MS)
    expect(member.answers.get(far)).toMatchObject({ ok: true })
  })

  it('hears of it although its session was cut meanwhile', () => {
    const { lab, hub, gateway, member } = site(6)
    const [toHub] = lab.sessions()
    lab.cut(toHub!)
    const request = member.writeAll('hkg-1', changes, 'hub')
    lab.run(2_000)
    lab.cutAll(member)
    lab.connect(gateway, hub, 'up')
    lab.run(ACKS_MS)
    expect(member.answers.has(request)).toBe(false)
    lab.connect(member, gateway, 'up')
    lab.run(ACKS_MS)
    expect(member.answers.get(request)).toMatchObject({ ok: true })
  })
})

describe('an acknowledgement', () => {
  it('is not lost when the session ends before the batch is on disk', () => {
    const lab = new Lab(3)
    const [gateway, hub] = [lab.add('hkg-1-a'), lab.add('core-1')]
    const session = lab.connect(gateway, hub, 'up')
    lab.run(ACKS_MS)
    hub.persistNext = () => {}
    gateway.put('hkg-1', 'a', 1)
    lab.tick(10)
    for (let steps = 0; steps < 100; steps++) lab.step()
    expect(hub.unpersisted).toHaveLength(1)
    lab.cut(session)
    lab.connect(gateway, hub, 'up')
    for (let steps = 0; steps < 100; steps++) lab.step()
    Reflect.deleteProperty(hub, 'persistNext')
    lab.run(ACKS_MS)
    expect(gateway.replica.view(lab.now).pending).toBe(0)
  })
})
