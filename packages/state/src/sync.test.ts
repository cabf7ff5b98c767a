import { decodeRecord, encodeRecord } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { signBatch } from './batch.ts'
import { Lab, type LabNode, labCredential, labCrypto } from './replica-lab.ts'

/** Acknowledgements wait so long for company, on each of the hops of the tree. */
const ACKS_MS = 3_500
const HOUR_MS = 3_600_000

/** The parts of kind `kind` of a message, without the kind. */
function partsOf(message: Uint8Array, kind: number): unknown[][] {
  const parts = decodeRecord(message) as [number, ...unknown[]][]
  return parts.filter((part) => part[0] === kind).map((part) => part.slice(1))
}

/** The batches of a message. */
function batchesOf(message: Uint8Array): Uint8Array[] {
  return partsOf(message, 3).flatMap((part) => part.slice(1) as Uint8Array[])
}

const HKG = { interest: ['config/**', 'tasks/hkg-1'], write: ['tasks/**'] }

function keys(node: LabNode): string[] {
  return node.replica.list('tasks').map(({ partition, key }) => `${partition}:${key}`)
}

function tree(): { lab: Lab; hub1: LabNode; hub2: LabNode; gateway: LabNode; member: LabNode; other: LabNode } {
  const lab = new Lab(3)
  const [hub1, hub2] = [lab.add('core-1'), lab.add('core-2')]
  const [gateway, member] = [lab.add('hkg-1-a', HKG), lab.add('hkg-1-b', HKG)]
  const other = lab.add('nrt-1-a', { interest: ['tasks/nrt-1', 'tasks/hkg-1'], write: ['tasks/nrt-1'] })
  lab.connect(hub1, hub2, 'mesh')
  lab.connect(gateway, hub1, 'up')
  lab.connect(member, gateway, 'up')
  lab.connect(other, hub2, 'up')
  lab.run(100)
  return { lab, hub1, hub2, gateway, member, other }
}

