import { type Advert, type AdvertisedLink, type NodeId, instant, nodeId } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { LinkState } from './link-state.ts'

const at = (ms: number): ReturnType<typeof instant> => instant(ms)

function link(name: string, costMs: number, role: 'edge' | 'hub' = 'hub', more: Partial<AdvertisedLink> = {}): AdvertisedLink {
  const plain = { costBackMs: costMs, impaired: false, domains: [], behind: [] }
  return { to: nodeId(name), name, site: 's', role, costMs, ...plain, ...more }
}

function advert(name: string, sequence: number, links: AdvertisedLink[], more: Partial<Advert> = {}): Advert {
  return { origin: nodeId(name), name, incarnation: 1, sequence, ageMs: 0, draining: false, domains: [], links, ...more }
}

function stateOf(name: string): LinkState {
  return new LinkState(at(0), { self: nodeId(name), name, incarnation: 1, domains: [] })
}

function routes(state: LinkState, from: string, to: string): (string | undefined)[][] {
  return state.paths(nodeId(from), nodeId(to), 4, 5).map((path) => path.route.map((id: NodeId) => state.nameOf(id)))
}

/** h1 (we), h2, h3 fully linked; edges a and b attached to all. */
function triangle(): LinkState {
  const state = stateOf('h1')
  state.advertise(at(0), [link('h2', 5), link('h3', 5), link('a', 10, 'edge'), link('b', 10, 'edge')])
  state.learn(at(0), [
    advert('h2', 1, [link('h1', 5), link('h3', 5), link('a', 15, 'edge'), link('b', 15, 'edge')]),
    advert('h3', 1, [link('h1', 5), link('h2', 5), link('a', 20, 'edge'), link('b', 20, 'edge')]),
  ])
  return state
}

describe('LinkState', () => {
  it('finds disjoint ways between edges, through hubs, cheapest first', () => {
    expect(routes(triangle(), 'a', 'b')).toEqual([
      ['h1', 'b'],
      ['h2', 'b'],
      ['h3', 'b'],
    ])
    expect(routes(triangle(), 'h1', 'h2')).toEqual([['h2'], ['h3', 'h2']])
    expect(routes(triangle(), 'a', 'h2')).toEqual([['h2'], ['h1', 'h2'], ['h3', 'h2']])
  })

  it('counts each direction at its own cost', () => {
    const state = stateOf('h1')
    state.advertise(at(0), [link('a', 10, 'edge', { costBackMs: 70 }), link('b', 20, 'edge', { costBackMs: 5 })])
    expect(state.paths(nodeId('a'), nodeId('b'), 1, 4)[0]?.costMs).toBe(90)
    expect(state.paths(nodeId('b'), nodeId('a'), 1, 4)[0]?.costMs).toBe(15)
  })

  it('does not believe a link between hubs that only one end advertises (invariant 2)', () => {
    const state = triangle()
    state.learn(at(1), [advert('h2', 2, [link('h3', 5), link('a', 15, 'edge'), link('b', 15, 'edge')])])
    expect(routes(state, 'h1', 'h2')).toEqual([['h3', 'h2']])
  })

  it('does not route over a hub that nobody reaches any more, whatever its last advert said (invariant 3)', () => {
    const state = triangle()
    state.advertise(at(1), [link('h3', 5), link('a', 10, 'edge'), link('b', 10, 'edge')])
    state.learn(at(1), [advert('h3', 2, [link('h1', 5), link('a', 20, 'edge'), link('b', 20, 'edge')])])
    expect(routes(state, 'a', 'b')).toEqual([
      ['h1', 'b'],
      ['h3', 'b'],
    ])
    expect(state.hubs().find(({ id }) => id === nodeId('h2'))).toMatchObject({ reachable: false })
  })

  it('takes only newer adverts, and hands on only those (invariant 1)', () => {
    const state = triangle()
    expect(state.learn(at(1), [advert('h2', 1, [])])).toEqual([])
    expect(state.learn(at(1), [advert('h2', 2, [])])).toHaveLength(1)
    expect(state.learn(at(1), [advert('h2', 1, [], { incarnation: 2 })])).toHaveLength(1)
    expect(state.learn(at(1), [advert('h1', 99, [], { incarnation: 9 })])).toEqual([])
  })

  it('speaks up against what an earlier life of its own has said', () => {
    const state = triangle()
    state.learn(at(1), [advert('h1', 99, [], { incarnation: 9 })])
    expect(state.advertise(at(2), [link('h2', 5)])).toMatchObject({ incarnation: 9, sequence: 100, links: [{ name: 'h2' }] })
  })

  it('advertises news at once, costs damped, the rest every 2 min (invariant 4)', () => {
    const state = triangle()
    const links = [link('h2', 5), link('h3', 5), link('a', 10, 'edge'), link('b', 10, 'edge')]
    expect(state.advertise(at(100), links)).toBeUndefined()
    expect(state.advertise(at(200), links.slice(1))?.sequence).toBe(2)
    expect(state.advertise(at(300), [link('h3', 50), ...links.slice(2)])).toBeUndefined()
    expect(state.advertise(at(1300), [link('h3', 5.5), ...links.slice(2)])).toBeUndefined()
    expect(state.advertise(at(1300), [link('h3', 50), ...links.slice(2)])?.sequence).toBe(3)
    expect(state.advertise(at(1310), [link('h3', 50, 'hub', { impaired: true }), ...links.slice(2)])?.sequence).toBe(4)
    expect(state.advertise(at(1320), [link('h3', 50, 'hub', { impaired: true }), ...links.slice(2)], true)?.sequence).toBe(5)
    expect(state.advertise(at(121_319), [link('h3', 50, 'hub', { impaired: true }), ...links.slice(2)], true)).toBeUndefined()
    expect(state.advertise(at(121_320), [link('h3', 50, 'hub', { impaired: true }), ...links.slice(2)], true)?.sequence).toBe(6)
  })

  it('forgets what its origin has not repeated for long, even if it was heard of just now', () => {
    const state = triangle()
    state.learn(at(300_000), [advert('h3', 2, [link('h1', 5), link('a', 20, 'edge'), link('b', 20, 'edge')], { ageMs: 250_000 })])
    state.forgetOld(at(420_001))
    expect(routes(state, 'a', 'b')).toEqual([
      ['h1', 'b'],
      ['h3', 'b'],
    ])
    expect(state.all(at(420_001)).find(({ name }) => name === 'h3')?.ageMs).toBe(370_001)
    state.forgetOld(at(470_001))
    expect(routes(state, 'a', 'b')).toEqual([['h1', 'b']])
    expect(state.learn(at(470_002), [advert('h3', 3, [], { ageMs: 420_000 })])).toEqual([])
  })

  it('finds by digests what a flood has missed, in both directions', () => {
    const [one, other] = [triangle(), stateOf('h9')]
    other.learn(at(0), [advert('h3', 7, []), advert('h4', 1, [])])
    const { missing, behind } = one.compare(at(50), other.digest())
    expect(missing.map(({ name, ageMs }) => [name, ageMs])).toEqual([
      ['h1', 50],
      ['h2', 50],
    ])
    expect(behind).toBe(true)
    one.learn(at(50), other.compare(at(50), one.digest()).missing)
    other.learn(at(50), missing)
    expect(one.compare(at(60), other.digest())).toEqual({ missing: [], behind: false })
    expect(other.compare(at(60), one.digest()).missing).toEqual([])
  })

  it('says which ways lose more than they should', () => {
    const state = triangle()
    state.advertise(at(1), [link('h2', 5), link('a', 10, 'edge', { impaired: true }), link('b', 10, 'edge')])
    expect(state.impaired(nodeId('a'), [nodeId('h1'), nodeId('b')])).toBe(true)
    expect(state.impaired(nodeId('h1'), [nodeId('b')])).toBe(false)
  })
})

