/**
 * Forwards and services over HTTP.
 *
 *     GET    /forwards           those of the config, and those that were asked for
 *     POST   /forwards           {"listen", "to", "proto", "class", "idleSeconds"}: stays until it is removed, or the node stops
 *     POST   /forwards?follow=true    the same, and NDJSON: the forward, then its failures; it is removed when the reader hangs up
 *     DELETE /forwards/ID
 *     GET    /services           what this node offers
 *     GET    /services/SITE      what the nodes of a site offer
 */
import { Hono } from 'hono'
import { CausewayError, type EventView } from '@causeway/protocol'
import { bodyOf, flagOf, param } from '../kv-request.ts'
import { NdjsonStream } from '../ndjson-stream.ts'
import type { ForwardingBackend } from './forwarding.ts'
import { type ForwardSetting, forwardSchema } from './settings.ts'

const REMEDY = 'send {"listen": "7001", "to": "SERVICE@SITE", "proto": "tcp|udp", "class": "latest|twin", "idleSeconds": 60}'

export function forwardRoutes(backend: ForwardingBackend, onEvent: (listener: (event: EventView) => void) => () => void): Hono {
  const routes = new Hono()
  routes.get('/forwards', (context) => context.json({ items: backend.forwards() }))
  routes.post('/forwards', async (context) => {
    const setting = settingOf(await bodyOf(context))
    return flagOf(context, 'follow') ? follow(backend, setting, onEvent) : context.json(await backend.open(setting), 201)
  })
  routes.delete('/forwards/:id', (context) => {
    backend.remove(param(context, 'id'))
    return context.body(null, 204)
  })
  routes.get('/services', (context) => context.json({ items: backend.services() }))
  routes.get('/services/:site', async (context) => context.json({ items: await backend.offersAt(param(context, 'site')) }))
  return routes
}

async function follow(
  backend: ForwardingBackend,
  setting: ForwardSetting,
  onEvent: (listener: (event: EventView) => void) => () => void,
): Promise<Response> {
  const forward = await backend.open(setting)
  const off = onEvent((event) => {
    if (event.data['forward'] === forward.id) stream.write(event)
  })
  const stream = new NdjsonStream(() => {
    off()
    if (backend.forwards().some(({ id, origin }) => id === forward.id && origin === 'request')) backend.remove(forward.id)
  })
  stream.begin([forward])
  return stream.response()
}

function settingOf(body: unknown): ForwardSetting {
  const { success, data, error } = forwardSchema.safeParse(body)
  if (success) return data
  const [issue] = error.issues
  throw new CausewayError(
    'usage',
    `the forward is not understood: ${issue?.path.join('.') || 'body'}: ${issue?.message ?? 'invalid'}`,
    REMEDY,
  )
}
