import { LIMITS, decodeRecord, encodeRecord } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { Lab, type LabNode, WALL_MS, labCrypto } from './replica-lab.ts'

function outcome(node: LabNode, request: number) {
  const result = node.answers.get(request)
  if (!result) throw new Error('no answer yet')
  return result
}

function accepted(node: LabNode, request: number) {
  const result = outcome(node, request)
  if (!result.ok) throw new Error(result.message)
  return result
}

function meet(lab: Lab, node: LabNode, hub: LabNode): void {
  lab.connect(node, hub, 'up')
  lab.run(100)
}

const REFUSED = { ok: false, code: 'refused' }

describe('a replica alone', () => {
  it('shows and acknowledges a write only when it is durable', () => {
    const lab = new Lab(1)
    const node = lab.add('a')
    const request = node.put('hkg-1', 'k', { n: 1 })
    lab.now = node.replica.nextWake()!
    node.input({ type: 'wake' })
    expect(node.unpersisted.length).toBeGreaterThan(0)
    expect(node.answers.size).toBe(0)
    expect(node.replica.get('tasks', 'hkg-1', 'k')).toBeUndefined()
    lab.run(0)
    const { revision } = accepted(node, request).items[0]!
    expect(node.replica.get('tasks', 'hkg-1', 'k')).toMatchObject({
      value: { n: 1 },
      revision,
      writer: 'a',
      partition: 'hkg-1',
      labels: {},
    })
  })

  it('hands a lone write to the store at once, and gathers others behind it into one ticket', () => {
    const lab = new Lab(1)
    const node = lab.add('a')
    lab.run(1)
    node.put('hkg-1', 'first', 0)
    expect(node.unpersisted).toHaveLength(1)
    for (let n = 0; n < 20; n++) node.put('hkg-1', `k${n}`, n)
    expect(node.unpersisted).toHaveLength(1)
    node.persistNext()
    expect(node.unpersisted).toHaveLength(1)
    expect(node.unpersisted[0]!.entries).toHaveLength(1)
    node.persistNext()
    expect(node.replica.list('tasks')).toHaveLength(21)
  })

  it('makes several batches of one turn that wrote more than one may hold, in order, and all are acknowledged', () => {
    const lab = new Lab(1)
    const [node, other] = [lab.add('a'), lab.add('b')]
    lab.run(1)
    const writes = Array.from({ length: 5_000 }, (_, n) => ({
      ...({ type: 'write', request: 10_000 + n, collection: 'tasks', partition: 'hkg-1' } as const),
      changes: [{ key: `k${n % 4_000}`, operation: { type: 'put', value: n } as const }],
    }))
    node.input({ type: 'writes', writes })
    lab.run(1)
    for (const { request } of writes) accepted(node, request)
    expect(node.replica.list('tasks')).toHaveLength(4_000)
    expect(node.replica.get('tasks', 'hkg-1', 'k7')).toMatchObject({ value: 4_007 })
    expect(node.replica.get('tasks', 'hkg-1', 'k3999')).toMatchObject({ value: 3_999 })
    lab.connect(node, other, 'mesh')
    lab.run(1_000)
    expect(other.replica.contentHash('tasks', 'hkg-1')).toBe(node.replica.contentHash('tasks', 'hkg-1'))
  })

  it('flushes after 1,000 writes, whatever the store does', () => {
    const lab = new Lab(1)
    const node = lab.add('a')
    lab.run(1)
    for (let n = 0; n < 1_000; n++) node.put('hkg-1', `k${n % 500}`, n)
    expect(node.unpersisted).toHaveLength(1)
    node.put('hkg-1', 'last', 0)
    expect(node.unpersisted).toHaveLength(2)
  })

  it('judges writes of one gathering in order', () => {
    const lab = new Lab(1)
    const node = lab.add('a')
    const created = node.write('hkg-1', 'k', { type: 'create', value: 1 })
    const again = node.write('hkg-1', 'k', { type: 'create', value: 2 })
    const updated = node.write('hkg-1', 'k', { type: 'update', value: 3 })
    const deleted = node.write('hkg-1', 'k', { type: 'delete' })
    const gone = node.write('hkg-1', 'k', { type: 'delete' })
    const missing = node.write('hkg-1', 'k', { type: 'update', value: 4 })
    lab.run(20)
    expect([created, again, updated, deleted, gone, missing].map((request) => outcome(node, request).ok)).toEqual([
      true, false, true, true, false, false,
    ]) // prettier-ignore
    expect(outcome(node, again)).toMatchObject({ code: 'conflict' })
    expect(outcome(node, missing)).toMatchObject({ code: 'not-found' })
    expect(node.replica.list('tasks')).toEqual([])
  })

  it('compares and sets by revision', () => {
    const lab = new Lab(1)
    const node = lab.add('a')
    const first = node.put('hkg-1', 'k', 1)
    lab.run(20)
    const { revision } = accepted(node, first).items[0]!
    const second = node.write('hkg-1', 'k', { type: 'update', value: 2 }, revision)
    lab.run(20)
    const stale = node.write('hkg-1', 'k', { type: 'put', value: 3 }, revision)
    const absent = node.write('hkg-1', 'other', { type: 'put', value: 3 }, revision)
    lab.run(20)
    const now = accepted(node, second).items[0]!.revision
    expect(now).not.toBe(revision)
    expect(outcome(node, stale)).toMatchObject({ code: 'conflict', message: expect.stringContaining(now) })
    expect(outcome(node, absent)).toMatchObject({ code: 'conflict' })
    expect(node.replica.get('tasks', 'hkg-1', 'k')!.value).toBe(2)
  })

  it('refuses what it must not write, and says what to do', () => {
    const lab = new Lab(1)
    const node = lab.add('a', { write: ['tasks/hkg-1'] })
    const elsewhere = outcome(node, node.put('nrt-1', 'k', 1))
    expect(elsewhere).toMatchObject({ ...REFUSED, remedy: expect.stringContaining('--write') })
    const cyclic: unknown[] = []
    cyclic.push(cyclic)
    for (const value of [
      undefined,
      () => 1,
      Number.NaN,
      1n,
      new Uint8Array(1),
      { a: undefined },
      cyclic,
      '\ud800',
      JSON.parse('{"__proto__":1}'),
    ]) {
      expect(outcome(node, node.put('hkg-1', 'k', value))).toMatchObject(REFUSED)
    }
    for (const key of ['', 'x'.repeat(513), 'a\u0007b']) expect(outcome(node, node.put('hkg-1', key, 1))).toMatchObject(REFUSED)
    for (const partition of ['', '/', 'a//b', 'A', 'a/b/c/d/e']) expect(outcome(node, node.put(partition, 'k', 1))).toMatchObject(REFUSED)
    const large = outcome(node, node.put('hkg-1', 'k', 'x'.repeat(LIMITS.recordBytesMax)))
    expect(large).toMatchObject({ ...REFUSED, message: expect.stringContaining(String(LIMITS.recordBytesMax)) })
    lab.run(100)
    expect(node.replica.view(lab.now)).toMatchObject({ documents: 0, records: 0 })
  })

  it('writes over a stamp from the future, and is not drawn into it', () => {
    const lab = new Lab(1)
    const wrong = lab.add('wrong', { skewMs: 3_600_000 })
    const right = lab.add('right')
    const third = lab.add('third')
    lab.connect(wrong, right, 'mesh')
    lab.connect(right, third, 'mesh')
    for (let value = 0; value < 3; value += 1) {
      wrong.put('hkg-1', 'k', value)
      lab.run(100)
    }
    expect(right.told('stamp-ahead')).toMatchObject([{ writer: 'wrong', key: 'k', remedy: expect.stringContaining('clock') }])
    const requests = [right.put('hkg-1', 'k', 'right'), right.put('hkg-1', 'other', 2)]
    lab.run(100)
    expect(requests.map((request) => accepted(right, request).ok)).toEqual([true, true])
    const values = [right, wrong, third].map(({ replica }) => replica.get('tasks', 'hkg-1', 'k')!.value)
    expect(values).toEqual(['right', 'right', 'right'])
    expect(third.told('stamp-ahead').map(({ writer }) => writer)).not.toContain('right')
    expect(right.replica.get('tasks', 'hkg-1', 'other')!.asOf).toBeLessThan(1_790_000_000_000 + lab.now + 1)
  })

  it('never writes what is dated after the end of its credential: nobody would take that, nor what comes after it', () => {
    const lab = new Lab(1)
    const wrong = lab.add('wrong', { skewMs: 7_200_000 })
    const node = lab.add('node', { notAfterMs: WALL_MS + 3_600_000 })
    const later = lab.add('later', { core: true })
    for (const each of [wrong, node]) lab.connect(each, later, 'up')
    wrong.put('hkg-1', 'k', 'then')
    lab.run(100)
    const late = node.put('hkg-1', 'k', 'over it')
    const requests = [node.put('hkg-1', 'other', 'heard'), later.put('hkg-1', 'k', 'over it')]
    lab.run(100)
    expect(outcome(node, late)).toMatchObject({ ...REFUSED, message: expect.stringContaining('written by wrong') })
    expect(accepted(node, requests[0]!).ok && accepted(later, requests[1]!).ok).toBe(true)
    for (const { replica } of [wrong, node, later])
      expect(['k', 'other'].map((key) => replica.get('tasks', 'hkg-1', key)?.value)).toEqual(['over it', 'heard'])
  })

  it('is not dated after the end of its credential by the clocks of others either, which are a little ahead', () => {
    const lab = new Lab(1)
    const ahead = lab.add('ahead', { skewMs: 600_000 })
    const node = lab.add('node', { notAfterMs: WALL_MS + 300_000 })
    lab.connect(ahead, node, 'mesh')
    ahead.put('hkg-1', 'k', 1)
    lab.run(100)
    const late = node.put('hkg-1', 'other', 1)
    lab.run(100)
    expect(outcome(node, late)).toMatchObject({ ...REFUSED, message: expect.stringContaining('has expired') })
  })

  it('dates what it writes by its clock again once that was set right, and still wins over what it wrote before', () => {
    const lab = new Lab(1)
    const node = lab.add('node', { skewMs: 3_600_000 })
    node.put('hkg-1', 'k', 'then')
    lab.run(100)
    node.options = {}
    node.setClock()
    const requests = [node.put('hkg-1', 'k', 'now'), node.put('hkg-1', 'other', 2)]
    lab.run(100)
    expect(requests.map((request) => accepted(node, request).ok)).toEqual([true, true])
    expect(node.replica.get('tasks', 'hkg-1', 'k')!.value).toBe('now')
    expect(node.replica.get('tasks', 'hkg-1', 'other')!.asOf).toBeLessThan(1_790_000_000_000 + lab.now + 1)
  })

  it('lists by partition and key', () => {
    const lab = new Lab(1)
    const node = lab.add('a')
    for (const [partition, key] of [['b', '2'], ['a', '9'], ['b', '1'], ['apac/x', '5']] as const) node.put(partition, key, 0) // prettier-ignore
    lab.run(20)
    expect(node.replica.list('tasks').map(({ partition, key }) => `${partition}:${key}`)).toEqual(['a:9', 'apac/x:5', 'b:1', 'b:2'])
    expect(node.replica.list('tasks', 'b')).toHaveLength(2)
    expect(node.replica.partitionsOf('tasks')).toEqual(['a', 'apac/x', 'b'])
    expect(node.replica.list('nothing')).toEqual([])
  })

  it('changes its token with every durable batch', () => {
    const lab = new Lab(1)
    const node = lab.add('a')
    const tokens = new Set([node.replica.token()])
    for (let n = 0; n < 5; n++) {
      node.put('hkg-1', 'k', n)
      lab.run(20)
      tokens.add(node.replica.token())
    }
    expect(tokens.size).toBe(6)
  })
})