describe('sync', () => {
  it('carries a write through the whole tree to whoever has an interest', () => {
    const { lab, hub1, hub2, gateway, member, other } = tree()
    member.put('hkg-1', 'a', 1)
    other.put('nrt-1', 'b', 2)
    lab.run(15)
    expect(keys(hub1)).toEqual(['hkg-1:a', 'nrt-1:b'])
    expect(keys(hub2)).toEqual(['hkg-1:a', 'nrt-1:b'])
    expect(keys(other)).toEqual(['hkg-1:a', 'nrt-1:b'])
    expect(keys(gateway)).toEqual(['hkg-1:a'])
    expect(keys(member)).toEqual(['hkg-1:a'])
    for (const node of lab.nodes) expect(node.replica.complete()).toBe(true)
    expect(member.replica.view(lab.now).pending).toBe(1)
    lab.run(ACKS_MS)
    expect(member.replica.view(lab.now)).toMatchObject({ pending: 0, lagMs: 0, sessions: ['hkg-1-a'], records: 1, documents: 1 })
  })

  it('sends each batch once per session and never back', () => {
    const { lab, member } = tree()
    lab.messages = 0
    member.put('hkg-1', 'a', 1)
    lab.run(15)
    expect(lab.messages).toBe(4)
    lab.run(ACKS_MS)
    // Four sessions, one batch and one acknowledgement each.
    expect(lab.messages).toBe(8)
  })

  it('lets acknowledgements go with what leaves anyway', () => {
    const { lab, hub1, gateway } = tree()
    lab.messages = 0
    for (let n = 0; n < 10; n++) {
      gateway.put('hkg-1', 'up', n)
      hub1.put('hkg-1', 'down', n)
      lab.run(500)
    }
    const { messages } = lab
    lab.run(ACKS_MS)
    // Two batches over each of the four sessions each time, and now and then an acknowledgement where nothing goes back.
    expect(messages).toBeGreaterThanOrEqual(80)
    expect(messages).toBeLessThanOrEqual(80 + 2 * 6)
    expect(gateway.replica.view(lab.now).pending).toBe(0)
  })

  it('sends nothing that is not durable, and acknowledges nothing before it is', () => {
    const { lab, gateway, hub1 } = tree()
    gateway.put('hkg-1', 'a', 1)
    lab.messages = 0
    lab.tick(10)
    gateway.put('hkg-1', 'b', 2)
    lab.tick(10)
    expect(gateway.unpersisted).toHaveLength(1)
    expect(lab.messages).toBe(0)
    const send = lab.send.bind(lab)
    const sent: number[] = []
    lab.send = (from, session, message) => {
      sent.push(batchesOf(message).length)
      send(from, session, message)
    }
    gateway.persistNext()
    lab.send = send
    // The first batch leaves, to the hub and to the member; the second stays, although it is in the log.
    expect(sent).toEqual([1, 1])
    while (hub1.unpersisted.length === 0) lab.step()
    expect(gateway.replica.view(lab.now).pending).toBe(2)
    lab.run(ACKS_MS)
    expect(gateway.replica.view(lab.now).pending).toBe(0)
  })

  it('counts what nobody above has acknowledged', () => {
    const lab = new Lab(1)
    const gateway = lab.add('hkg-1-a', HKG)
    const hub = lab.add('core-1')
    for (let n = 0; n < 3; n++) {
      gateway.put('hkg-1', `k${n}`, n)
      lab.run(100)
    }
    expect(gateway.replica.view(lab.now)).toMatchObject({ pending: 3 })
    expect(gateway.replica.view(lab.now).lagMs).toBeGreaterThan(250)
    lab.connect(gateway, hub, 'up')
    lab.run(ACKS_MS)
    expect(gateway.replica.view(lab.now)).toMatchObject({ pending: 0, lagMs: 0 })
  })

  it('counts nothing at a hub that never met another, and again what another lacks once it did', () => {
    const lab = new Lab(1)
    const [first, second] = [lab.add('core-1', { core: true }), lab.add('core-2', { core: true })]
    lab.connect(lab.add('hkg-1-a', HKG), first, 'up')
    first.put('hkg-1', 'a', 1)
    lab.run(ACKS_MS)
    expect(first.replica.view(lab.now)).toMatchObject({ pending: 0, lagMs: 0 })
    const session = lab.connect(first, second, 'mesh')
    lab.run(ACKS_MS)
    expect(first.replica.view(lab.now)).toMatchObject({ pending: 0, lagMs: 0 })
    lab.cut(session)
    first.put('hkg-1', 'b', 2)
    lab.run(ACKS_MS)
    expect(first.replica.view(lab.now).pending).toBe(1)
    expect(first.replica.view(lab.now).lagMs).toBeGreaterThan(0)
    // It notes now and then whom it has met.
    lab.run(HOUR_MS)
    first.restart()
    lab.run(ACKS_MS)
    expect(first.replica.view(lab.now).pending).toBe(2)
  })

  it('costs only heads to resume', () => {
    const { lab, gateway, hub1 } = tree()
    for (let n = 0; n < 100; n++) {
      gateway.put('hkg-1', `k${n}`, 'x'.repeat(1_000))
      lab.run(11)
    }
    lab.cutAll(gateway)
    lab.bytes = 0
    lab.connect(gateway, hub1, 'up')
    lab.run(100)
    expect(lab.bytes).toBeLessThan(600)
    expect(gateway.replica.complete()).toBe(true)
  })

  it('is complete only when what was asked for is here and shown', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const lab = new Lab(seed)
      const hub = lab.add('core-1')
      const gateway = lab.add('hkg-1-a', HKG)
      const member = lab.add('hkg-1-b', { interest: ['tasks/nrt-1'], write: [] })
      for (let n = 0; n < 3; n++) hub.put('nrt-1', `k${n}`, n)
      lab.connect(gateway, hub, 'up')
      lab.run(100)
      expect(member.replica.complete()).toBe(true)
      lab.connect(member, gateway, 'up')
      expect(member.replica.complete()).toBe(false)
      for (let n = 0; !member.replica.complete(); n++) {
        expect(n).toBeLessThan(200)
        hub.put('hkg-1', 'busy', n)
        lab.tick(10)
        for (let steps = 0; steps < 3; steps++) lab.step()
      }
      expect(keys(member)).toHaveLength(3)
    }
  })

  it('keeps messages near 32 KiB and little on the way', () => {
    const lab = new Lab(5)
    const hub = lab.add('core-1')
    const gateway = lab.add('hkg-1-a', HKG)
    for (let n = 0; n < 400; n++) {
      hub.put('hkg-1', `k${n}`, 'x'.repeat(3_000))
      lab.run(11)
    }
    const session = lab.connect(gateway, hub, 'up')
    const sizes: number[] = []
    const send = lab.send.bind(lab)
    let unacknowledged = 0
    let worst = 0
    lab.send = (from, number, message) => {
      const batches = number === session ? batchesOf(message) : []
      if (batches.length > 0) sizes.push(message.length)
      for (const batch of batches) unacknowledged += batch.length
      if (from === gateway) for (const [processed] of partsOf(message, 5)) worst = Math.max(worst, unacknowledged - (processed as number))
      send(from, number, message)
    }
    lab.run(1_000)
    expect(keys(gateway)).toHaveLength(400)
    expect(sizes.length).toBeGreaterThan(30)
    expect(Math.max(...sizes)).toBeLessThan(33 * 1024)
    expect(worst).toBeGreaterThan(128 * 1024)
    expect(worst).toBeLessThanOrEqual((256 + 64) * 1024)
  })

  it('holds still while a session is blocked', () => {
    const { lab, hub2, other, member } = tree()
    const session = lab.sessions().at(-1)!
    hub2.input({ type: 'sessionBlocked', session })
    member.put('hkg-1', 'a', 1)
    lab.run(100)
    expect(keys(other)).toEqual([])
    hub2.input({ type: 'sessionDrained', session })
    lab.run(0)
    expect(keys(other)).toEqual(['hkg-1:a'])
  })

  it('mends by anti-entropy what a peer could not take', () => {
    const { lab, hub1, hub2, gateway, member, other } = tree()
    const send = lab.send.bind(lab)
    lab.send = (from, session, message) => {
      const parts = decodeRecord(message) as [number, ...unknown[]][]
      const spoilt = parts.map(([kind, ...rest]) => [
        kind,
        ...rest.map((field) => (kind === 3 && field instanceof Uint8Array ? new Uint8Array(field.length) : field)),
      ])
      send(from, session, encodeRecord(spoilt))
    }
    hub1.put('hkg-1', 'lost', 1)
    lab.run(15)
    lab.send = send
    hub1.put('hkg-1', 'next', 1)
    expect(gateway.violations()).toMatchObject([{ code: 'bad-batch' }])
    expect(keys(gateway)).toEqual([])
    // The next batch does not fit: heads are compared a second later, not only after half a minute.
    lab.run(1_100)
    expect(gateway.violations()).toMatchObject([{ code: 'bad-batch' }, { code: 'unexpected' }])
    expect(keys(gateway)).toEqual(['hkg-1:lost', 'hkg-1:next'])
    for (const node of [hub2, member, other]) expect(keys(node)).toEqual(['hkg-1:lost', 'hkg-1:next'])
  })

  it('gives an owner back what it lost with its disk, under a higher epoch from then on', () => {
    const { lab, gateway, hub1, member } = tree()
    member.put('hkg-1', 'early', 1)
    lab.run(50)
    const backup = new Map(member.store)
    member.put('hkg-1', 'late', 2)
    member.put('hkg-1', 'early', 3)
    lab.run(50)
    const epoch = member.replica.heads()[0]!.logs[0]!.epoch
    member.restart(backup)
    // Its first write after the restore, before it has heard of what it lost.
    member.put('hkg-1', 'fresh', 4)
    lab.run(50)
    lab.connect(member, gateway, 'up')
    lab.run(50)
    expect(keys(member)).toEqual(['hkg-1:early', 'hkg-1:fresh', 'hkg-1:late'])
    expect(member.replica.get('tasks', 'hkg-1', 'early')!.value).toBe(3)
    member.put('hkg-1', 'early', 5)
    lab.run(50)
    const { logs } = member.replica.heads()[0]!
    expect(logs.map(({ seq }) => seq)).toEqual([3, 1, 1])
    expect(logs.at(-1)!.epoch).toBeGreaterThan(epoch)
    expect(hub1.replica.get('tasks', 'hkg-1', 'early')!.value).toBe(5)
    for (const node of lab.nodes) expect(node.violations()).toEqual([])
  })

  it('raises the epoch after a restored backup of a clean stop, as soon as a peer shows more', () => {
    const { lab, gateway, member } = tree()
    member.put('hkg-1', 'early', 1)
    member.input({ type: 'flush' })
    lab.run(50)
    const backup = new Map(member.store)
    member.put('hkg-1', 'late', 2)
    lab.run(50)
    member.restart(backup)
    lab.connect(member, gateway, 'up')
    lab.run(50)
    expect(keys(member)).toEqual(['hkg-1:early', 'hkg-1:late'])
    member.put('hkg-1', 'late', 3)
    lab.run(50)
    expect(member.replica.heads()[0]!.logs.map(({ seq }) => seq)).toEqual([2, 1])
    expect(gateway.replica.get('tasks', 'hkg-1', 'late')!.value).toBe(3)
  })

  it('answers garbage with a violation and a reset, never a throw', () => {
    const { lab, hub2, other } = tree()
    const before = keys(hub2)
    const garbage = [
      new Uint8Array(0),
      new Uint8Array([0xc1]),
      encodeRecord([1, 2]),
      encodeRecord({ type: 'interest' }),
      encodeRecord([[1, 2, 1, ['no pattern!']]]),
      encodeRecord([[1, 99, 1, []]]),
      encodeRecord([[2, 0, 1, [['A', 'b', 'c', 1], 1, new Uint8Array(0)]]]),
      encodeRecord([[2, 0, 1, [['tasks', 'b', 'c', 1], 1]]]),
      encodeRecord([[2, 0, 1, [7, 1, new Uint8Array(0)]]]),
      encodeRecord([[2, 0, 1, [-1_000, 1, new Uint8Array(0)]]]),
      encodeRecord([[5, 5, []]]),
      encodeRecord([[5, -1, []]]),
      encodeRecord([[3, 0, 'x']]),
      encodeRecord([[7, 0, -1, 0.5]]),
      new Uint8Array(5 * 1024 * 1024),
    ]
    for (const message of garbage) {
      const violations = hub2.violations().length
      const session = lab.connect(other, hub2, 'up')
      hub2.input({ type: 'sessionMessage', session, message })
      expect(hub2.violations().length).toBe(violations + 1)
      expect(lab.sessions()).not.toContain(session)
      hub2.input({ type: 'sessionMessage', session, message })
    }
    expect(keys(hub2)).toEqual(before)
    lab.run(100)
    expect(hub2.replica.view(lab.now).sessions).toEqual(['core-1', 'nrt-1-a'])
  })

  it('skips messages of a later version', () => {
    const { lab, hub2 } = tree()
    hub2.input({
      type: 'sessionMessage',
      session: lab.sessions().at(-1)!,
      message: encodeRecord([
        [99, 'novelty'],
        [8, 'and more'],
      ]),
    })
    expect(hub2.violations()).toEqual([])
    expect(lab.sessions()).toHaveLength(4)
  })

  it('counts what comes far ahead, and keeps nothing of it', () => {
    const { lab, hub2, other } = tree()
    const session = lab.sessions().at(-1)!
    const { documents } = hub2.replica.view(lab.now)
    for (let n = 0; n < 200; n++) {
      const name = { collection: 'tasks', partition: 'nrt-1', writer: other.name, epoch: 1_000 + n, seq: 5 + n, head: undefined }
      const { encoded } = signBatch(labCrypto(other.name), { ...name, update: new Uint8Array(1_000) }, new Uint8Array(0)).batch
      hub2.input({ type: 'sessionMessage', session, message: encodeRecord([[3, 0, encoded]]) })
    }
    expect(hub2.violations()).toHaveLength(200)
    expect(new Set(hub2.violations().map(({ code }) => code))).toEqual(new Set(['unexpected']))
    expect(hub2.replica.view(lab.now).documents).toBe(documents)
    // What it has not sent is acknowledged to it: it begins anew.
    lab.cut(session)
    lab.connect(other, hub2, 'up')
    other.put('nrt-1', 'a', 1)
    lab.run(100)
    expect(keys(hub2)).toEqual(['nrt-1:a'])
  })

  it('goes on with new logs whatever epoch a peer claims to hold of ours', () => {
    const lab = new Lab(1)
    const [node, hub] = [lab.add('a', { limits: { foldBytesMin: 500 } }), lab.add('hub')]
    const session = lab.connect(node, hub, 'up')
    lab.run(100)
    const claim = [['tasks', 'hkg-1', 'a', 2 ** 52 - 1], 1, new Uint8Array(8)]
    node.input({ type: 'sessionMessage', session, message: encodeRecord([[2, 0, 1, claim]]) })
    for (let n = 0; n < 100; n++) {
      node.put('hkg-1', `k${n % 3}`, { n, text: 'x'.repeat(50) })
      lab.run(20)
    }
    lab.run(5_000)
    expect(hub.replica.get('tasks', 'hkg-1', 'k0')?.value).toMatchObject({ n: 99 })
    expect(hub.replica.contentHash('tasks', 'hkg-1')).toBe(node.replica.contentHash('tasks', 'hkg-1'))
  })

  it('counts a bad batch, keeps the session, and passes nothing on', () => {
    const { lab, hub1, hub2, member } = tree()
    const session = lab.sessions().at(-1)!
    hub2.input({ type: 'sessionMessage', session, message: encodeRecord([[3, 0, new Uint8Array([1, 2, 3])]]) })
    expect(hub2.violations()).toMatchObject([{ code: 'bad-batch', peer: 'nrt-1-a' }])
    const head = { base: [], parts: 0, credential: labCredential('nobody') }
    const fields = { collection: 'tasks', partition: 'hkg-1', writer: 'nobody', epoch: 1, seq: 1, head, update: new Uint8Array([1, 2, 3]) }
    const { encoded } = signBatch(labCrypto('nobody'), fields, new Uint8Array(0)).batch
    hub2.input({ type: 'sessionMessage', session, message: encodeRecord([[3, 0, encoded]]) })
    expect(hub2.violations()).toMatchObject([{ code: 'bad-batch' }, { code: 'bad-batch', detail: expect.stringContaining('nobody') }])
    expect(hub2.replica.view(lab.now).documents).toBe(0)
    member.put('hkg-1', 'a', 1)
    lab.run(100)
    expect(keys(hub1)).toEqual(['hkg-1:a'])
    expect(keys(hub2)).toEqual(['hkg-1:a'])
  })
})
