import { describe, expect, it } from 'vitest'
import { Lab, type LabNode } from './replica-lab.ts'

function items(node: LabNode, request: number) {
  const result = node.answers.get(request)
  if (!result?.ok) throw new Error(result?.message ?? 'no answer yet')
  return result.items
}

/** Two nodes and a hub between them. */
function trio() {
  const lab = new Lab(7)
  const [a, b, hub] = [lab.add('a'), lab.add('b'), lab.add('hub')]
  const link = (): number[] => [lab.connect(a, hub, 'up'), lab.connect(b, hub, 'up')]
  const cut = (sessions: readonly number[]): void => sessions.forEach((session) => lab.cut(session))
  return { lab, a, b, hub, link, cut }
}

function hashes(nodes: readonly LabNode[]): Set<string> {
  return new Set(nodes.map(({ replica }) => replica.contentHash('tasks', 'hkg-1')))
}

const at = (node: LabNode, key: string) => node.replica.get('tasks', 'hkg-1', key)

describe('patches', () => {
  it('of different fields on both sides of a cut all hold', () => {
    const { lab, a, b, hub, link, cut } = trio()
    const sessions = link()
    a.write('hkg-1', 'k', { type: 'put', value: { x: 0, y: 0, z: 0 }, labels: { kind: 'old', tier: 'one' } })
    lab.run(100)
    cut(sessions)
    a.write('hkg-1', 'k', { type: 'patch', value: { x: 1, z: null }, labels: { tier: null } })
    b.write('hkg-1', 'k', { type: 'patch', value: { y: 2, w: 3 }, labels: { kind: 'new' } })
    lab.run(100)
    expect(at(a, 'k')).toMatchObject({ value: { x: 1, y: 0 }, labels: { kind: 'old' } })
    link()
    lab.run(100)
    for (const node of [a, b, hub]) expect(at(node, 'k')).toMatchObject({ value: { x: 1, y: 2, w: 3 }, labels: { kind: 'new' } })
    expect(at(hub, 'k')!.value).toEqual({ x: 1, y: 2, w: 3 })
    expect(at(hub, 'k')!.labels).toEqual({ kind: 'new' })
    expect(hashes([a, b, hub]).size).toBe(1)
    expect(new Set([a, b, hub].map((node) => at(node, 'k')!.revision)).size).toBe(1)
  })

  it('of the same field: the later one', () => {
    const { lab, a, b, link } = trio()
    link()
    a.put('hkg-1', 'k', { x: 0 })
    lab.run(100)
    a.write('hkg-1', 'k', { type: 'patch', value: { x: 'a' } })
    lab.run(100)
    b.write('hkg-1', 'k', { type: 'patch', value: { x: 'b' } })
    lab.run(100)
    expect(at(a, 'k')!.value).toEqual({ x: 'b' })
    a.write('hkg-1', 'k', { type: 'patch', value: { x: 'a again' } })
    lab.run(100)
    expect(at(b, 'k')!.value).toEqual({ x: 'a again' })
  })

  it('give way to a later put, and survive an earlier one that comes late', () => {
    const { lab, a, b, hub, link, cut } = trio()
    const sessions = link()
    a.put('hkg-1', 'k', { x: 0, y: 0 })
    lab.run(100)
    cut(sessions)
    b.put('hkg-1', 'k', { x: 5, y: 5 })
    lab.run(50)
    a.write('hkg-1', 'k', { type: 'patch', value: { x: 1 } })
    lab.run(50)
    link()
    lab.run(100)
    for (const node of [a, b, hub]) expect(at(node, 'k')!.value).toEqual({ x: 1, y: 5 })
    b.put('hkg-1', 'k', { x: 9, y: 9 })
    lab.run(100)
    for (const node of [a, b, hub]) expect(at(node, 'k')!.value).toEqual({ x: 9, y: 9 })
  })

  it('of a record that was deleted meanwhile are void, also when it has been made again', () => {
    const { lab, a, b, hub, link, cut } = trio()
    const sessions = link()
    a.put('hkg-1', 'k', { x: 0 })
    lab.run(100)
    cut(sessions)
    b.write('hkg-1', 'k', { type: 'delete' })
    lab.run(50)
    b.write('hkg-1', 'k', { type: 'create', value: { x: 7 } })
    lab.run(50)
    a.write('hkg-1', 'k', { type: 'patch', value: { x: 1, y: 1 } })
    lab.run(50)
    link()
    lab.run(100)
    for (const node of [a, b, hub]) expect(at(node, 'k')!.value).toEqual({ x: 7 })
    expect(hashes([a, b, hub]).size).toBe(1)
  })

  it('need a record of fields', () => {
    const { lab, a } = trio()
    a.put('hkg-1', 'list', [1, 2])
    lab.run(20)
    const absent = a.write('hkg-1', 'k', { type: 'patch', value: { x: 1 } })
    const list = a.write('hkg-1', 'list', { type: 'patch', value: { x: 1 } })
    lab.run(20)
    expect(a.answers.get(absent)).toMatchObject({ code: 'not-found' })
    expect(a.answers.get(list)).toMatchObject({ code: 'conflict' })
  })

  it('of one gathering build on each other', () => {
    const { lab, a } = trio()
    a.put('hkg-1', 'k', { x: 0 })
    const first = a.write('hkg-1', 'k', { type: 'patch', value: { y: 1 } })
    const second = a.write('hkg-1', 'k', { type: 'patch', value: { x: null, z: 2 } }, undefined)
    lab.run(20)
    expect(at(a, 'k')!.value).toEqual({ y: 1, z: 2 })
    const third = a.write('hkg-1', 'k', { type: 'patch', value: { y: 5 } }, items(a, second)[0]!.revision)
    const stale = a.write('hkg-1', 'k', { type: 'patch', value: { y: 6 } }, items(a, first)[0]!.revision)
    lab.run(20)
    expect(items(a, third)[0]!.revision).toBe(at(a, 'k')!.revision)
    expect(a.answers.get(stale)).toMatchObject({ code: 'conflict' })
  })
})