describe('restart', () => {
  it('finds everything acknowledged after a crash, and starts a higher epoch', () => {
    const lab = new Lab(1)
    const node = lab.add('a')
    for (let n = 0; n < 50; n++) {
      node.put('hkg-1', `k${n % 7}`, n)
      lab.run(11)
    }
    const before = { hash: node.replica.contentHash('tasks', 'hkg-1'), token: node.replica.token(), list: node.replica.list('tasks') }
    node.crash(0)
    expect({ hash: node.replica.contentHash('tasks', 'hkg-1'), token: node.replica.token(), list: node.replica.list('tasks') }).toEqual(
      before,
    )
    node.put('hkg-1', 'k0', 'after')
    lab.run(20)
    const [first, second] = node.replica.heads()[0]!.logs
    expect(second!.epoch).toBeGreaterThan(first!.epoch)
    expect(first!.seq).toBe(50)
    expect(second!.seq).toBe(1)
  })

  it('goes on in the same epoch after a clean stop once a peer has told that nobody holds more', () => {
    const lab = new Lab(1)
    const node = lab.add('a')
    const hub = lab.add('hub')
    const write = (value: number): number => {
      node.put('hkg-1', 'k', value)
      lab.run(100)
      return node.replica.heads()[0]!.logs.length
    }
    lab.connect(node, hub, 'up')
    write(1)
    node.input({ type: 'flush' })
    expect(node.flushed).toBe(false)
    lab.run(0)
    expect(node.flushed).toBe(true)
    expect(node.store.has('state/clean')).toBe(true)
    node.restart()
    lab.connect(node, hub, 'up')
    lab.run(100)
    expect(write(2)).toBe(1)
    expect(node.store.has('state/clean')).toBe(false)
    node.crash(0)
    lab.connect(node, hub, 'up')
    lab.run(100)
    expect(write(3)).toBe(2)
  })

  it('begins a new log after a clean stop when it must write before it has met anybody: its disk may be an old copy', () => {
    const lab = new Lab(1)
    const node = lab.add('a')
    const hub = lab.add('hub')
    lab.connect(node, hub, 'up')
    node.put('hkg-1', 'k', 1)
    node.input({ type: 'flush' })
    lab.run(100)
    const backup = new Map(node.store)
    node.restart()
    lab.connect(node, hub, 'up')
    lab.run(100)
    for (const key of ['x', 'y', 'z']) node.put('hkg-1', key, 'lost with the disk')
    lab.run(100)
    node.restart(backup)
    for (const key of ['z', 'w']) node.put('hkg-1', key, 'written before it met the hub')
    lab.run(100)
    lab.connect(node, hub, 'up')
    lab.run(40_000)
    for (const { replica } of [node, hub]) {
      expect(replica.get('tasks', 'hkg-1', 'y')!.value).toBe('lost with the disk')
      expect(replica.get('tasks', 'hkg-1', 'z')!.value).toBe('written before it met the hub')
    }
    expect(node.replica.contentHash('tasks', 'hkg-1')).toBe(hub.replica.contentHash('tasks', 'hkg-1'))
    expect([...node.violations(), ...hub.violations()]).toEqual([])
  })

  it('begins another log than an earlier life did from the same disk, also while its clock is behind', () => {
    const lab = new Lab(1)
    const node = lab.add('a')
    const hub = lab.add('hub')
    meet(lab, node, hub)
    node.put('hkg-1', 'k', 1)
    lab.run(100)
    const backup = new Map(node.store)
    node.options = { skewMs: -600_000 }
    for (const [key, disk] of [
      ['early', new Map(backup)],
      ['late', backup],
    ] as const) {
      node.restart(disk)
      node.put('hkg-1', key, 1)
      lab.run(100)
      meet(lab, node, hub)
    }
    lab.run(40_000)
    for (const { replica } of [node, hub]) expect(replica.list('tasks').map(({ key }) => key)).toEqual(['early', 'k', 'late'])
    expect([...node.violations(), ...hub.violations()]).toEqual([])
  })

  it('begins a new log under a new credential', () => {
    const lab = new Lab(1)
    const node = lab.add('a', { write: ['tasks/hkg-1'] })
    const hub = lab.add('hub')
    meet(lab, node, hub)
    node.put('hkg-1', 'k', 1)
    node.input({ type: 'flush' })
    lab.run(100)
    node.options = { write: ['tasks/hkg-1', 'tasks/nrt-1'] }
    node.restart()
    meet(lab, node, hub)
    node.put('hkg-1', 'k', 2)
    node.put('nrt-1', 'k', 2)
    lab.run(100)
    expect(node.replica.heads().map(({ logs }) => logs.length)).toEqual([2, 1])
    expect(hub.replica.list('tasks').map(({ value }) => value)).toEqual([2, 2])
    expect(hub.violations()).toEqual([])
  })

  it('consumes the mark in the same ticket as the first batch', () => {
    const lab = new Lab(1)
    const node = lab.add('a')
    node.put('hkg-1', 'k', 1)
    node.input({ type: 'flush' })
    lab.run(0)
    node.restart()
    node.put('hkg-1', 'k', 2)
    lab.now = node.replica.nextWake()!
    node.input({ type: 'wake' })
    expect(node.unpersisted[0]!.entries[0]).toEqual({ key: 'state/clean', value: undefined })
    expect(node.unpersisted[0]!.entries).toHaveLength(2)
  })

  it('gives up a damaged batch and what follows it, and gets both back from a peer', () => {
    const lab = new Lab(1)
    const node = lab.add('a')
    const hub = lab.add('hub')
    for (let n = 0; n < 6; n++) {
      node.put('hkg-1', `k${n}`, n)
      lab.run(20)
    }
    lab.connect(node, hub, 'up')
    lab.run(100)
    const damaged = [...node.store.keys()].filter((key) => key.startsWith('state/batch|')).sort()[2]!
    node.store.get(damaged)![10]! ^= 1
    node.restart()
    lab.run(0)
    expect(node.replica.list('tasks')).toHaveLength(2)
    node.input({ type: 'wake' })
    expect(node.events).toContainEqual({ type: 'event', name: 'store-quarantined', data: { key: damaged, count: 4 } })
    expect([...node.store.keys()].filter((key) => key.startsWith('state/batch|'))).toHaveLength(2)
    lab.connect(node, hub, 'up')
    lab.run(100)
    node.put('hkg-1', 'new', 1)
    lab.run(100)
    expect(node.replica.list('tasks')).toHaveLength(7)
    expect(hub.replica.contentHash('tasks', 'hkg-1')).toBe(node.replica.contentHash('tasks', 'hkg-1'))
    expect(hub.violations()).toEqual([])
    expect(node.violations()).toEqual([])
  })

  it('refuses a store of another version and says what to do', () => {
    const lab = new Lab(1)
    const node = lab.add('a')
    node.input({ type: 'wake' })
    lab.run(0)
    const value = node.store.get('state/format')!
    expect(decodeRecord(value.subarray(4))).toEqual({ version: 2 })
    const later = encodeRecord({ version: 3 })
    node.store.set('state/format', new Uint8Array([...labCrypto('a').hash(later).subarray(0, 4), ...later]))
    expect(() => lab.add('b', {}, node.store)).toThrow(/version of the state store is 3; this program reads version 2/)
    node.store.set('state/format', new Uint8Array(3))
    expect(() => lab.add('c', {}, node.store)).toThrow(/cannot be read/)
  })
})
