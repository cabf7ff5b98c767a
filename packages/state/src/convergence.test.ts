/**
 * The promise of the whole package: whatever is written where, whatever is cut, crashes or overtakes, after the heal
 * everybody who is interested shows the same, and nothing that was acknowledged is missing.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { WriteChange } from './replica-contract.ts'
import { Lab, type LabNode } from './replica-lab.ts'

type Action =
  | { readonly type: 'put' | 'patch' | 'delete' | 'both'; readonly node: number; readonly partition: number; readonly key: number }
  | { readonly type: 'steps'; readonly count: number }
  | { readonly type: 'time' | 'tick'; readonly ms: number }
  | { readonly type: 'cut' | 'link'; readonly which: number }
  | { readonly type: 'crash'; readonly node: number; readonly survives: number }
  | { readonly type: 'stop'; readonly node: number }

const node = fc.nat({ max: 4 })
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ type: fc.constant('put' as const), node, partition: fc.nat({ max: 1 }), key: fc.nat({ max: 4 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constantFrom('delete' as const, 'patch' as const, 'both' as const),
      node,
      partition: fc.nat({ max: 1 }),
      key: fc.nat({ max: 4 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('steps' as const), count: fc.nat({ max: 30 }) }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('tick' as const), ms: fc.integer({ min: 5, max: 20 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('time' as const), ms: fc.integer({ min: 5, max: 200 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('time' as const), ms: fc.constant(40_000) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constantFrom('cut' as const, 'link' as const), which: fc.nat({ max: 20 }) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('crash' as const), node, survives: fc.nat({ max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('stop' as const), node }) },
)

const PARTITIONS = ['hkg-1', 'nrt-1']

class World {
  readonly lab: Lab
  readonly nodes: readonly LabNode[]
  /** Writes that are under way: who, which record, which value. */
  readonly requests: { readonly node: LabNode; readonly request: number; readonly partition: string }[] = []
  /** Revisions that were acknowledged, by record. */
  readonly acknowledged = new Map<string, string[]>()
  crashes = 0

  constructor(seed: number) {
    this.lab = new Lab(seed)
    // A log of a few batches is folded.
    const limits = { foldBytesMin: 1_000 }
    const edge = { interest: ['tasks/**'], write: ['tasks/**'], limits }
    this.nodes = [
      this.lab.add('core-1', { limits }),
      this.lab.add('core-2', { limits }),
      this.lab.add('hkg-1-a', { ...edge, skewMs: 500 }),
      // Interested in one partition only, but writes both.
      this.lab.add('hkg-1-b', { interest: ['tasks/hkg-1'], write: ['tasks/**'], skewMs: -700, limits }),
      this.lab.add('nrt-1-a', { ...edge, skewMs: 90 }),
    ]
    this.linkAll()
  }

  /** Hubs are a mesh; two gateways, one of them with a member below. */
  link(which: number): void {
    const [hub1, hub2, gateway1, member, gateway2] = this.nodes as [LabNode, LabNode, LabNode, LabNode, LabNode]
    const links = [
      [hub1, hub2, 'mesh'],
      [gateway1, hub1, 'up'],
      [member, gateway1, 'up'],
      [gateway2, hub2, 'up'],
    ] as const
    const [a, b, relation] = links[which % links.length]!
    if (!this.lab.connected(a, b)) this.lab.connect(a, b, relation)
  }

  linkAll(): void {
    for (let which = 0; which < 4; which++) this.link(which)
  }

  act(action: Action): void {
    const { lab } = this
    switch (action.type) {
      case 'put':
      case 'patch':
      case 'both':
      case 'delete': {
        const writer = this.nodes[action.node]!
        const partition = PARTITIONS[action.partition]!
        const key = `k${action.key}`
        const value = { [`f${lab.nextNumber() % 3}`]: lab.nextNumber() }
        const change = (type: 'put' | 'patch' | 'delete'): WriteChange => ({
          key,
          operation: type === 'delete' ? { type } : { type, value },
        })
        const changes: WriteChange[] = action.type === 'both' ? [change('put'), { ...change('patch'), key: 'k0' }] : [change(action.type)]
        this.requests.push({ node: writer, request: writer.writeAll(partition, changes), partition })
        break
      }
      case 'steps':
        for (let n = 0; n < action.count; n++) lab.step()
        break
      case 'tick':
        lab.tick(action.ms)
        break
      case 'time':
        lab.run(action.ms)
        break
      case 'cut': {
        const sessions = lab.sessions()
        if (sessions.length > 0) lab.cut(sessions[action.which % sessions.length]!)
        break
      }
      case 'link':
        this.link(action.which)
        break
      case 'crash':
        this.note()
        this.crashes += 1
        this.nodes[action.node]!.crash(action.survives)
        break
      case 'stop':
        this.nodes[action.node]!.input({ type: 'flush' })
        while (!this.nodes[action.node]!.flushed) this.nodes[action.node]!.persistNext()
        this.note()
        this.nodes[action.node]!.restart()
    }
  }

  /** Remembers what has been acknowledged. */
  note(): void {
    for (const { node, request, partition } of this.requests.splice(0)) {
      const result = node.answers.get(request)
      for (const { key, revision } of result?.ok ? result.items : []) {
        const id = `${partition}|${key}`
        this.acknowledged.set(id, [...(this.acknowledged.get(id) ?? []), revision])
      }
    }
  }

  heal(): void {
    this.linkAll()
    this.lab.run(80_000)
    this.note()
  }
}

