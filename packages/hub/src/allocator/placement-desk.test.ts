import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Credential, type RecordView, type TaskRecord, type Verdict, instant } from '@causeway/protocol'
import { TaskParts } from '@causeway/node'
import { Placement } from './placement-desk.ts'

const SITES = ['hkg', 'sin', 'nrt', 'far']
const KINDS = ['play', 'record']
const T0 = instant(0)

const worker = fc.record({
  selector: fc.constantFrom('', 'kind=play', 'kind=record'),
  slots: fc.integer({ min: 1, max: 3 }),
  capacity: fc.constantFrom({}, { gpu: 1 }, { gpu: 2 }),
})
const member = fc.record({
  site: fc.constantFrom(...SITES),
  workers: fc.array(worker, { maxLength: 2 }),
  cpu: fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined }),
  verdict: fc.constantFrom<Verdict>('alive', 'alive', 'alive', 'suspect'),
  granted: fc.array(fc.record({ kind: fc.constantFrom(...KINDS), gpu: fc.integer({ min: 0, max: 1 }) }), { maxLength: 5 }),
})
const wish = fc.record({
  near: fc.option(fc.constantFrom(...SITES), { nil: null }),
  site: fc.option(fc.constantFrom(...SITES), { nil: null, freq: 3 }),
  to: fc.option(fc.constantFrom(...SITES, 'n0'), { nil: null, freq: 3 }),
  not: fc.option(fc.constant('n1'), { nil: null }),
  needs: fc.constantFrom({}, { gpu: 1 }),
  kind: fc.constantFrom(...KINDS),
  id: fc.constantFrom('t1', 't2', 't3'),
})
/** One way; there is none to `far`. */
const costs = fc.record({ hkg: fc.nat(60), sin: fc.nat(60), nrt: fc.nat(60) })

function task(id: string, kind: string, rest: Partial<TaskRecord> = {}): TaskParts {
  const parts = new TaskParts(id, 'hkg')
  const value: TaskRecord = {
    ...{ desired: { spec: null, generation: 1 }, policy: 'sticky', convergeKey: null, needs: {}, nodes: '', site: null, near: null },
    ...{ createdAt: 0, token: 0, ...rest },
  }
  parts.task = { value, labels: { kind }, asOf: 0, revision: '' }
  return parts
}

interface Node {
  readonly site: string
  readonly workers: readonly { readonly selector: string; readonly slots: number; readonly capacity: Record<string, number> }[]
  readonly cpu?: number | undefined
  readonly verdict?: Verdict
  readonly granted?: readonly { readonly kind: string; readonly gpu: number }[]
}

function offer(placement: Placement, name: string, { site, workers }: Node): void {
  const record = { writer: name, value: { workers } } as unknown as RecordView
  placement.pool.offered(name, site, record, { name, site, labels: {} } as unknown as Credential)
}

function placementOf(nodes: readonly Node[], costsFrom: Readonly<Record<string, number>>): Placement {
  const at = new Map(nodes.map((node, n) => [`n${n}`, node]))
  const placement = new Placement({
    verdict: (_, name) => at.get(name)?.verdict ?? 'alive',
    vitals: () => new Map([...at].flatMap(([name, { cpu }]) => (cpu === undefined ? [] : [[name, { cpu }] as const]))),
    ways: {
      knows: (_, site) => SITES.includes(site),
      from: (_, site) => new Map(Object.entries({ ...costsFrom, [site]: 0 }).sort(([, a], [, b]) => a - b)),
    },
    knowsSite: () => false,
  })
  for (const [name, node] of at) {
    offer(placement, name, node)
    for (const [n, { kind, gpu }] of (node.granted ?? []).entries())
      placement.pool.reserve(`${name}-${n}`, name, task('x', kind, { needs: { gpu } }).task)
  }
  return placement
}

describe('placement', () => {
  test('chooses what ranking all nodes puts first, and says why if that is nobody', () => {
    fc.assert(
      fc.property(fc.array(member, { maxLength: 8 }), costs, wish, (nodes, costsFrom, { near, site, to, not, needs, kind, id }) => {
        const placement = placementOf(nodes, costsFrom)
        const parts = task(id, kind, { near: near ?? site, site, needs })
        const first = placement.candidates(T0, parts, { to, not }).find(({ chosen }) => chosen)
        expect(placement.choose(T0, parts, { to, not })).toEqual(first && { node: first.node, site: first.site })
        if (!first) expect(placement.whyNot(T0, parts, { to, not })).toMatch(/^no node /)
      }),
      { numRuns: 500 },
    )
  })

  test('counts what is granted, given back and offered as if it were counted anew', () => {
    const step = fc.record({ id: fc.nat(5), node: fc.option(fc.nat(2), { nil: null }), kind: fc.constantFrom(...KINDS), gpu: fc.nat(1) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const one = { site: 'hkg', workers: [{ selector: '', slots: 4, capacity: { gpu: 3 } }] }
        const placement = placementOf([one, one, one], {})
        for (const { id, node, kind, gpu } of steps)
          placement.pool.reserve(`t${id}`, node === null ? null : `n${node}`, task('x', kind, { needs: { gpu } }).task)
        for (const { granted, usages = [] } of placement.pool.nodes()) {
          expect(usages[0]?.tasks).toBe(granted.size)
          const used = [...granted.values()].reduce((sum, { needs }) => sum + (needs['gpu'] ?? 0), 0)
          expect(usages[0]?.amounts.get('gpu') ?? 0).toBe(used)
        }
        const open = [...placement.pool.nodes()].filter(({ granted }) => granted.size < 4)
        expect([...placement.pool.open('hkg')].map(({ node }) => node).toSorted()).toEqual(open.map(({ node }) => node))
        expect(placement.pool.openSites.has('hkg')).toBe(open.length > 0)
      }),
    )
  })

  test('forgets the room of a node that offers nothing any more', () => {
    const placement = placementOf([{ site: 'hkg', workers: [{ selector: '', slots: 1, capacity: {} }] }], {})
    expect(placement.choose(T0, task('t', 'play'), { to: null, not: null })).toEqual({ node: 'n0', site: 'hkg' })
    offer(placement, 'n0', { site: 'hkg', workers: [] })
    expect(placement.choose(T0, task('t', 'play'), { to: null, not: null })).toBeUndefined()
    expect(placement.whyNot(T0, task('t', 'play'), { to: null, not: null })).toBe(
      'no node can take it: all that offer to run tasks are full',
    )
  })
})
