/**
 * One task of one site, put together from its records (`task-record.ts` says who writes which). What holds of the grants is
 * decided by tokens; what is so is told by whoever has the grant, under its token.
 */
import {
  type GrantRecord,
  type RecordView,
  type RequestRecord,
  type StatusRecord,
  type TaskPhase,
  type TaskRecord,
  type TaskToken,
  type TaskView,
  compareGrants,
} from '@causeway/protocol'

const NO_LABELS: Readonly<Record<string, string>> = {}

/** A record as it was read: what it says, and when that was written. */
export interface Dated<Value> {
  readonly value: Value
  readonly asOf: number
}

export class TaskParts {
  readonly id: string
  readonly site: string
  task: (Dated<TaskRecord> & Pick<RecordView, 'labels' | 'revision'>) | undefined
  request: (Dated<RequestRecord> & Pick<RecordView, 'writer'>) | undefined
  /** By the hub that wrote it. */
  readonly grants: Map<string, Dated<GrantRecord>> = new Map()
  /** By the node that wrote it. */
  readonly statuses: Map<string, Dated<StatusRecord>> = new Map()
  #view: TaskView | undefined

  constructor(id: string, site: string) {
    this.id = id
    this.site = site
  }

  get isEmpty(): boolean {
    return !this.task && !this.request && this.grants.size === 0 && this.statuses.size === 0
  }

  /** The grant that holds. */
  get grant(): GrantRecord | undefined {
    let best: GrantRecord | undefined
    for (const { value } of this.grants.values()) if (!best || compareGrants(value, best) > 0) best = value
    return best
  }

  /** The highest token that is known to have been granted here, also if its grant has not arrived yet. */
  get claim(): TaskToken {
    return Math.max(this.grant?.token ?? 0, this.task?.value.token ?? 0)
  }

  /** What whoever has the grant says under its token. */
  get status(): StatusRecord | undefined {
    const grant = this.grant
    const status = grant?.node ? this.statuses.get(grant.node)?.value : undefined
    return status && status.token === grant?.token ? status : undefined
  }

  get labels(): Readonly<Record<string, string>> {
    return this.task?.labels ?? this.request?.value.submission.labels ?? NO_LABELS
  }

  /** As the view shows it. */
  get phase(): TaskPhase | undefined {
    if (this.task) return this.grant?.phase ?? 'initialised'
    if (this.request) return 'pending'
    return this.grant?.phase === 'gone' ? 'gone' : undefined
  }

  changed(): void {
    this.#view = undefined
  }

  /** What can run: of what was only asked for, and of what has left traces, nobody knows what there is to do. */
  runnable(): TaskView | undefined {
    return this.task && this.view()
  }

  /** `undefined`: there is no such task. */
  view(): TaskView | undefined {
    this.#view ??= this.task ? this.#viewOf(this.task) : (this.#pending() ?? this.#traces())
    return this.#view
  }

  #viewOf({ value, labels, asOf }: NonNullable<TaskParts['task']>): TaskView {
    const { grant, status, id, site } = this
    const { desired, policy, convergeKey, createdAt } = value
    const dates = [asOf, ...[...this.grants.values(), ...this.statuses.values()].map((dated) => dated.asOf)]
    return {
      ...{ id, site, policy, convergeKey, labels, createdAt },
      phase: grant?.phase ?? 'initialised',
      reason: grant?.reason ?? 'waits for a grant',
      node: grant?.phase === 'initialised' ? null : (grant?.node ?? null),
      token: grant?.token ?? 0,
      spec: desired.spec,
      generation: desired.generation,
      observedGeneration: status?.observedGeneration ?? null,
      running: status?.state === 'running',
      progress: status?.progress ?? null,
      status: status?.status ?? null,
      conditions: [...(grant?.conditions ?? []), ...(status?.conditions ?? [])],
      updatedAt: Math.max(...dates),
    }
  }

  #pending(): TaskView | undefined {
    if (!this.request) return undefined
    const { submission, at } = this.request.value
    const { labels = {}, policy = 'sticky', convergeKey = null, spec } = submission
    return {
      ...{ id: this.id, site: this.site, phase: 'pending', reason: 'waits for the allocator, which could not be reached' },
      ...{ node: null, token: 0, policy, convergeKey, spec, labels, generation: 1, observedGeneration: null, running: false },
      ...{ progress: null, status: null, conditions: [], createdAt: at, updatedAt: at },
    }
  }

  /** Nothing is left but what the allocator remembers of it. */
  #traces(): TaskView | undefined {
    const { grant } = this
    if (grant?.phase !== 'gone') return undefined
    const asOf = Math.max(...[...this.grants.values()].map((dated) => dated.asOf))
    return {
      ...{ id: this.id, site: this.site, phase: 'gone', reason: grant.reason, node: null, token: grant.token, policy: 'sticky' },
      ...{ convergeKey: null, spec: null, labels: {}, generation: 0, observedGeneration: null, running: false, progress: null },
      ...{ status: null, conditions: grant.conditions, createdAt: asOf, updatedAt: asOf },
    }
  }
}
