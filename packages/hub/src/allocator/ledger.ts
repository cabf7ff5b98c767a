/**
 * What the allocator writes: one record for each grant, under this hub's name, and the move of a task's records to the site
 * that it goes to. Nobody is told of a grant before it is durable here.
 *
 *  1. Where a task leaves a site, a trace stays for an hour that says where it went.
 *  2. A task's records are whole in the new place before they go from the old.
 *  3. Nothing is erased but what was known: a task that has come back meanwhile, under a higher token, stays.
 */
import {
  type GrantRecord,
  type Instant,
  type RecordValue,
  TASK_COLLECTIONS,
  type TaskCondition,
  type TaskPhase,
  type TaskRecord,
  type TaskToken,
} from '@causeway/protocol'
import type { TaskIndex, TaskParts, Write } from '@causeway/node'

type WriteOperation = Parameters<Write>[1]['changes'][number]['operation']

const TRACE_MS = 3_600_000

export type Grant = Omit<GrantRecord, 'conditions'> & { readonly conditions?: readonly TaskCondition[] }
/** `ok`: it is durable, and readers see it. */
export type Recorded = (now: Instant, ok: boolean) => void

export class Ledger {
  readonly #self: string
  readonly #index: TaskIndex
  readonly #write: Write

  constructor(self: string, index: TaskIndex, write: Write) {
    this.#self = self
    this.#index = index
    this.#write = write
  }

  /** A task that is new. */
  create(
    now: Instant,
    {
      id,
      site,
      task,
      labels,
    }: {
      readonly id: string
      readonly site: string
      readonly task: Omit<TaskRecord, 'token'>
      readonly labels: Readonly<Record<string, string>>
    },
    grant: Grant,
    done: Recorded,
  ): void {
    const both = this.#all(2, done)
    this.#put(now, TASK_COLLECTIONS.tasks, site, id, { type: 'put', value: { ...task, token: grant.token }, labels }, both)
    this.#putGrant(now, site, id, grant, both)
  }

  /** What is granted now; in the records of `site`, which the task moves to if it is elsewhere. */
  record(now: Instant, parts: TaskParts, grant: Grant, site: string, done: Recorded): void {
    const { id, task } = parts
    if (site === parts.site || !task) return this.#putGrant(now, parts.site, id, grant, done)
    // Never above what holds in the new place.
    const token = Math.min(parts.grant?.token ?? 0, grant.token - 1)
    const trace: Grant = { phase: 'gone', token, node: null, reason: `moved to ${site}`, goal: null, to: null }
    this.create(now, { id, site, task: task.value, labels: task.labels }, grant, (at, ok) => {
      if (ok && parts.claim <= grant.token) this.erase(at, parts, trace, grant.token)
      done(at, ok)
    })
  }

  /** Takes all records of a task away, but for the trace, and what was said under a token above `upTo`. */
  erase(now: Instant, parts: TaskParts, trace: Grant, upTo: TaskToken = trace.token): void {
    const { id, site, grants, task, request } = parts
    this.#putGrant(now, site, id, trace, () => {}, TRACE_MS)
    for (const [hub, grant] of grants) if (hub !== this.#self) this.#delete(now, TASK_COLLECTIONS.grants, site, `${id}@${hub}`, grant)
    this.eraseStatuses(now, parts, upTo)
    if (task) this.#delete(now, TASK_COLLECTIONS.tasks, site, id, task)
    if (request) this.#delete(now, TASK_COLLECTIONS.requests, site, id, request)
  }

  /** What was said under this token, or a lower one; `ended`: not by those who still run it, and would say it again. */
  eraseStatuses(now: Instant, { id, site, statuses }: TaskParts, upTo: TaskToken, which: 'all' | 'ended' = 'all'): void {
    for (const [node, status] of statuses)
      if (status.value.token <= upTo && (which === 'all' || status.value.state !== 'running'))
        this.#delete(now, TASK_COLLECTIONS.status, site, `${id}@${node}`, status)
  }

  /** The request has become a task, or will not. */
  settleRequest(now: Instant, { id, site, request, task }: TaskParts, outcome: string): void {
    if (!request) return
    this.#delete(now, TASK_COLLECTIONS.requests, site, id, request)
    if (task || this.#index.parts(id, site)?.grant) return
    this.#putGrant(now, site, id, { phase: 'gone', token: 0, node: null, reason: outcome, goal: null, to: null }, () => {}, TRACE_MS)
  }

  #putGrant(now: Instant, site: string, id: string, grant: Grant, done: Recorded, ttlMs?: number): void {
    const value = { conditions: this.#index.parts(id, site)?.grant?.conditions ?? [], ...grant }
    const operation = { type: 'put', value, ...(ttlMs !== undefined && { ttlMs }) } as const
    this.#put(now, TASK_COLLECTIONS.grants, site, `${id}@${this.#self}`, operation, done)
  }

  /** Invariant 3. */
  #delete(now: Instant, collection: string, partition: string, key: string, { asOf }: { readonly asOf: number }): void {
    this.#put(now, collection, partition, key, { type: 'delete', asOf })
  }

  #put(
    now: Instant,
    collection: string,
    partition: string,
    key: string,
    operation: WriteOperation | { readonly type: 'put'; readonly value: RecordValue },
    done: Recorded = () => {},
  ): void {
    const change = { key, operation }
    this.#write(now, { collection, partition, changes: [change] }, (at, result) => done(at, result.ok))
  }

  #all(count: number, done: Recorded): Recorded {
    let left = count
    let ok = true
    return (now, each) => {
      ok &&= each
      left -= 1
      if (left === 0) done(now, ok)
    }
  }
}

/** Somebody has it, if only to end it. */
export function isGranted(phase: TaskPhase): boolean {
  return phase === 'allocated' || phase === 'tombstone'
}
