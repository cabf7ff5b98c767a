/**
 * All operations of the local API, as far as requests are concerned. What each does and answers is told in
 * `descriptions.ts`, which is loaded for the document only: a node at rest should not pay for it.
 */
import { z } from 'zod'
import { NAME_PATTERN, TASK_ID_PATTERN, TASK_PHASES } from '@causeway/protocol'
import { isPartition } from '@causeway/state'
import { forwardSchema } from '../forwarding/settings.ts'
import { batchSchema, fieldsSchema } from '../kv-request.ts'
import { updatesSchema } from '../shared-routes.ts'
import { taskBodies } from '../tasks/task-request.ts'
import { type Operation, count, flag, numberFrom, words } from './operation.ts'

const name = z.string().regex(NAME_PATTERN, { error: 'expected lower-case letters, digits, dots and hyphens' })
const id = z.string().regex(TASK_ID_PATTERN, { error: 'expected 1 to 63 letters, digits, dots, dashes or underscores' })
const text = z.string().min(1)
const json = z.unknown()
const vitals = z.record(z.string(), z.number())

const partition = z.string().refine(isPartition, { error: 'expected one to four names joined by slashes' }).optional()
const write = {
  partition,
  durability: z.enum(['local', 'site', 'hub'], { error: 'expected local, site or hub' }).optional(),
  strict: flag,
}
const label = { label: z.array(z.string()).optional() }
const put = { ...write, ...label, ttl: words }
const dryRun = { dryRun: flag }
const record = { collection: name, key: text }
const taskFilter = {
  selector: words,
  site: name.optional(),
  phase: z.enum(TASK_PHASES as [string, ...string[]], { error: `expected one of ${TASK_PHASES.join(', ')}` }).optional(),
}

export type OperationId =
  | 'openapi'
  | 'alive'
  | 'ready'
  | 'metrics'
  | 'status'
  | 'nodes'
  | 'sites'
  | 'tellVitals'
  | 'links'
  | 'channels'
  | 'documents'
  | 'paths'
  | 'why'
  | 'trace'
  | 'events'
  | 'drain'
  | 'undrain'
  | 'ping'
  | 'listRecords'
  | 'getRecord'
  | 'putRecord'
  | 'createRecord'
  | 'patchRecord'
  | 'deleteRecord'
  | 'changeRecords'
  | 'getShared'
  | 'writeShared'
  | 'listForwards'
  | 'openForward'
  | 'removeForward'
  | 'listServices'
  | 'servicesAt'
  | 'openChannel'
  | 'submitTask'
  | 'listTasks'
  | 'getTask'
  | 'updateTask'
  | 'stopTask'
  | 'undeleteTask'
  | 'moveTask'
  | 'whyTask'
  | 'work'
  | 'reportWork'

export const OPERATIONS: Readonly<Record<OperationId, Operation>> = {
  openapi: { method: 'get', path: '/openapi.json' },
  alive: { method: 'get', path: '/healthz' },
  ready: { method: 'get', path: '/readyz' },
  metrics: { method: 'get', path: '/metrics' },

  status: { method: 'get', path: '/v1/status' },
  nodes: { method: 'get', path: '/v1/nodes' },
  sites: { method: 'get', path: '/v1/sites' },
  tellVitals: { method: 'put', path: '/v1/vitals', body: vitals },
  links: { method: 'get', path: '/v1/links' },
  channels: { method: 'get', path: '/v1/channels' },
  documents: { method: 'get', path: '/v1/docs' },
  paths: { method: 'get', path: '/v1/paths/{to}', parameters: { to: name } },
  why: { method: 'get', path: '/v1/why/{from}/{to}', parameters: { from: name, to: name } },
  trace: { method: 'get', path: '/v1/trace/{to}', parameters: { to: name } },
  events: { method: 'get', path: '/v1/events', query: { follow: flag } },
  drain: { method: 'post', path: '/v1/drain' },
  undrain: { method: 'delete', path: '/v1/drain' },
  ping: {
    method: 'post',
    path: '/v1/ping/{to}',
    parameters: { to: name },
    query: { count: numberFrom(1, 1_000_000), intervalMs: numberFrom(1, 3_600_000, 'real'), bytes: numberFrom(0, 16 * 1024) },
  },

  listRecords: {
    method: 'get',
    path: '/v1/kv/{collection}',
    parameters: { collection: name },
    query: { partition, selector: words, limit: count, continue: words, 'at-least': words, watch: flag, since: words },
  },
  getRecord: {
    method: 'get',
    path: '/v1/kv/{collection}/{key}',
    parameters: record,
    query: { partition, 'at-least': words, history: flag },
  },
  putRecord: {
    method: 'put',
    path: '/v1/kv/{collection}/{key}',
    parameters: record,
    query: { ...put, revision: words, mode: z.enum(['create', 'update'], { error: 'expected create or update' }).optional() },
    body: json,
  },
  createRecord: { method: 'post', path: '/v1/kv/{collection}/{key}', parameters: record, query: put, body: json },
  patchRecord: {
    method: 'patch',
    path: '/v1/kv/{collection}/{key}',
    parameters: record,
    query: { ...write, ...label, revision: words },
    body: fieldsSchema,
  },
  deleteRecord: { method: 'delete', path: '/v1/kv/{collection}/{key}', parameters: record, query: { ...write, revision: words } },
  changeRecords: { method: 'post', path: '/v1/kv/{collection}:batch', parameters: { collection: text }, query: write, body: batchSchema },

  getShared: { method: 'get', path: '/v1/shared/{document}', parameters: { document: text }, query: { watch: flag } },
  writeShared: { method: 'post', path: '/v1/shared/{document}', parameters: { document: text }, body: updatesSchema },

  listForwards: { method: 'get', path: '/v1/forwards' },
  openForward: { method: 'post', path: '/v1/forwards', query: { follow: flag }, body: forwardSchema },
  removeForward: { method: 'delete', path: '/v1/forwards/{id}', parameters: { id: text } },
  listServices: { method: 'get', path: '/v1/services' },
  servicesAt: { method: 'get', path: '/v1/services/{site}', parameters: { site: name } },

  openChannel: {
    method: 'get',
    path: '/v1/open/{to}',
    parameters: { to: text },
    query: { proto: z.enum(['tcp', 'udp']).optional(), class: z.enum(['latest', 'twin']).optional() },
  },

  submitTask: { method: 'post', path: '/v1/tasks', query: dryRun, body: taskBodies.submission },
  listTasks: {
    method: 'get',
    path: '/v1/tasks',
    query: { ...taskFilter, limit: count, continue: words, watch: flag, since: words },
  },
  getTask: { method: 'get', path: '/v1/tasks/{id}', parameters: { id }, query: { site: name.optional() } },
  updateTask: { method: 'patch', path: '/v1/tasks/{id}', parameters: { id }, query: dryRun, body: taskBodies.update },
  stopTask: { method: 'delete', path: '/v1/tasks/{id}', parameters: { id }, query: dryRun },
  undeleteTask: { method: 'post', path: '/v1/tasks/{id}/undelete', parameters: { id }, query: dryRun },
  moveTask: { method: 'post', path: '/v1/tasks/{id}/move', parameters: { id }, query: dryRun, body: taskBodies.move, bodyOptional: true },
  whyTask: { method: 'get', path: '/v1/tasks/{id}/why', parameters: { id } },
  work: { method: 'post', path: '/v1/work', body: taskBodies.offer },
  reportWork: { method: 'post', path: '/v1/work/{worker}/reports', parameters: { worker: text }, body: taskBodies.reports },
}
