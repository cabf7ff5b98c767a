/**
 * What each operation does and answers, for the document. That all of them are here, and no other, the compiler sees to; that
 * the answers are as told, a test that walks them on a running node.
 */
import { z } from 'zod'
import type { OperationId } from './operations.ts'
import * as records from './record-views.ts'
import * as views from './views.ts'

export interface Description {
  readonly tag: string
  readonly summary: string
  readonly description?: string
  /** Of the request, beside query and body: name → meaning. */
  readonly headers?: Readonly<Record<string, string>>
  /** Status → what is answered; `null`: nothing. */
  readonly answers: Readonly<Record<number, z.ZodType | null>>
  /** One JSON document per line, for as long as the reader stays; beside `answers` where both are there. */
  readonly lines?: z.ZodType
  /** Of an answer that is no JSON. */
  readonly mediaType?: string
}

const items = (schema: z.ZodType): z.ZodType => z.object({ items: z.array(schema) })
const orWhy = (schema: z.ZodType): z.ZodType => z.union([schema, records.taskWhy])
const CONDITIONS = {
  'If-Match': 'a revision, or *: only if the record is that, or is there',
  'If-None-Match': '*: only if there is no record',
}
const DRY_RUN = 'With dryRun=true nothing is done, and the answer tells what would be, and why.'
const CHANNEL = `On the Unix socket only. After 101 both sides send frames: a byte of kind (0 data, 1 finish, 2 reset with the reason), three of length, \
big-endian, at most 64 KiB, and the bytes. Of a UDP service each data frame is a datagram.`
const ONLY_IF = { 'If-Match': 'a revision: only if the record is that' }

