/** A request for every operation, in an order in which each can be answered; what was answered before fills in the next. */
import * as Y from 'yjs'

type Told = ReadonlyMap<string, unknown>

export interface Step {
  readonly id: string
  /** @default 'hkg-1-a' */
  readonly at?: string
  /** Parts of the path. */
  readonly fill?: Readonly<Record<string, (told: Told) => string>>
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Or what makes it of what was told before. */
  readonly body?: unknown
  /** @default 200 */
  readonly status?: number | readonly number[]
}

const fixed = (text: string) => (): string => text
const told =
  (id: string, field: string) =>
  (all: Told): string =>
    String((all.get(id) as Record<string, unknown>)[field])
const record = { collection: fixed('config'), key: fixed('limits/audio é') }
const GLOBAL = '?partition=global'
const shared = { document: fixed('hkg-1') }
const task = { id: told('submitTask', 'id') }

/** What a Y.Doc with that client id makes when the first letter is typed. */
function firstEdit(clientId: number): string {
  const doc = new Y.Doc()
  doc.clientID = clientId
  doc.getText('text').insert(0, 'x')
  return Buffer.from(Y.encodeStateAsUpdate(doc)).toString('base64')
}

export const STORY: readonly Step[] = [
  { id: 'openapi' },
  { id: 'alive' },
  { id: 'ready' },
  { id: 'metrics' },
  { id: 'status' },
  { id: 'tellVitals', body: { players: 12, fps: 59.9 }, status: 204 },
  { id: 'nodes' },
  { id: 'sites' },
  { id: 'links' },
  { id: 'channels' },
  { id: 'paths', fill: { to: fixed('core-1') } },
  { id: 'why', fill: { from: fixed('hkg-1-a'), to: fixed('core-1') } },
  { id: 'trace', fill: { to: fixed('core-1') } },
  { id: 'ping', fill: { to: fixed('core-1') }, query: '?count=2&intervalMs=0.5&bytes=0', status: 400 },
  { id: 'ping', fill: { to: fixed('core-1') }, query: '?count=2&intervalMs=10&bytes=100' },
  // Its first and last line says that nobody is there.
  { id: 'ping', fill: { to: fixed('nobody') } },
  { id: 'events' },
  { id: 'events', query: '?follow=false' },
  { id: 'drain', at: 'core-1' },
  { id: 'undrain', at: 'core-1' },
  { id: 'createRecord', fill: record, query: `${GLOBAL}&label=kind=limit&ttl=1h`, body: { rate: 1 }, status: 201 },
  { id: 'putRecord', fill: record, query: `${GLOBAL}&durability=hub&mode=update`, headers: { 'if-match': '*' }, body: [null, 'x', 1.5] },
  { id: 'putRecord', fill: record, query: GLOBAL, body: { rate: 2 } },
  { id: 'patchRecord', fill: record, query: `${GLOBAL}&label=kind-`, body: { rate: null, burst: 3 } },
  { id: 'getRecord', fill: record, query: GLOBAL },
  { id: 'getRecord', fill: record, query: `${GLOBAL}&history=true` },
  {
    id: 'changeRecords',
    fill: record,
    query: GLOBAL,
    body: {
      changes: [
        { key: 'a', op: 'put', value: 1, labels: { x: 'y' } },
        { key: 'b', op: 'create', value: null },
      ],
    },
  },
  { id: 'listRecords', fill: record, query: '?selector=x=y&limit=10' },
  { id: 'listRecords', fill: record, query: '?watch=true&partition=global' },
  { id: 'deleteRecord', fill: record, query: GLOBAL },
  { id: 'documents' },
  { id: 'getShared', fill: shared },
  { id: 'writeShared', fill: shared, body: (all: Told) => ({ updates: [firstEdit(Number(told('getShared', 'clientId')(all)))] }) },
  { id: 'writeShared', fill: shared, body: { updates: [firstEdit(7)] }, status: 403 },
  { id: 'getShared', fill: shared, query: '?watch=true' },
  { id: 'openForward', query: '?follow=true', body: { listen: 0, to: 'word@core/core-1', proto: 'udp', class: 'twin', idleSeconds: 1 } },
  { id: 'openForward', body: { listen: '127.0.0.1:0', to: 'word@core' }, status: 201 },
  { id: 'openForward', body: (all: Told) => ({ listen: told('openForward', 'listen')(all), to: 'word@core' }), status: 409 },
  { id: 'listForwards' },
  { id: 'removeForward', fill: { id: told('openForward', 'id') }, status: 204 },
  { id: 'listForwards' },
  { id: 'listServices' },
  { id: 'openChannel', fill: { to: fixed('word@core') }, status: 426 },
  { id: 'servicesAt', fill: { site: fixed('core') } },
  {
    id: 'submitTask',
    body: { spec: { n: 1 }, labels: { kind: 'none' }, policy: 'at-most-one', convergeKey: 'one' },
    status: 201,
  },
  { id: 'getTask', fill: task },
  { id: 'listTasks', query: '?selector=kind=none&limit=5' },
  { id: 'listTasks', query: '?watch=true' },
  { id: 'updateTask', fill: task, body: { labels: { kind: 'other' } } },
  { id: 'whyTask', fill: task },
  { id: 'work', body: { selector: 'kind=nothing', slots: 2, capacity: { gpu: 1 } } },
  { id: 'reportWork', fill: { worker: told('work', 'worker') }, body: { reports: [], holding: [] }, status: 410 },
  { id: 'moveTask', fill: task, body: { to: 'hkg-1' }, status: [200, 403, 409] },
  { id: 'stopTask', fill: task },
  { id: 'undeleteTask', fill: task, status: [200, 403] },
]
