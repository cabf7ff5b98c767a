import { type Instant, type NodeId, asNodeId, instant, nodeId } from '@causeway/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Path } from './path.ts'
import { type FirstHops, PathSet } from './path-set.ts'

const B = nodeId('b')
const [H1, H2, H3] = ['h1', 'h2', 'h3'].map((name) => nodeId(name)) as [NodeId, NodeId, NodeId]
const at = (ms: number): Instant => instant(ms)

function hops(live: readonly NodeId[], more: Partial<FirstHops> = {}): FirstHops {
  const usual = { impaired: () => false, mayMove: () => true }
  return { costTo: (id) => (live.includes(id) ? 1 : undefined), ways: () => live.filter((id) => id !== B), ...usual, ...more }
}

const via = (relay: NodeId, costMs: number, impaired = false): { route: NodeId[]; costMs: number; impaired: boolean } => ({
  route: [relay, B],
  costMs,
  impaired,
})
const relayOf = (path: Path | undefined): NodeId | undefined => path?.route[0]

/** A set that is refreshed every second, as its owner would, and which moves it made. */
class Refreshed {
  readonly moves: string[] = []
  readonly set = new PathSet(B, {
    onMove: (_from, to, reason) => this.moves.push(`${relayOf(to) === H1 ? 'h1' : 'h2'}: ${reason}`),
  })
  now = 0

  /** Plans, then lets so many seconds pass. */
  plan(planned: Parameters<PathSet['plan']>[1], seconds = 0, live = hops([H1, H2, H3])): NodeId | undefined {
    this.set.plan(at(this.now), planned, live)
    for (let i = 0; i < seconds; i++) this.set.refresh(at((this.now += 1_000)), live)
    return relayOf(this.set.choose())
  }
}

