import { describe, expect, test } from 'vitest'
import { type Credential, type Instant, type NodeId, instant, nodeId } from '@causeway/protocol'
import type { Peer } from '@causeway/mesh'
import { StatePeers } from './state-peers.ts'

/** A hub, its links to others, and what it asks for. */
class Bench {
  readonly said: string[] = []
  readonly draining = new Set<NodeId>()
  readonly peers: StatePeers
  now: Instant = instant(0)
  #links: Peer[] = []

  constructor(self: string, isLower: boolean) {
    const nameOf = (id: NodeId): string => this.#links.find((peer) => peer.id === id)?.credential.name ?? ''
    this.peers = new StatePeers({
      ...{ self: nodeId(self), isLower },
      mesh: {
        nameOf,
        isDraining: (id) => this.draining.has(id),
        liveLinks: () => this.#links.map((peer) => ({ peer })) as never,
      },
      want: (_, peer, relation) => this.said.push(`${relation} ${nameOf(peer)}`),
      end: (_, peer) => this.said.push(`end ${nameOf(peer)}`),
      report: (event, { hub = '' }) => this.said.push(`${event} ${hub}`),
    })
  }

  up(name: string, hasParents: boolean): this {
    const peer = { id: nodeId(name), incarnation: 1, hasParents, credential: { name, role: 'hub' } as Credential }
    this.#links.push(peer)
    this.peers.linkUp(this.now, peer)
    return this.at(this.now)
  }

  down(name: string): this {
    this.#links = this.#links.filter(({ id }) => id !== nodeId(name))
    this.peers.linkDown(this.now, nodeId(name))
    return this.at(this.now)
  }

  at(ms: number): this {
    this.now = instant(ms)
    this.peers.decide(this.now)
    return this
  }
}

describe('whom a hub exchanges state with', () => {
  test('in the core: every other of the core, by the lower id, and nobody below', () => {
    const others = ['core-2', 'core-3', 'core-4', 'core-5', 'core-6']
    const bench = new Bench('core-1', false)
    for (const name of others) bench.up(name, false)
    expect(bench.said).toEqual(others.filter((name) => nodeId('core-1') < nodeId(name)).map((name) => `mesh ${name}`))
    bench.said.length = 0
    for (const name of others) bench.up(name, true)
    expect(bench.said).toEqual(others.map((name) => `end ${name}`))
    expect(bench.peers.cutOff).toBe(false)
    expect(bench.peers.nextWake()).toBeUndefined()
  })

  test('of a lower tier: one of the core, kept while it is there, and no other of the lower tier', () => {
    const bench = new Bench('apac-1', true)
    expect(bench.peers.cutOff).toBe(true)
    bench.up('apac-2', true).at(1_000)
    expect(bench.said).toEqual([])
    expect(bench.peers.cutOff).toBe(true)
    bench.up('core-1', false).up('core-2', false)
    expect(bench.peers.nextWake()).toBe(1_300)
    bench.at(1_300)
    expect(bench.said).toEqual(['home-chosen core-1', 'up core-1'])
    bench.down('core-1').at(2_000)
    expect(bench.said).toHaveLength(2)
    bench.at(2_300)
    expect(bench.said.slice(2)).toEqual(['end ', 'home-chosen core-2', 'up core-2'])
    bench.down('core-2').at(9_000)
    expect(bench.peers.cutOff).toBe(true)
    expect(bench.said).toHaveLength(5)
  })

  test('of a lower tier: not one that drains, while there is another', () => {
    const bench = new Bench('apac-1', true).up('core-1', false).up('core-2', false).at(300)
    bench.draining.add(nodeId('core-1'))
    bench.at(301)
    expect(bench.said.slice(2)).toEqual(['end core-1', 'home-chosen core-2', 'up core-2'])
  })
})
