import { hex, revocationBody } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { LAB_AUTHORITY, Lab, type LabNode, type LabNodeOptions, labCrypto } from './replica-lab.ts'

const HORIZON_MS = 600_000
const ACKS_MS = 8_000
const LIMITED: LabNodeOptions = { limits: { retireAfterMs: HORIZON_MS } }
const HUB: LabNodeOptions = { ...LIMITED, core: true }

function hash(node: LabNode): string {
  return node.replica.contentHash('tasks', 'hkg-1')
}

function writers(node: LabNode): string[] {
  return node.replica
    .heads()
    .map(({ writer }) => writer)
    .toSorted()
}

interface Three {
  readonly lab: Lab
  readonly hub: LabNode
  readonly edge: LabNode
  readonly gone: LabNode
}

/** Two edges below a hub, both of which have written. */
function three(seed = 1): Three {
  const lab = new Lab(seed)
  const [hub, edge, gone] = [lab.add('core-1', HUB), lab.add('hkg-1-a', LIMITED), lab.add('hkg-1-b', LIMITED)]
  lab.connect(edge, hub, 'up')
  lab.connect(gone, hub, 'up')
  gone.put('hkg-1', 'kept', { n: 1 })
  gone.put('hkg-1', 'patched', { n: 1 })
  gone.put('hkg-1', 'deleted', 1)
  lab.run(1_000)
  edge.write('hkg-1', 'patched', { type: 'patch', value: { m: 2 } })
  edge.write('hkg-1', 'deleted', { type: 'delete' })
  gone.write('hkg-1', 'patched', { type: 'patch', value: { o: 3 } })
  lab.run(ACKS_MS)
  return { lab, hub, edge, gone }
}

/** Time passes, in which the nodes that are there keep in touch. */
function live(lab: Lab, nodes: readonly LabNode[], ms: number): void {
  for (const end = lab.now + ms; lab.now < end;) {
    for (const node of nodes) node.put('elsewhere', 'alive', lab.now)
    lab.run(HORIZON_MS / 10)
  }
}

/** Writes down, at `node`, that the authority has revoked `name`. */
function revoke(node: LabNode, name: string, authority = LAB_AUTHORITY): void {
  const signature = hex(labCrypto(authority).sign(revocationBody({ network: 'lab', name, atMs: 1 })))
  const operation = { type: 'put', value: { atMs: 1, signature } } as const
  node.input({ type: 'write', request: 1_000_000, collection: 'revocations', partition: 'global', changes: [{ key: name, operation }] })
}

