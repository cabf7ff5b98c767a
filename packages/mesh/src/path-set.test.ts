import { type NodeId, instant, nodeId } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import type { Path } from './path.ts'
import { type FirstHops, PathSet } from './path-set.ts'

const B = nodeId('b')
const [H1, H2, H3] = ['h1', 'h2', 'h3'].map((name) => nodeId(name)) as [NodeId, NodeId, NodeId]

function hops(live: readonly NodeId[]): FirstHops {
  return { costTo: (id) => (live.includes(id) ? 1 : undefined), ways: () => live.filter((id) => id !== B) }
}

const via = (relay: NodeId, costMs: number): { route: NodeId[]; costMs: number } => ({ route: [relay, B], costMs })
const relayOf = (path: Path | undefined): NodeId | undefined => path?.route[0]

describe('PathSet', () => {
  it('without a plan, goes to any live uplink', () => {
    const paths = new PathSet(B)
    paths.refresh(hops([H2, H3]))
    expect(relayOf(paths.choose())).toBe(H2)
  })

  it('keeps what it knows of a path that stays in the plan', () => {
    const paths = new PathSet(B)
    paths.plan([via(H1, 10), via(H2, 20)], hops([H1, H2]))
    const first = paths.paths[0]
    first?.acknowledged(instant(0), 42, 100)
    paths.plan([via(H3, 5), via(H1, 10)], hops([H1, H2, H3]))
    expect(paths.paths.find((path) => relayOf(path) === H1)).toBe(first)
    expect(first?.rttMs).toBe(42)
  })

  it('leaves a working path only for one that is clearly better (invariant 3)', () => {
    const paths = new PathSet(B)
    const live = hops([H1, H2])
    paths.plan([via(H1, 100), via(H2, 105)], live)
    expect(relayOf(paths.choose())).toBe(H1)
    paths.plan([via(H2, 92), via(H1, 100)], live)
    expect(relayOf(paths.choose())).toBe(H1)
    paths.plan([via(H2, 80), via(H1, 100)], live)
    expect(relayOf(paths.choose())).toBe(H2)
  })

  it('prefers the direct link to a relay that is hardly better', () => {
    const paths = new PathSet(B)
    paths.plan([via(H1, 1)], { costTo: (id) => (id === B ? 8 : id === H1 ? 1 : undefined), ways: () => [H1] })
    expect(paths.choose()?.route).toEqual([B])
    const far = new PathSet(B)
    far.plan([via(H1, 1)], { costTo: (id) => (id === B ? 20 : id === H1 ? 1 : undefined), ways: () => [H1] })
    expect(relayOf(far.choose())).toBe(H1)
  })

  it('leaves a suspect or dead path at once, and comes back to the only one', () => {
    const paths = new PathSet(B)
    paths.plan([via(H1, 10), via(H2, 50)], hops([H1, H2]))
    paths.choose()?.timedOut(instant(0))
    expect(relayOf(paths.choose())).toBe(H2)
    paths.refresh(hops([H1]))
    expect(relayOf(paths.choose())).toBe(H1)
    paths.refresh(hops([]))
    expect(paths.choose()).toBeUndefined()
  })

  it('takes the path to avoid only if there is no other', () => {
    const paths = new PathSet(B)
    paths.plan([via(H1, 10), via(H2, 50)], hops([H1, H2]))
    const first = paths.choose()
    expect(relayOf(paths.choose(first))).toBe(H2)
    paths.refresh(hops([H1]))
    expect(paths.choose(first)).toBe(first)
  })
})