export const DESCRIPTIONS: Readonly<Record<OperationId, Description>> = {
  openapi: { tag: 'node', summary: 'This document', answers: { 200: z.looseObject({ openapi: z.string() }) } },
  alive: { tag: 'node', summary: 'Whether the process answers', answers: { 200: z.object({ alive: z.boolean() }) } },
  ready: {
    tag: 'node',
    summary: 'Whether the node serves: it has an uplink, or its site goes on by itself',
    answers: { 200: z.object({ ready: z.boolean(), autonomous: z.boolean(), uplinks: views.whole }) },
  },
  metrics: { tag: 'node', summary: 'All metrics, as Prometheus reads them', answers: { 200: z.string() }, mediaType: 'text/plain' },
  status: { tag: 'node', summary: 'This node at a glance', answers: { 200: views.status } },
  nodes: { tag: 'fleet', summary: 'The nodes of which this one has heard, with their vitals', answers: { 200: views.nodes } },
  sites: { tag: 'fleet', summary: 'The same by site', answers: { 200: views.sites } },
  tellVitals: {
    tag: 'fleet',
    summary: 'Tells numbers of an application',
    description: 'They show at every hub beside those of the node, and hold for a minute: repeat them. At most 32 names.',
    answers: { 204: null },
  },
  links: { tag: 'network', summary: 'The links of this node, as measured', answers: { 200: views.links } },
  channels: { tag: 'network', summary: 'The end-to-end connections of this node', answers: { 200: views.channels } },
  documents: { tag: 'records', summary: 'The documents that this node holds, and how far', answers: { 200: views.documents } },
  paths: {
    tag: 'network',
    summary: 'The ways to another node, best first',
    description:
      'Asked for the first time, the node has no plan yet: it would try any hub. Such a way has no cost, and is no sign that the node exists',
    answers: { 200: views.paths },
  },
  why: { tag: 'network', summary: 'Which ways lead from one node to another, and why one is taken or not', answers: { 200: views.why } },
  trace: { tag: 'network', summary: 'Delay and loss of each hop of the path in use', answers: { 200: views.trace } },
  events: {
    tag: 'node',
    summary: 'State changes with their reasons: the last ones, then as they happen; with follow=false only the last ones',
    answers: {},
    lines: views.event,
  },
  drain: { tag: 'network', summary: 'Moves everybody off this hub', answers: { 200: views.status } },
  undrain: { tag: 'network', summary: 'Takes everybody back', answers: { 200: views.status } },
  ping: { tag: 'network', summary: 'Messages to another node and back, an answer each', answers: {}, lines: views.pingReply },

  listRecords: {
    tag: 'records',
    summary: 'The records of a collection, by partition and key; or with watch=true what is there, a bookmark, then every change',
    description:
      'A list takes selector, partition, limit, continue and at-least; a watch selector, partition and since, the token of a list, a write or a bookmark: 410 means list again.',
    answers: { 200: records.recordList },
    lines: records.watchEvent,
  },
  getRecord: {
    tag: 'records',
    summary: 'One record; with history=true what has lately become of it',
    answers: { 200: z.union([records.record, records.history]) },
  },
  putRecord: { tag: 'records', summary: 'Creates or replaces a record', headers: CONDITIONS, answers: { 200: records.written } },
  createRecord: { tag: 'records', summary: 'Creates a record; 409 if it is there', answers: { 201: records.written } },
  patchRecord: {
    tag: 'records',
    summary: 'Sets some fields of a record; null removes one (RFC 7396, one level). label=K- removes a label',
    headers: ONLY_IF,
    answers: { 200: records.written },
  },
  deleteRecord: { tag: 'records', summary: 'Deletes a record', headers: ONLY_IF, answers: { 200: records.written } },
  changeRecords: { tag: 'records', summary: 'Several changes of one partition: all or none', answers: { 200: records.changed } },

  getShared: {
    tag: 'shared',
    summary: 'A shared document as this node shows it; or with watch=true that, then every update, by anybody',
    description:
      'The Y.Doc that is edited takes the clientId before its first edit, and keeps it as long as it lives. What it has already is no news to it: apply all.',
    answers: { 200: records.shared },
    lines: records.sharedNews,
  },
  writeShared: {
    tag: 'shared',
    summary: 'Writes updates of a Y.Doc, in the order in which it made them',
    description: 'All are on the disk when it answers. What was written before may be repeated.',
    answers: { 200: records.sharedWritten },
  },

  listForwards: {
    tag: 'services',
    summary: 'Ports of this node that lead to services elsewhere',
    answers: { 200: items(records.forward) },
  },
  openForward: {
    tag: 'services',
    summary: 'Opens one; with follow=true it lasts as long as the answer is read, which tells of its failures',
    answers: { 201: records.forward },
    lines: z.union([records.forward, views.event]),
  },
  removeForward: { tag: 'services', summary: 'Removes one that was asked for', answers: { 204: null } },
  listServices: { tag: 'services', summary: 'What this node offers, and who uses it', answers: { 200: items(records.service) } },
  servicesAt: { tag: 'services', summary: 'What the nodes of a site offer', answers: { 200: items(records.offer) } },

  openChannel: {
    tag: 'services',
    summary: 'A channel of a program to a service, SERVICE@SITE or SERVICE@SITE/NODE: the connection becomes it',
    description: CHANNEL,
    headers: { Upgrade: 'causeway-channel; with Connection: Upgrade' },
    answers: { 101: null },
  },

  submitTask: {
    tag: 'tasks',
    summary: 'Submits a task: 201 made, 200 there already, 202 kept until the allocator is reached',
    description: DRY_RUN,
    answers: { 200: orWhy(records.submitted), 201: records.submitted, 202: records.submitted },
  },
  listTasks: {
    tag: 'tasks',
    summary: 'Tasks by site and id; or with watch=true what is there, a bookmark, then every change',
    answers: { 200: records.taskPage },
    lines: records.taskEvent,
  },
  getTask: { tag: 'tasks', summary: 'One task', answers: { 200: records.task } },
  updateTask: {
    tag: 'tasks',
    summary: 'Gives a task another spec or other labels',
    description: DRY_RUN,
    answers: { 200: orWhy(records.task) },
  },
  stopTask: { tag: 'tasks', summary: 'Stops a task', description: DRY_RUN, answers: { 200: orWhy(records.task) } },
  undeleteTask: { tag: 'tasks', summary: 'Takes a stop back', description: DRY_RUN, answers: { 200: orWhy(records.task) } },
  moveTask: { tag: 'tasks', summary: 'Moves a task to another node', description: DRY_RUN, answers: { 200: orWhy(records.task) } },
  whyTask: { tag: 'tasks', summary: 'Why a task is where it is, or nowhere', answers: { 200: records.taskWhy } },
  work: {
    tag: 'tasks',
    summary: 'Runs tasks: a stream of what this worker is given and what is taken from it; its end is the end of the worker',
    answers: {},
    lines: records.workLine,
  },
  reportWork: {
    tag: 'tasks',
    summary: 'What a worker tells of its tasks, and for how long it may go on',
    answers: { 200: records.workAnswer },
  },
}
