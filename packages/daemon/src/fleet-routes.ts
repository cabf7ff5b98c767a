/**
 * `/v1/nodes`, `/v1/sites`: the fleet as this node has heard of it. `/v1/vitals`: where an application on this node tells
 * its own numbers, which then show at every hub within two seconds.
 */
import { Hono } from 'hono'
import type { NodesView } from '@causeway/protocol'
import { bodyOf } from './kv-request.ts'
import { sitesView } from './vitals/fleet-views.ts'

export interface FleetBackend {
  nodes(): NodesView
  /** Names to numbers; throws `usage`. They hold for a minute. */
  tellVitals(values: unknown): void
}

export function fleetRoutes(backend: FleetBackend): Hono {
  const routes = new Hono()
  routes.get('/nodes', (context) => context.json(backend.nodes()))
  routes.get('/sites', (context) => context.json(sitesView(backend.nodes())))
  routes.put('/vitals', async (context) => {
    backend.tellVitals(await bodyOf(context))
    return context.body(null, 204)
  })
  return routes
}
