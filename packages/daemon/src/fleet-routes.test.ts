import { Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import type { NodesView, SitesView } from '@causeway/protocol'
import { fleetRoutes } from './fleet-routes.ts'
import { problemResponse } from './problem.ts'
import { VitalsFeed } from './vitals/vitals-feed.ts'

const NODES: NodesView = {
  items: [
    {
      ...{ node: 'hkg-1-a', site: 'hkg-1', region: 'apac', role: 'edge', verdict: 'alive', since: 5, evidence: ['vitals'] },
      ...{ vitals: { cpu: 12.5 }, vitalsAgeMs: 300 },
    },
  ],
  token: '7.1',
}

function routes(): { ask: (path: string, init?: RequestInit) => Promise<Response>; told: unknown[] } {
  const told: unknown[] = []
  const feed = new VitalsFeed({ dataDir: '.', system: false, onVitals: (values) => told.push(values) })
  const app = new Hono()
  app.onError((error) => problemResponse(error))
  app.route('/v1', fleetRoutes({ nodes: () => NODES, tellVitals: (values) => feed.tell(0, values) }))
  return { ask: async (path, init) => app.request(path, init), told }
}

describe('the fleet over HTTP', () => {
  test('nodes and sites are lists with a token', async () => {
    const { ask } = routes()
    expect((await (await ask('/v1/nodes')).json()) as NodesView).toEqual(NODES)
    const sites = (await (await ask('/v1/sites')).json()) as SitesView
    expect(sites).toMatchObject({ token: '7.1', items: [{ site: 'hkg-1', vitals: { cpu: { mean: 12.5, max: 12.5, sum: 12.5 } } }] })
  })

  test('an application tells its vitals', async () => {
    const { ask, told } = routes()
    const response = await ask('/v1/vitals', { method: 'PUT', body: '{"players": 12, "fps": 59.9}' })
    expect([response.status, await response.text()]).toEqual([204, ''])
    expect(told).toEqual([{ players: 12, fps: 59.9 }])
  })

  test.each(['', 'players=12', '[1]', '{"a b": 1}', '{"a": null}', '{"a": "1"}', '{"a": 1e99}'])(
    '%j is refused, and says why',
    async (body) => {
      const { ask, told } = routes()
      const response = await ask('/v1/vitals', { method: 'PUT', body })
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ code: 'usage', remedy: expect.stringMatching(/players|JSON/) as unknown })
      expect(told).toEqual([])
    },
  )
})
