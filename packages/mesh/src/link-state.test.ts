import { type Advert, type AdvertisedLink, type NodeId, instant, nodeId } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { LinkState } from './link-state.ts'

const at = (ms: number): ReturnType<typeof instant> => instant(ms)

function link(name: string, costMs: number, role: 'edge' | 'hub' = 'hub'): AdvertisedLink {
  return { to: nodeId(name), name, site: 's', role, costMs }
}

function advert(name: string, sequence: number, links: AdvertisedLink[], incarnation = 1): Advert {
  return { origin: nodeId(name), name, incarnation, sequence, links }
}

function routes(state: LinkState, from: string, to: string): (string | undefined)[][] {
  return state.paths(nodeId(from), nodeId(to), 4, 4).map((path) => path.route.map((id: NodeId) => state.nameOf(id)))
}

/** h1 (we), h2, h3 fully linked; edges a and b attached to all. */
function triangle(): LinkState {
  const state = new LinkState(at(0), nodeId('h1'), 'h1', 1)
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
  })

  it('takes only newer adverts, and hands on only those (invariant 1)', () => {
    const state = triangle()
    expect(state.learn(at(1), [advert('h2', 1, [])])).toEqual([])
    expect(state.learn(at(1), [advert('h2', 2, [])])).toHaveLength(1)
    expect(state.learn(at(1), [advert('h2', 1, [], 2)])).toHaveLength(1)
    expect(state.learn(at(1), [advert('h1', 99, [], 9)])).toEqual([])
  })

  it('advertises news at once, costs damped, the rest every 30 s (invariant 4)', () => {
    const state = triangle()
    const links = [link('h2', 5), link('h3', 5), link('a', 10, 'edge'), link('b', 10, 'edge')]
    expect(state.advertise(at(100), links)).toBeUndefined()
    expect(state.advertise(at(200), links.slice(1))?.sequence).toBe(2)
    expect(state.advertise(at(300), [link('h3', 50), ...links.slice(2)])).toBeUndefined()
    expect(state.advertise(at(1300), [link('h3', 5.5), ...links.slice(2)])).toBeUndefined()
    expect(state.advertise(at(1300), [link('h3', 50), ...links.slice(2)])?.sequence).toBe(3)
    expect(state.advertise(at(31_300), [link('h3', 50), ...links.slice(2)])?.sequence).toBe(4)
  })

  it('forgets hubs that have said nothing for long', () => {
    const state = triangle()
    state.forgetOld(at(100_001))
    expect(routes(state, 'a', 'b')).toEqual([['h1', 'b']])
  })
})