/** Milliseconds and counter of a revision: how the winner is chosen. */
function rank(revision: string): number {
  const ranks = revision.split('+').map((stamp) => {
    const [ms, counter] = stamp.split('.')
    return Number.parseInt(ms!, 36) * 1_000 + Number.parseInt(counter!, 36)
  })
  return Math.max(...ranks)
}

describe('convergence', () => {
  it('brings everybody to the same content and loses nothing acknowledged', () => {
    let crashes = 0
    let acknowledged = 0
    fc.assert(
      fc.property(fc.nat(), fc.array(action, { minLength: 10, maxLength: 80 }), (seed, actions) => {
        const world = new World(seed)
        for (const each of actions) world.act(each)
        world.heal()
        crashes += world.crashes
        const [hub] = world.nodes as [LabNode]
        for (const partition of PARTITIONS) {
          const hash = hub.replica.contentHash('tasks', partition)
          for (const node of world.nodes) {
            if (node.name === 'hkg-1-b' && partition === 'nrt-1') continue
            expect(node.replica.contentHash('tasks', partition), `${node.name} ${partition}`).toBe(hash)
          }
        }
        for (const [id, revisions] of world.acknowledged) {
          acknowledged += revisions.length
          const [partition, key] = id.split('|') as [string, string]
          const record = hub.replica.get('tasks', partition, key)
          // A record that exists is at least as new as every put acknowledged; one that does not was deleted last. A patch of what
          // lost against the put of somebody who did not know it is void.
          if (record) for (const revision of revisions) expect(rank(record.revision)).toBeGreaterThanOrEqual(rank(revision.split('+')[0]!))
        }
        for (const node of world.nodes) {
          expect(node.violations()).toEqual([])
          expect(node.replica.complete()).toBe(true)
          expect(node.replica.view(world.lab.now)).toMatchObject(node.name.startsWith('core') ? {} : { pending: 0, lagMs: 0 })
          const listed = PARTITIONS.flatMap((partition) => node.replica.list('tasks', partition))
          expect([...node.followed.values()].sort(byPlace)).toEqual(listed.sort(byPlace))
        }
      }),
      { numRuns: 200 },
    )
    expect(crashes).toBeGreaterThan(50)
    expect(acknowledged).toBeGreaterThan(200)
  })

  it('loses no acknowledged write to a key that only one node writes', () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(action, { minLength: 10, maxLength: 80 }), (seed, actions) => {
        const world = new World(seed)
        const sent: { node: LabNode; request: number; key: string; value: number }[] = []
        for (const [at, each] of actions.entries()) {
          if (each.type === 'put') {
            const node = world.nodes[each.node]!
            const key = `only-${node.name}-${each.key}`
            sent.push({ node, key, value: at, request: node.put('hkg-1', key, at) })
          } else if (each.type !== 'delete' && each.type !== 'patch' && each.type !== 'both') world.act(each)
        }
        world.heal()
        const last = new Map<string, number>()
        for (const { node, request, key, value } of sent) if (node.answers.get(request)?.ok) last.set(key, value)
        for (const { replica } of world.nodes) {
          // A later write that was never answered may have made it to the disk before the crash.
          for (const [key, value] of last) expect(replica.get('tasks', 'hkg-1', key)?.value).toBeGreaterThanOrEqual(value)
        }
      }),
      { numRuns: 200 },
    )
  })
})

function byPlace(a: { partition: string; key: string }, b: { partition: string; key: string }): number {
  return `${a.partition}|${a.key}` < `${b.partition}|${b.key}` ? -1 : 1
}