describe('a write of several keys', () => {
  it('takes effect as a whole or not at all', () => {
    const { lab, a } = trio()
    a.put('hkg-1', 'there', 1)
    lab.run(20)
    const put = (key: string, value: unknown) => ({ key, operation: { type: 'put', value } }) as const
    const refused = a.writeAll('hkg-1', [put('x', 1), { key: 'there', operation: { type: 'create', value: 2 } }, put('y', 1)])
    lab.run(20)
    expect(a.answers.get(refused)).toMatchObject({ ok: false, code: 'conflict' })
    expect(a.replica.list('tasks', 'hkg-1').map(({ key }) => key)).toEqual(['there'])
    const done = a.writeAll('hkg-1', [put('x', 1), { key: 'there', operation: { type: 'delete' } }, put('y', 1), put('x', 2)])
    lab.run(20)
    expect(items(a, done).map(({ key }) => key)).toEqual(['x', 'there', 'y', 'x'])
    expect(a.replica.list('tasks', 'hkg-1').map(({ key, value }) => [key, value])).toEqual([
      ['x', 2],
      ['y', 1],
    ])
    const [document] = a.replica.heads()
    expect(document!.logs[0]!.seq).toBe(2)
  })

  it('is bounded', () => {
    const { lab, a } = trio()
    const many = Array.from({ length: 1_001 }, (_, n) => ({ key: `k${n}`, operation: { type: 'put', value: 1 } }) as const)
    const large = Array.from({ length: 3 }, (_, n) => ({ key: `k${n}`, operation: { type: 'put', value: 'x'.repeat(100_000) } }) as const)
    const requests = [a.writeAll('hkg-1', []), a.writeAll('hkg-1', many), a.writeAll('hkg-1', large)]
    lab.run(20)
    for (const request of requests) expect(a.answers.get(request)).toMatchObject({ ok: false, code: 'refused' })
  })
})

describe('a record with a time to live', () => {
  it('is gone everywhere when its time has come, and stays away', () => {
    const { lab, a, hub, link } = trio()
    link()
    a.write('hkg-1', 'k', { type: 'put', value: 1, ttlMs: 5_000 })
    lab.run(1_000)
    expect(at(hub, 'k')).toMatchObject({ value: 1, expiresAt: expect.any(Number) })
    lab.run(3_000)
    expect(at(hub, 'k')).toBeDefined()
    lab.run(2_000)
    for (const node of [a, hub]) {
      expect(at(node, 'k')).toBeUndefined()
      expect(node.replica.list('tasks')).toEqual([])
      expect(node.followed.size).toBe(0)
    }
    hub.restart()
    expect(at(hub, 'k')).toBeUndefined()
    const again = a.write('hkg-1', 'k', { type: 'create', value: 2 })
    lab.run(100)
    expect(items(a, again)).toHaveLength(1)
    expect(at(a, 'k')).toMatchObject({ value: 2 })
    expect(at(a, 'k')!.expiresAt).toBeUndefined()
  })

  it('lives on when it is written again in time', () => {
    const { lab, a } = trio()
    for (let n = 0; n < 5; n++) {
      a.write('hkg-1', 'k', { type: 'put', value: n, ttlMs: 5_000 })
      lab.run(4_000)
      expect(at(a, 'k')!.value).toBe(n)
    }
    a.write('hkg-1', 'k', { type: 'put', value: 'for ever' })
    lab.run(60_000)
    expect(at(a, 'k')!.value).toBe('for ever')
  })
})