describe('nodes behind gateways', () => {
  /** Site s: gateway a, standby b; node m behind both. Site t: edge c. */
  function site(): LinkState {
    const state = stateOf('h1')
    const member = { id: nodeId('m'), name: 'm', costMs: 1 }
    const gateways = [
      link('a', 10, 'edge', { domains: ['dc=s'], behind: [member] }),
      link('b', 20, 'edge', { domains: ['dc=s'], behind: [member] }),
    ]
    state.advertise(at(0), [link('h2', 5), link('c', 7, 'edge'), ...gateways])
    state.learn(at(0), [advert('h2', 1, [link('h1', 5), link('c', 8, 'edge'), ...gateways])])
    return state
  }

  it('are reached through them, over different hubs and gateways', () => {
    expect(routes(site(), 'c', 'm')).toEqual([
      ['h1', 'a', 'm'],
      ['h2', 'b', 'm'],
    ])
    expect(site().paths(nodeId('h1'), nodeId('m'), 1, 5)[0]?.costMs).toBe(11)
  })

  it('leave through them, and each other through one', () => {
    expect(routes(site(), 'm', 'c')).toEqual([
      ['a', 'h1', 'c'],
      ['b', 'h2', 'c'],
    ])
    expect(routes(site(), 'm', 'a')[0]).toEqual(['a'])
  })

  it('are no way through: a gateway relays nothing between hubs', () => {
    const state = stateOf('h1')
    const member = { id: nodeId('m'), name: 'm', costMs: 1 }
    state.advertise(at(0), [link('a', 1, 'edge', { behind: [member] })])
    state.learn(at(0), [advert('h2', 1, [link('a', 1, 'edge', { behind: [member] }), link('c', 1, 'edge')])])
    expect(routes(state, 'h1', 'c')).toEqual([])
  })
})
