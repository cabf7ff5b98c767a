import { type NodeId, type PlanMessage, type PlannedPath, nodeId } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { PlanRequests } from './plan-requests.ts'

const id = (name: string): NodeId => nodeId(name)

/** A node `g` that sends to nobody but what is in `wanted`, and what it says and uses. */
class Asking {
  readonly wanted = new Set<NodeId>()
  readonly costs = new Map<NodeId, number>()
  readonly said: string[] = []
  readonly used = new Map<NodeId, readonly PlannedPath[]>()
  readonly passed: { to: NodeId; plan: PlanMessage }[] = []
  readonly requests = new PlanRequests(
    { id: id('g'), name: 'g' },
    {
      wanted: () => this.wanted,
      send: (peer, message) => {
        if (message.type === 'plan') this.passed.push({ to: peer, plan: message })
        else this.said.push(`${message.type} ${message.to === id('b') ? 'b' : 'c'} to ${peer === id('h1') ? 'h1' : 'h2'}`)
      },
      use: (to, paths) => this.used.set(to, paths),
      linkCost: (neighbour) => this.costs.get(neighbour),
    },
  )

  answer(server: string, ...routes: string[][]): void {
    const paths = routes.map((route) => ({ route: route.map(id), costMs: 10, impaired: false }))
    this.requests.answered(id(server), { type: 'plan', to: id('b'), paths, names: [{ id: id('b'), name: 'b' }] })
  }

  routes(): string[] {
    return (this.used.get(id('b')) ?? []).map(({ route }) =>
      route.map((hop) => ['h1', 'h2', 'b'].find((name) => id(name) === hop)).join('>'),
    )
  }
}

describe('PlanRequests', () => {
  it('asks its server for what is wanted, and a new one for all of it', () => {
    const node = new Asking()
    node.requests.want(id('b'))
    node.wanted.add(id('b'))
    expect(node.said).toEqual([])
    node.requests.ask([id('h1')])
    node.requests.ask([id('h2')])
    expect(node.said).toEqual(['planRequest b to h1', 'planRequest b to h2', 'planCancel b to h1'])
  })

  it('keeps a plan until there is another, whoever falls silent or knows nothing (invariant 2)', () => {
    const node = new Asking()
    node.wanted.add(id('b'))
    node.requests.ask([id('h1')])
    node.answer('h1', ['h1', 'b'])
    node.requests.ask([])
    node.requests.ask([id('h2')])
    node.answer('h2')
    expect(node.routes()).toEqual(['h1>b'])
    node.answer('h2', ['h2', 'b'])
    expect(node.routes()).toEqual(['h2>b'])
  })

  it('puts the answers of two gateways together (invariant 1), and takes none that it did not ask for', () => {
    const node = new Asking()
    node.wanted.add(id('b'))
    node.requests.ask([id('h1'), id('h2')])
    node.answer('h1', ['h1', 'b'])
    node.answer('h2', ['h2', 'b'])
    node.answer('stranger', ['stranger', 'b'])
    expect(node.routes()).toEqual(['h1>b', 'h2>b'])
    node.wanted.clear()
    node.answer('h1', ['h1', 'h2', 'b'])
    expect(node.routes()).toEqual(['h1>b', 'h2>b'])
  })

  it('passes plans on to the nodes of the site, with itself at the head, and never back through the asker', () => {
    const node = new Asking()
    node.costs.set(id('m'), 0.5)
    node.requests.ask([id('h1')])
    expect(node.requests.serve(id('m'), id('b'))).toBe(true)
    expect(node.said).toEqual(['planRequest b to h1'])
    node.answer('h1', ['h1', 'b'], ['h2', 'm', 'b'])
    expect(node.used.get(id('b'))).toHaveLength(2)
    expect(node.passed).toMatchObject([
      { to: id('m'), plan: { to: id('b'), paths: [{ route: [id('g'), id('h1'), id('b')], costMs: 10.5 }] } },
    ])
    node.requests.forget(id('m'))
    expect(node.said.at(-1)).toBe('planCancel b to h1')
  })

  it('offers its own link to the destination first', () => {
    const node = new Asking()
    node.costs.set(id('b'), 2)
    node.requests.serve(id('m'), id('b'))
    expect(node.passed[0]?.plan.paths.map(({ route }) => route)).toEqual([[id('g'), id('b')]])
  })

  it('refuses who asks for too much (invariant 3)', () => {
    const node = new Asking()
    const asked = Array.from({ length: 5_000 }, (_, index) => node.requests.serve(id('m'), nodeId(`n${index}`)))
    expect(asked.filter(Boolean)).toHaveLength(4_096)
    expect(node.requests.serve(id('m'), nodeId('n1'))).toBe(true)
    expect(node.requests.serve(id('other'), nodeId('n1'))).toBe(true)
  })
})
