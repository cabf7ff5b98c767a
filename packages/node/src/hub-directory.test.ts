import { type Credential, type Instant, type NodeId, type RecordView, instant, nodeId } from '@causeway/protocol'
import type { Whereabouts } from '@causeway/mesh'
import { expect, test } from 'vitest'
import { HubDirectory } from './hub-directory.ts'

interface Said {
  readonly name: string
  readonly region?: string
  readonly lower?: boolean
  readonly writer?: string
  readonly role?: 'hub' | 'edge' | null
  readonly partition?: string
}

/** Whom a node looks for, by what was said of hubs. */
function wanted(self: Pick<Credential, 'name' | 'role' | 'region'>, said: readonly Said[], config: object = { hubs: ['h:1'] }): string[] {
  const names = new Map<NodeId, string>(said.map(({ name }) => [nodeId(name), name]))
  const records = said.map(({ name, writer = name, lower = false, partition = name }) => {
    const value = { addresses: [`${name}:7400`, 'no address'], lower }
    return { key: name, partition, value, labels: {}, revision: '', writer, asOf: 0 } satisfies RecordView
  })
  const credentials = new Map(
    said.map(({ name, writer = name, region = 'eu', role = 'hub' }) => [writer, { name, region, role, site: writer }]),
  )
  const replica = {
    get: () => undefined,
    list: () => records,
    credentialOf: (_collection: string, _partition: string, writer: string) => {
      const credential = credentials.get(writer)
      return credential?.role ? (credential as Credential) : undefined
    },
  }
  let learned: readonly Whereabouts[] = []
  const dialer = { learnHubs: (_at: (hub: NodeId) => Instant, hubs: readonly Whereabouts[]) => void (learned = hubs) }
  new HubDirectory({ self: { ...self, site: self.name }, config: { hubs: [], announce: [], ...config }, dialer, replica }).look(instant(0))
  for (const { node, addresses } of learned) expect(addresses).toEqual([`${names.get(node)}:7400`])
  return learned.map(({ node }) => names.get(node) ?? '?')
}

const EDGE = { name: 'hkg-1-a', role: 'edge', region: 'apac' } as const
const HUB = { name: 'core-1', role: 'hub', region: 'eu' } as const

test('hubs are what the authority has signed to be one, and has said so itself (1)', () => {
  expect(
    wanted(EDGE, [{ name: 'a' }, { name: 'b', writer: 'a', partition: 'a' }, { name: 'c', role: 'edge' }, { name: 'd', role: null }]),
  ).toEqual(['a'])
  expect(wanted(EDGE, [{ name: 'a', partition: 'hkg-1' }])).toEqual([])
  expect(wanted(HUB, [{ name: 'core-1' }, { name: 'a' }])).toEqual(['a'])
})

test('who has no hub in its config looks for none, and one of a lower tier holds those of its config (2, 3)', () => {
  expect(wanted(EDGE, [{ name: 'a' }], {})).toEqual([])
  expect(wanted(HUB, [{ name: 'a' }], { hubs: ['h:1'], parents: ['h:1'] })).toEqual([])
})

test('a region with hubs of a lower tier keeps to them; hubs of the core hold those of the core (3)', () => {
  const said = [{ name: 'core' }, { name: 'near', region: 'apac', lower: true }, { name: 'far', lower: true }]
  expect(wanted(EDGE, said)).toEqual(['near'])
  expect(wanted({ ...EDGE, region: 'us' }, said)).toEqual(['core'])
  expect(wanted(HUB, said)).toEqual(['core'])
})

test('hubs of the own region come first, and not everybody takes the same (4)', () => {
  const said = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name, region: name === 'd' ? 'apac' : 'eu' }))
  const orders = ['hkg-1-a', 'hkg-2-a', 'hkg-3-a', 'hkg-4-a'].map((name) => wanted({ ...EDGE, name }, said))
  for (const order of orders) expect(order[0]).toBe('d')
  expect(new Set(orders.map((order) => order.join())).size).toBeGreaterThan(1)
})
