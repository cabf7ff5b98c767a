/** The routes of shared documents: as it is, as it becomes, and what a program makes of it. Yjs updates travel as base64. */
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import { CausewayError } from '@causeway/protocol'
import { parseBody } from './api/request-body.ts'
import type { SharedBackend } from './api-backend.ts'
import { NdjsonStream } from './ndjson-stream.ts'

/** As many as may gather in a program while it waits for an answer. */
const UPDATES_MAX = 1_000

/** The body of a write. */
export const updatesSchema: z.ZodType<{ readonly updates: readonly string[] }> = z.strictObject({
  updates: z.array(z.base64()).min(1).max(UPDATES_MAX),
})

export function sharedRoutes(shared: SharedBackend): Hono {
  const routes = new Hono()
  routes.get('/:document{.+}', (context) => {
    const name = context.req.param('document')
    return context.req.query('watch') === 'true' ? follow(shared, name) : context.json(shared.view(name))
  })
  routes.post('/:document{.+}', (context) => write(shared, context, context.req.param('document')))
  return routes
}

function follow(shared: SharedBackend, name: string): Response {
  const stream = new NdjsonStream(() => close())
  const { initial, close } = shared.follow(name, (news) => stream.write(news))
  stream.begin([initial])
  return stream.response()
}

async function write(shared: SharedBackend, context: Context, name: string): Promise<Response> {
  const { success, data, error } = updatesSchema.safeParse(parseBody(await context.req.arrayBuffer()))
  if (!success)
    throw new CausewayError('usage', `the updates are not understood: ${z.prettifyError(error)}`, 'send {"updates": [base64, …]}')
  const updates = data.updates.map((update) => Buffer.from(update, 'base64'))
  return context.json(await shared.write(name, updates))
}