describe('PathSet', () => {
  it('without a plan, goes to any live uplink, and to the plan as soon as there is one', () => {
    const paths = new PathSet(B)
    paths.refresh(at(0), hops([H2, H3]))
    expect(relayOf(paths.choose())).toBe(H2)
    paths.plan(at(1), [via(H3, 50)], hops([H2, H3]))
    expect(relayOf(paths.choose())).toBe(H3)
  })

  it('keeps what it knows of a path that stays in the plan (invariant 2)', () => {
    const paths = new PathSet(B)
    paths.plan(at(0), [via(H1, 10), via(H2, 20)], hops([H1, H2]))
    const first = paths.paths[0]
    first?.acknowledged(at(0), 42, 100, false, first.departed(at(0), {}, 0))
    paths.plan(at(1), [via(H3, 5), via(H1, 10)], hops([H1, H2, H3]))
    expect(paths.paths.find((path) => relayOf(path) === H1)).toBe(first)
    expect(first?.rttMs).toBe(42)
  })

  it('leaves a working path only for one that has been clearly better for 3 s (invariant 4)', () => {
    const paths = new Refreshed()
    expect(paths.plan([via(H1, 100), via(H2, 105)])).toBe(H1)
    expect(paths.plan([via(H2, 92), via(H1, 100)], 10)).toBe(H1)
    expect(paths.plan([via(H2, 80), via(H1, 100)], 2)).toBe(H1)
    expect(paths.plan([via(H2, 95), via(H1, 100)], 1)).toBe(H1)
    expect(paths.plan([via(H2, 80), via(H1, 100)], 2)).toBe(H1)
    expect(paths.set.explain()).toContain('for 2.0 s only')
    expect(paths.plan([via(H2, 80), via(H1, 100)], 1)).toBe(H2)
    expect(paths.moves).toEqual(['h2: another is better by 20 ms'])
  })

  it('tells of a path that fell silent, but not if it was only late (invariant 6)', () => {
    const paths = new Refreshed()
    paths.plan([via(H1, 10), via(H2, 20)], 1)
    const first = paths.set.choose() as Path
    first.timedOut(at(paths.now))
    expect(relayOf(paths.set.choose())).toBe(H2)
    first.renew()
    paths.set.forgive(first)
    expect(paths.plan([via(H1, 10), via(H2, 20)], 1)).toBe(H1)
    expect(paths.moves).toEqual([])
    first.timedOut(at(paths.now))
    expect(paths.plan([via(H1, 10), via(H2, 20)], 1)).toBe(H2)
    expect(paths.moves).toEqual(['h2: is not acknowledged in time'])
    first.renew()
    paths.set.forgive(first)
    expect(paths.moves).toEqual(['h2: is not acknowledged in time', 'h1: was only late'])
  })

  it('stays where it is while others move for mere delay (invariant 4)', () => {
    const paths = new Refreshed()
    const busy = hops([H1, H2], { mayMove: () => false })
    paths.plan([via(H1, 100)], 0, busy)
    expect(paths.plan([via(H2, 10), via(H1, 100)], 60, busy)).toBe(H1)
  })

  it('prefers the direct link to a relay that is hardly better', () => {
    const paths = new PathSet(B)
    paths.plan(at(0), [via(H1, 1)], hops([H1], { costTo: (id) => (id === B ? 8 : id === H1 ? 1 : undefined) }))
    expect(paths.choose()?.route).toEqual([B])
    const far = new PathSet(B)
    far.plan(at(0), [via(H1, 1)], hops([H1], { costTo: (id) => (id === B ? 20 : id === H1 ? 1 : undefined) }))
    expect(relayOf(far.choose())).toBe(H1)
  })

  it('leaves a suspect or dead path at once, and comes back to the only one (invariant 3)', () => {
    const paths = new PathSet(B)
    paths.plan(at(0), [via(H1, 10), via(H2, 50)], hops([H1, H2]))
    paths.choose()?.timedOut(at(0))
    expect(relayOf(paths.choose())).toBe(H2)
    paths.refresh(at(1), hops([H1]))
    expect(relayOf(paths.choose())).toBe(H1)
    paths.refresh(at(2), hops([]))
    expect(paths.choose()).toBeUndefined()
  })

  it('comes back to a path that was silent once it has answered for 3 s', () => {
    const paths = new Refreshed()
    paths.plan([via(H1, 10), via(H2, 50)], 1)
    const first = paths.set.choose()
    first?.timedOut(at(paths.now))
    expect(paths.plan([via(H1, 10), via(H2, 50)], 5)).toBe(H2)
    first?.acknowledged(at(paths.now), 20, 10, false, first.departed(at(paths.now), {}, 0))
    expect(paths.plan([via(H1, 10), via(H2, 50)], 3)).toBe(H2)
    expect(paths.plan([via(H1, 10), via(H2, 50)], 4)).toBe(H1)
  })

  it('forgets a suspicion that no channel is left to try', () => {
    const paths = new Refreshed()
    paths.plan([via(H1, 10), via(H2, 50)], 1)
    const first = paths.set.choose()
    first?.timedOut(at(paths.now))
    expect(paths.plan([via(H1, 10), via(H2, 50)], 8)).toBe(H2)
    expect(first?.suspect).toBe(true)
    expect(paths.plan([via(H1, 10), via(H2, 50)], 20)).toBe(H1)
    expect(first?.suspect).toBe(false)
  })

  it('does not try what nobody has planned, and forgives it in time', () => {
    const paths = new Refreshed()
    paths.plan([via(H1, 10)], 1)
    const [planned, guess] = [H1, H2].map((hub) => paths.set.paths.find((path) => relayOf(path) === hub))
    for (const path of [planned, guess]) path?.timedOut(at(paths.now))
    expect([planned?.isGuess, guess?.isGuess]).toEqual([false, true])
    expect([planned?.trialDue(at(paths.now + 5_000)), guess?.trialDue(at(paths.now + 5_000))]).toEqual([true, false])
    expect(guess?.nextTrial).toBeUndefined()
    paths.plan([via(H1, 10)], 20)
    expect(guess?.suspect).toBe(false)
  })

  it('leaves a path that loses at once, and comes back only when it has been clean for a hold that doubles (invariant 5)', () => {
    const paths = new Refreshed()
    const secondsAway = (): number => {
      expect(paths.plan([via(H1, 10, true), via(H2, 300)])).toBe(H2)
      for (let seconds = 1; ; seconds++) if (paths.plan([via(H1, 10), via(H2, 300)], 1) === H1) return seconds
    }
    expect(paths.plan([via(H1, 10), via(H2, 300)], 60)).toBe(H1)
    const [first, second, third] = [secondsAway(), secondsAway(), secondsAway()]
    expect(first).toBeGreaterThanOrEqual(5)
    expect(second).toBeGreaterThanOrEqual(first + 4)
    expect(third).toBeGreaterThanOrEqual(second + 8)
    expect(paths.moves.filter((move) => move === 'h2: loses packets')).toHaveLength(3)
  })

  it('leaves a path whose packets show that it loses, and forgives it then', () => {
    const paths = new Refreshed()
    expect(paths.plan([via(H1, 10), via(H2, 300)], 1)).toBe(H1)
    const first = paths.set.choose()
    for (let i = 0; i < 300; i++) first?.fate(i % 5 === 0)
    expect(relayOf(paths.set.choose())).toBe(H2)
    expect(first?.losing).toBe(false)
    expect(paths.plan([via(H1, 10), via(H2, 300)], 4)).toBe(H2)
    expect(paths.plan([via(H1, 10), via(H2, 300)], 10)).toBe(H1)
  })

  it('stays if everything loses together (invariant 3)', () => {
    const paths = new Refreshed()
    expect(paths.plan([via(H1, 10), via(H2, 30)], 1)).toBe(H1)
    expect(paths.plan([via(H1, 10, true), via(H2, 30, true)], 10)).toBe(H1)
    expect(paths.plan([via(H1, 10), via(H2, 30)], 1, hops([H1, H2], { impaired: () => true }))).toBe(H1)
    expect(paths.moves).toEqual([])
  })

  it('keeps a path that is no longer planned until what is out on it is settled, but sends nothing new over it', () => {
    const paths = new PathSet(B)
    const live = hops([H1, H2], { ways: () => [] })
    paths.plan(at(0), [via(H1, 10), via(H2, 50)], live)
    const [first] = paths.paths
    if (!first) throw new Error('no path')
    first.inFlightBytes = 100
    paths.plan(at(1), [via(H2, 50)], live)
    expect(relayOf(paths.choose())).toBe(H2)
    expect(paths.paths).toContain(first)
    expect(first.up).toBe(true)
    first.inFlightBytes = 0
    paths.refresh(at(2), live)
    expect(paths.paths).not.toContain(first)
  })

  it('takes the path to avoid only if there is no other', () => {
    const paths = new PathSet(B)
    paths.plan(at(0), [via(H1, 10), via(H2, 50)], hops([H1, H2]))
    const first = paths.choose()
    expect(relayOf(paths.choose(first))).toBe(H2)
    paths.refresh(at(1), hops([H1]))
    expect(paths.choose(first)).toBe(first)
  })

  it('goes elsewhere than through a relay of a path that is silent', () => {
    const paths = new PathSet(B)
    const [G1, G2] = [nodeId('g1'), nodeId('g2')]
    const route = (costMs: number, ...relays: NodeId[]): { route: NodeId[]; costMs: number; impaired: boolean } => ({
      route: [...relays, B],
      costMs,
      impaired: false,
    })
    paths.plan(at(0), [route(10, H1, G1), route(20, H2, G1), route(90, H3, G2)], hops([H1, H2, H3]))
    expect(paths.choose(paths.paths[0])?.route).toEqual([H3, G2, B])
    paths.choose()?.timedOut(at(0))
    expect(paths.choose()?.route).toEqual([H3, G2, B])
    paths.plan(at(1), [route(10, H1, G1), route(20, H2, G1)], hops([H1, H2]))
    expect(paths.choose()?.route).toEqual([H2, G1, B])
  })

  it('spreads pairs over paths that are equally good, always in the same way', () => {
    const choices = Array.from({ length: 300 }, (_, source) => {
      const choose = (): NodeId | undefined => {
        const paths = new PathSet(B, { from: asNodeId(source * 7919) })
        paths.plan(at(0), [via(H1, 10), via(H2, 12), via(H3, 14.9), via(nodeId('far'), 16)], hops([H1, H2, H3, nodeId('far')]))
        return relayOf(paths.choose())
      }
      expect(choose()).toBe(choose())
      return choose()
    })
    for (const hub of [H1, H2, H3]) expect(choices.filter((choice) => choice === hub).length).toBeGreaterThan(50)
    expect(choices).not.toContain(nodeId('far'))
  })

  it('always sends over a live path if there is one, whatever happens', () => {
    const relays = [H1, H2, H3]
    const plan = fc.uniqueArray(fc.record({ relay: fc.nat(2), costMs: fc.nat(100), impaired: fc.boolean() }), {
      selector: ({ relay }) => relay,
    })
    const step = fc.record({ plan, live: fc.subarray(relays), silent: fc.nat(5), lossy: fc.subarray(relays) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const paths = new PathSet(B)
        for (const [index, { plan, live, silent, lossy }] of steps.entries()) {
          const planned = plan.map(({ relay, costMs, impaired }) => via(relays[relay] as NodeId, costMs, impaired))
          paths.plan(at(index * 700), planned, hops(live, { impaired: (id) => lossy.includes(id) }))
          paths.paths[silent]?.timedOut(at(index * 700))
          const chosen = paths.choose()
          expect(chosen !== undefined).toBe(live.length > 0)
          if (chosen) expect(live).toContain(relayOf(chosen))
          if (chosen?.suspect) expect(paths.paths.every((path) => !path.up || path.suspect)).toBe(true)
        }
      }),
    )
  })
})
