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
  version: 42,
  wallOffsetMs: WALL,
}

describe('nodes', () => {
  test('each with what its verdict rests on, sorted, this one included', () => {
    const { items, token } = nodesView(SOURCES)
    expect(items.map(({ node, verdict, evidence, since }) => [node, verdict, evidence.join(), since])).toEqual([
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