describe('a writer that is silent for long', () => {
  it('is retired by a hub: its records stay as they are, its document goes', () => {
    const { lab, hub, edge, gone } = three()
    lab.cutAll(gone)
    const before = hub.replica.list('tasks', 'hkg-1')
    const followed = [...edge.followed.values()].filter(({ partition }) => partition === 'hkg-1')
    live(lab, [edge], HORIZON_MS / 2)
    expect(writers(hub)).toContain('hkg-1-b')
    live(lab, [edge], HORIZON_MS)
    expect(hub.told('writer-retired')).toMatchObject([{ writer: 'hkg-1-b', by: 'core-1', lost: 0 }])
    for (const node of [hub, edge]) {
      expect(writers(node)).toEqual(['core-1', 'hkg-1-a', 'hkg-1-a'])
      expect([...node.store.keys()].filter((key) => key.includes('|hkg-1-b|'))).toEqual([])
      expect(node.replica.list('tasks', 'hkg-1')).toEqual(before)
      expect(node.violations()).toEqual([])
    }
    expect([...edge.followed.values()].filter(({ partition }) => partition === 'hkg-1')).toEqual(followed)
    expect(hash(edge)).toBe(hash(hub))
    for (const node of [hub, edge]) {
      const shown = hash(node)
      node.restart()
      expect(hash(node)).toBe(shown)
    }
  })

  it('is not, as long as it is heard of, or the hub does not see all others', () => {
    const { lab, hub, edge, gone } = three()
    const other = lab.add('core-2', HUB)
    const session = lab.connect(hub, other, 'mesh')
    live(lab, [edge, gone], 2 * HORIZON_MS)
    expect(hub.told('writer-retired')).toEqual([])
    lab.cut(session)
    lab.cutAll(gone)
    live(lab, [edge], 1.5 * HORIZON_MS)
    expect([...hub.told('writer-retired'), ...other.told('writer-retired')]).toEqual([])
    lab.connect(hub, other, 'mesh')
    live(lab, [edge], HORIZON_MS / 5)
    expect(new Set(hub.told('writer-retired').map(({ writer }) => writer))).toEqual(new Set(['hkg-1-b']))
    // One of them is enough.
    live(lab, [edge], HORIZON_MS)
    expect(other.told('writer-retired')).toEqual([])
    expect(hash(other)).toBe(hash(hub))
    expect(writers(other)).toEqual(writers(hub))
  })

  it('is replaced by another log than in an earlier life of the hub, also if its clock was ahead', () => {
    const lab = new Lab(1)
    const [hub, edge] = [lab.add('core-1', HUB), lab.add('hkg-1-a', LIMITED)]
    const gone = lab.add('hkg-1-b', { ...LIMITED, skewMs: 4 * HORIZON_MS })
    lab.connect(gone, hub, 'up')
    gone.put('hkg-1', 'kept', 1)
    lab.run(ACKS_MS)
    lab.cutAll(gone)
    const backups = [hub, edge].map((node) => [node, new Map(node.store)] as const)
    const lives = [1, 2].map(() => {
      for (const [node, backup] of backups) node.restart(backup)
      lab.connect(edge, hub, 'up')
      hub.put('hkg-1', 'first', 1)
      live(lab, [edge], 1.2 * HORIZON_MS)
      expect(writers(hub)).not.toContain('hkg-1-b')
      return hub.replica
        .heads()
        .find(({ writer, partition }) => writer === 'core-1' && partition === 'hkg-1')
        ?.logs.at(-1)?.epoch
    })
    expect(lives[0]).toBeGreaterThan(0)
    expect(lives[1]).not.toBe(lives[0])
  })

  it('is counted on from where it was when the hub restarts', () => {
    const { lab, hub, edge, gone } = three()
    lab.cutAll(gone)
    live(lab, [edge], HORIZON_MS / 2)
    hub.crash(9)
    lab.connect(edge, hub, 'up')
    live(lab, [edge], HORIZON_MS / 4)
    expect(hub.told('writer-retired')).toEqual([])
    live(lab, [edge], HORIZON_MS / 2)
    expect(hub.told('writer-retired')).toMatchObject([{ writer: 'hkg-1-b' }])
  })

  it('comes back under a new epoch, and hears which of its writes are lost', () => {
    for (const ending of ['running', 'crashed', 'stopped'] as const) {
      const { lab, hub, edge, gone } = three()
      lab.cutAll(gone)
      gone.put('hkg-1', 'unsent', 1)
      gone.put('hkg-1', 'kept', { n: 2 })
      lab.run(1_000)
      if (ending === 'stopped') gone.input({ type: 'flush' })
      lab.run(1_000)
      if (ending !== 'running') gone.crash(9)
      live(lab, [edge], 1.5 * HORIZON_MS)
      const waits = gone.writeAll('hkg-1', [{ key: 'last', operation: { type: 'put', value: 1 } }], 'hub')
      lab.run(1_000)
      lab.connect(gone, hub, 'up')
      lab.run(ACKS_MS)
      expect(gone.told('writer-retired')).toMatchObject([{ by: 'core-1', lost: 3 }])
      expect(new Set(gone.told('superseded').map(({ key }) => key))).toEqual(new Set(['kept', 'last', 'unsent']))
      expect(gone.answers.get(waits)).toMatchObject({ ok: false, code: 'conflict' })
      expect(hash(gone)).toBe(hash(hub))
      expect(gone.replica.get('tasks', 'hkg-1', 'kept')?.value).toEqual({ n: 1 })
      expect(gone.replica.get('tasks', 'hkg-1', 'unsent')).toBeUndefined()
      expect(gone.replica.view(lab.now).pending).toBe(0)
      gone.put('hkg-1', 'again', 1)
      lab.run(ACKS_MS)
      for (const node of lab.nodes) {
        expect(node.replica.get('tasks', 'hkg-1', 'again')?.value, `${node.name} ${ending}`).toBe(1)
        expect(hash(node)).toBe(hash(hub))
        expect(node.violations()).toEqual([])
      }
      const followed = new Set([...gone.followed.values()].map(({ partition, key }) => `${partition} ${key}`))
      expect(followed).toEqual(new Set(gone.replica.list('tasks').map(({ partition, key }) => `${partition} ${key}`)))
      // Nor does an old backup of it bring anything back.
      gone.restart(new Map([...gone.store].filter(([key]) => key !== 'state/clean')))
      lab.connect(gone, hub, 'up')
      lab.run(ACKS_MS)
      expect(hash(gone)).toBe(hash(hub))
    }
  })

  it('is shown so where it wants nothing of that partition itself, and behind a gateway that does not either', () => {
    const { lab, hub, edge, gone } = three()
    lab.cutAll(gone)
    const backup = new Map(gone.store)
    live(lab, [edge], 1.5 * HORIZON_MS)
    gone.options = { ...LIMITED, interest: ['config/**'] }
    gone.restart(backup)
    const gateway = lab.add('gateway', { ...LIMITED, interest: ['config/**'] })
    lab.connect(gateway, hub, 'up')
    lab.connect(gone, gateway, 'up')
    gone.put('hkg-1', 'early', 1)
    lab.run(ACKS_MS)
    expect(gone.told('writer-retired')).toHaveLength(1)
    gone.put('hkg-1', 'again', 1)
    lab.run(ACKS_MS)
    expect(hub.replica.get('tasks', 'hkg-1', 'again')?.value).toBe(1)
    expect(gone.replica.view(lab.now).pending).toBe(0)
    for (const node of lab.nodes) expect(node.violations()).toEqual([])
  })

  it('loses nothing that was durable at any hub', () => {
    const { lab, hub, edge, gone } = three()
    const other = lab.add('core-2', HUB)
    // The hubs do not see each other, and have forgotten that there are others.
    lab.cutAll(gone)
    lab.connect(gone, other, 'up')
    lab.run(1_000)
    gone.put('hkg-1', 'late', 1)
    lab.run(ACKS_MS)
    live(lab, [edge], 1.5 * HORIZON_MS)
    expect(hub.told('writer-retired')).toHaveLength(1)
    lab.connect(hub, other, 'mesh')
    lab.run(ACKS_MS)
    for (const node of lab.nodes) {
      expect(node.replica.get('tasks', 'hkg-1', 'late')?.value, node.name).toBe(1)
      expect(hash(node)).toBe(hash(hub))
      expect(node.violations()).toEqual([])
    }
  })

  it('is retired at once if it is revoked, and a hub that is retired leaves to others what it has taken over', () => {
    const { lab, hub, edge, gone } = three()
    const other = lab.add('core-2', HUB)
    lab.connect(hub, other, 'mesh')
    lab.run(1_000)
    revoke(other, 'hkg-1-b', 'somebody')
    lab.run(ACKS_MS)
    expect(hub.replica.isRevoked('hkg-1-b')).toBe(false)
    revoke(other, 'hkg-1-b')
    lab.run(ACKS_MS)
    for (const node of [hub, other, edge]) expect(node.replica.isRevoked('hkg-1-b')).toBe(true)
    expect(hub.told('writer-retired')).toMatchObject([{ writer: 'hkg-1-b' }])
    edge.restart()
    lab.connect(edge, hub, 'up')
    lab.run(ACKS_MS)
    expect(edge.replica.isRevoked('hkg-1-b')).toBe(true)
    expect(writers(edge)).toEqual(['core-1', 'core-2', 'hkg-1-a'])
    const shown = hash(edge)
    lab.cutAll(hub)
    lab.connect(edge, other, 'up')
    live(lab, [edge], 3 * HORIZON_MS)
    expect(other.told('writer-retired')).toEqual([])
    revoke(other, 'core-1')
    live(lab, [edge], HORIZON_MS / 10)
    expect(other.told('writer-retired')).toMatchObject([{ writer: 'core-1' }])
    expect(writers(edge)).toEqual(['core-2', 'core-2', 'hkg-1-a', 'hkg-1-a'])
    expect(hash(edge)).toBe(shown)
    expect(hash(other)).toBe(shown)
    lab.connect(gone, other, 'up')
    lab.run(ACKS_MS)
    expect(gone.told('writer-retired')).toHaveLength(1)
    expect(hash(gone)).toBe(shown)
    for (const node of lab.nodes) expect(node.violations()).toEqual([])
  })
})
