import { describe, expect, test } from 'vitest'
import { instant } from '@causeway/protocol'
import type { VitalView } from '@causeway/state'
import { type FleetSources, nodesView, sitesView } from './fleet-views.ts'

const WALL = 1_790_000_000_000

function heard(name: string, site: string, values: Record<string, number>, fresh = true): VitalView {
  const identity = { name, site, region: 'apac', role: 'edge' as const }
  return { identity, values, ageMs: fresh ? 900.4 : 61_000, fresh, since: instant(fresh ? 5_000.4 : 9_000) }
}

const SOURCES: FleetSources = {
  status: { node: 'core-1', site: 'core', region: 'eu', role: 'hub', uptimeSeconds: 9 },
  links: [
    { to: 'hkg-1-b', state: 'degraded', since: WALL + 77 },
    { to: 'nrt-1-a', state: 'down', since: WALL + 88 },
  ],
  vitals: [
    heard('nrt-1-a', 'nrt-1', { cpu: 30 }, false),
    heard('hkg-1-b', 'hkg-1', { cpu: 10 }, false),
    heard('hkg-1-a', 'hkg-1', { cpu: 50, netIn: 0.1 }),
  ],
  verdicts: [],
  isRevoked: () => false,
  version: 42,
  wallOffsetMs: WALL,
}

describe('nodes', () => {
  test('each with what its verdict rests on, sorted, this one included', () => {
    const { items, token } = nodesView(SOURCES)
    expect(
      items.map(({ node, verdict, evidence, since }) => [node, verdict, evidence.filter((each) => typeof each === 'string').join(), since]),
    ).toEqual([
      ['core-1', 'alive', 'self', null],
      ['hkg-1-a', 'alive', 'vitals', WALL + 5_000],
      ['hkg-1-b', 'alive', 'link', WALL + 77],
      ['nrt-1-a', 'unknown', '', WALL + 9_000],
    ])
    expect(items[1]).toMatchObject({ site: 'hkg-1', region: 'apac', role: 'edge', vitals: { cpu: 50, netIn: 0.1 }, vitalsAgeMs: 900 })
    expect(items[0]?.vitals).toBeNull()
    expect(items[3]?.vitals).toEqual({ cpu: 30 })
    expect(token).not.toBe(nodesView({ ...SOURCES, version: 43 }).token)
  })

  test('what is concluded of a node goes before what shows here, and says by whom', () => {
    const evidence = [{ by: 'hkg-1-b', saw: 'lost it', at: WALL }]
    const of = { site: 'hkg-1', region: 'apac', since: WALL + 5, evidence }
    const verdicts = [
      { ...of, node: 'hkg-1-a', verdict: 'crashed' as const, gatewayTerm: null },
      { ...of, node: 'hkg-1-b', verdict: 'alive' as const, since: null, gatewayTerm: 2 },
      { ...of, node: 'hkg-1-c', verdict: 'cut-off' as const, gatewayTerm: 7 },
    ]
    const view = nodesView({ ...SOURCES, verdicts })
    expect(view.items[1]).toMatchObject({ node: 'hkg-1-a', verdict: 'crashed', since: WALL + 5, evidence: ['vitals', ...evidence] })
    expect(view.items[2]).toMatchObject({ node: 'hkg-1-b', verdict: 'alive', since: WALL + 77, gatewayTerm: 2 })
    expect(view.items[3]).toMatchObject({ node: 'hkg-1-c', site: 'hkg-1', role: 'edge', verdict: 'cut-off', vitals: null })
    expect(view.token).not.toBe(nodesView(SOURCES).token)
    const [, site] = sitesView(view).items
    expect(site).toMatchObject({ verdict: 'alive', nodes: { total: 3, alive: 1 }, gateways: ['hkg-1-c', 'hkg-1-b'] })
    expect(sitesView({ ...view, items: view.items.slice(1, 2) }).items[0]?.verdict).toBe('unknown')
    expect(sitesView({ ...view, items: view.items.slice(3, 4) }).items[0]?.verdict).toBe('cut-off')
  })
})

describe('sites', () => {
  test('sum up those of their nodes that are alive', () => {
    const { items } = sitesView(nodesView(SOURCES))
    expect(items).toEqual([
      { site: 'core', region: 'eu', verdict: 'alive', since: null, nodes: { total: 1, alive: 1 }, vitals: null },
      {
        ...{ site: 'hkg-1', region: 'apac', verdict: 'alive', since: WALL + 77, nodes: { total: 2, alive: 2 } },
        vitals: { cpu: { mean: 30, max: 50, sum: 60 }, netIn: { mean: 0.1, max: 0.1, sum: 0.1 } },
      },
      { site: 'nrt-1', region: 'apac', verdict: 'unknown', since: WALL + 9_000, nodes: { total: 1, alive: 0 }, vitals: null },
    ])
  })
})
