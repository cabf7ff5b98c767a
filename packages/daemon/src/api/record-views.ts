/** Records, tasks and forwards as the local API answers them: schemas for the document, like those of `views.ts`. */
import { z } from 'zod'
import type {
  BatchResult,
  ForwardView,
  HistoryView,
  OfferView,
  RecordListView,
  RecordView,
  ServiceView,
  SharedNews,
  SharedView,
  SharedWritten,
  SubmittedTask,
  TaskPageView,
  TaskView,
  TaskWatchEvent,
  TaskWhyView,
  WatchEvent,
  WorkAnswer,
  WorkLine,
  WriteResult,
} from '@causeway/protocol'
import { TASK_PHASES, type TaskPhase } from '@causeway/protocol'
import { figure, instantMs, named, names, whole } from './views.ts'

const labels = z.record(z.string(), z.string())
const change = z.enum(['ADDED', 'MODIFIED', 'DELETED'])
const revision = z.string().meta({ description: 'opaque, for equality only' })

export const record: z.ZodType<RecordView> = named(
  'Record',
  z.object({
    key: z.string(),
    partition: z.string(),
    value: z.unknown(),
    labels,
    revision,
    writer: z.string(),
    asOf: instantMs,
    expiresAt: instantMs.exactOptional(),
  }),
)

export const recordList: z.ZodType<RecordListView> = named(
  'RecordList',
  z.object({
    items: z.array(record),
    token: z.string().meta({ description: 'names the state that is shown: since= of a watch' }),
    continue: z.string().exactOptional().meta({ description: 'there are more: continue= of the next page' }),
    complete: z.boolean(),
    asOf: instantMs.nullable(),
    cutOff: z.boolean(),
  }),
)

export const watchEvent: z.ZodType<WatchEvent> = named(
  'WatchEvent',
  z.union([
    z.object({ type: change, record }),
    z.object({ type: z.literal('BOOKMARK'), token: z.string(), complete: z.boolean() }),
    z.object({ type: z.literal('UNSYNCED'), partition: z.string() }),
  ]),
)

export const history: z.ZodType<HistoryView> = named(
  'History',
  z.object({
    key: z.string(),
    partition: z.string(),
    items: z.array(z.object({ type: change, record, at: instantMs })),
    since: instantMs,
  }),
)

export const written: z.ZodType<WriteResult> = named(
  'Written',
  z.object({ key: z.string(), partition: z.string(), revision, token: z.string() }),
)

export const changed: z.ZodType<BatchResult> = named(
  'Changed',
  z.object({ partition: z.string(), items: z.array(z.object({ key: z.string(), revision })), token: z.string() }),
)

const traffic = { open: whole, opened: whole, refused: whole, failed: whole, dropped: whole, bytesIn: whole, bytesOut: whole }

export const forward: z.ZodType<ForwardView> = named(
  'Forward',
  z.object({
    id: z.string(),
    listen: z.string(),
    to: z.string().nullable(),
    protocol: z.enum(['tcp', 'udp', 'socks']),
    class: z.enum(['ordered', 'latest', 'twin']),
    idleSeconds: figure,
    origin: z.enum(['config', 'request']),
    lastFailure: z.object({ at: instantMs, reason: z.string() }).nullable(),
    ...traffic,
  }),
)

export const service: z.ZodType<ServiceView> = named(
  'Service',
  z.object({
    service: z.string(),
    protocol: z.enum(['tcp', 'udp']),
    address: z.string(),
    allow: names.nullable(),
    bytesPerSecondMax: figure,
    proxyProtocol: z.boolean(),
    ...traffic,
  }),
)

export const offer: z.ZodType<OfferView> = named(
  'Offer',
  z.object({ service: z.string(), protocol: z.enum(['tcp', 'udp']), site: z.string(), node: z.string() }),
)

const taskShape = {
  id: z.string(),
  site: z.string(),
  phase: z.enum(TASK_PHASES as [TaskPhase, ...TaskPhase[]]),
  reason: z.string(),
  node: z.string().nullable(),
  token: whole.meta({ description: 'fencing token: grows with every grant' }),
  policy: z.enum(['at-most-one', 'sticky', 'at-least-one']),
  convergeKey: z.string().nullable(),
  spec: z.unknown(),
  labels,
  generation: whole,
  observedGeneration: whole.nullable(),
  running: z.boolean(),
  progress: figure,
  status: z.unknown(),
  conditions: z.array(z.object({ type: z.string(), status: z.boolean(), reason: z.string(), at: instantMs })),
  createdAt: instantMs,
  updatedAt: instantMs,
}
export const task: z.ZodType<TaskView> = named('Task', z.object(taskShape))
export const submitted: z.ZodType<SubmittedTask> = named('SubmittedTask', z.object({ ...taskShape, created: z.boolean() }))

export const taskPage: z.ZodType<TaskPageView> = named(
  'TaskPage',
  z.object({ items: z.array(task), token: z.string(), continue: z.string().exactOptional(), complete: z.boolean(), cutOff: z.boolean() }),
)

export const taskEvent: z.ZodType<TaskWatchEvent> = named(
  'TaskWatchEvent',
  z.union([z.object({ type: change, task }), z.object({ type: z.literal('BOOKMARK'), complete: z.boolean(), token: z.string() })]),
)

export const taskWhy: z.ZodType<TaskWhyView> = named(
  'TaskWhy',
  z.object({
    task,
    candidates: z.array(
      z.object({
        node: z.string(),
        site: z.string(),
        costMs: figure,
        load: figure,
        chosen: z.boolean(),
        rejected: z.string(),
      }),
    ),
  }),
)

export const workLine: z.ZodType<WorkLine> = named(
  'WorkLine',
  z.union([
    z.object({ type: z.literal('ready'), worker: z.string() }),
    z.object({ type: z.enum(['given', 'changed']), task }),
    z.object({ type: z.literal('taken'), id: z.string(), token: whole, reason: z.string() }),
  ]),
)

export const workAnswer: z.ZodType<WorkAnswer> = named(
  'WorkAnswer',
  z.object({ held: z.array(z.object({ id: z.string(), token: whole, forMs: figure, reason: z.string() })) }),
)

const clientId = z.int().meta({ description: 'for one Y.Doc, from before its first edit until it is thrown away' })
const update = z.base64().meta({ description: 'a Yjs update' })

export const shared: z.ZodType<SharedView> = named('Shared', z.object({ clientId, update }))

export const sharedNews: z.ZodType<SharedNews> = named(
  'SharedNews',
  z.union([z.object({ type: z.literal('STATE'), clientId, update }), z.object({ type: z.literal('UPDATE'), update })]),
)

export const sharedWritten: z.ZodType<SharedWritten> = named('SharedWritten', z.object({ token: z.string() }))