describe('tokens', () => {
  it('of a write are covered where it is shown, and only there', () => {
    const { lab, a, hub, link } = trio()
    const request = a.put('hkg-1', 'k', 1)
    lab.run(20)
    const result = a.answers.get(request)
    if (!result?.ok) throw new Error('refused')
    expect(a.replica.covers(result.token)).toBe(true)
    expect(hub.replica.covers(result.token)).toBe(false)
    link()
    lab.run(100)
    expect(hub.replica.covers(result.token)).toBe(true)
    expect(() => hub.replica.covers('p1:tasks')).toThrow(/not a token/)
  })

  it('of a partition tell what was missed, deletes included, at any replica', () => {
    const { lab, a, b, hub, link } = trio()
    link()
    for (const key of ['same', 'changed', 'deleted', 'patched']) a.put('hkg-1', key, { n: 1 })
    lab.run(100)
    const token = hub.replica.partitionToken('tasks', 'hkg-1')
    expect(hub.replica.changedSince('tasks', 'hkg-1', token)).toEqual([])
    b.put('hkg-1', 'changed', { n: 2 })
    b.write('hkg-1', 'deleted', { type: 'delete' })
    b.write('hkg-1', 'patched', { type: 'patch', value: { m: 3 } })
    a.put('hkg-1', 'new', { n: 4 })
    lab.run(100)
    for (const { replica } of [a, b, hub]) {
      const missed = replica.changedSince('tasks', 'hkg-1', token)!.map(({ change, record }) => `${change} ${record.key}`)
      expect(missed.sort()).toEqual(['DELETED deleted', 'MODIFIED changed', 'MODIFIED new', 'MODIFIED patched'])
    }
    expect(() => hub.replica.changedSince('tasks', 'nrt-1', token)).toThrow(/not of tasks\/nrt-1/)
  })
})

describe('a delete of what was known', () => {
  it('leaves what somebody wrote meanwhile who knew the record, also before it by the clock', () => {
    const { lab, a, b, hub, link, cut } = trio()
    const sessions = link()
    a.put('hkg-1', 'k', 1)
    lab.run(100)
    cut(sessions)
    b.put('hkg-1', 'k', 2)
    lab.run(1_000)
    a.write('hkg-1', 'k', { type: 'delete', asOf: at(a, 'k')!.asOf })
    lab.run(100)
    expect(at(a, 'k')).toBeUndefined()
    link()
    lab.run(100)
    for (const node of [a, b, hub]) expect(at(node, 'k')).toMatchObject({ value: 2 })
    expect(hashes([a, b, hub]).size).toBe(1)
    expect([...a.told('superseded'), ...b.told('superseded')]).toEqual([])
  })

  it('stands above what its writer has said itself of an earlier life of the record', () => {
    const { lab, a, b, hub, link, cut } = trio()
    const sessions = link()
    a.put('hkg-1', 'k', { n: 1 })
    lab.run(100)
    cut(sessions)
    b.write('hkg-1', 'k', { type: 'delete' })
    b.put('hkg-1', 'k', { n: 2 })
    lab.run(1_000)
    a.write('hkg-1', 'k', { type: 'patch', value: { n: 3 } })
    lab.run(100)
    link()
    lab.run(100)
    expect(at(a, 'k')).toMatchObject({ value: { n: 2 } })
    a.write('hkg-1', 'k', { type: 'delete', asOf: at(a, 'k')!.asOf })
    lab.run(100)
    for (const node of [a, b, hub]) {
      expect(at(node, 'k')).toBeUndefined()
      expect(node.violations()).toEqual([])
    }
    expect(hashes([a, b, hub]).size).toBe(1)
  })

  it('is refused if the record has been written since', () => {
    const { lab, a, link } = trio()
    link()
    a.put('hkg-1', 'k', 1)
    lab.run(100)
    const { asOf } = at(a, 'k')!
    a.put('hkg-1', 'k', 2)
    lab.run(100)
    const request = a.write('hkg-1', 'k', { type: 'delete', asOf })
    lab.run(100)
    expect(a.answers.get(request)).toMatchObject({ ok: false, code: 'conflict' })
    expect(at(a, 'k')).toMatchObject({ value: 2 })
  })
})
