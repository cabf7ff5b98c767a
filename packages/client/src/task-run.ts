/**
 * One task at one worker: its handler, what that tells, and until when it may go on.
 *
 *  1. The handler starts only after the node has said for how long it may run.
 *  2. `signal` is aborted once, by the first of: the lease is lost, the task is to stop, the worker ends.
 *  3. A task that is given again while its handler runs on, also under a higher token, is the same run.
 *  4. Reports that wait are merged: the last value of each field, the last of each type of condition.
 */
import {
  CausewayError,
  type RecordValue,
  type TaskCondition,
  type TaskGrant,
  type TaskReport,
  type TaskToken,
  type TaskView,
} from '@causeway/protocol'

export type TypedTask<Spec> = Omit<TaskView, 'spec'> & { readonly spec: Spec }

/** What a handler has to do with its node. */
export interface TaskContext<Spec> {
  /** Aborted, with a `TaskInterruption`, when the handler must end. Where `onStop` is `drain`, not when the task is stopped. */
  readonly signal: AbortSignal
  /**
   * The fencing token as it is now. Send it along with whatever the task writes elsewhere; who takes the writes refuses a
   * token that is lower than one it has seen.
   */
  readonly token: TaskToken
  /** The task whenever it has changed: its spec, labels, or phase (`tombstone`: it should end). The newest only; ends with the run. */
  readonly updates: AsyncIterable<TypedTask<Spec>>
  /** 0 to 1. This and the next two throw `usage` for what cannot be told. */
  readonly progress: (share: number) => void
  /** Any JSON up to 16 KiB. */
  readonly status: (value: RecordValue) => void
  readonly condition: (type: string, reason: string, status?: boolean) => void
}

/** Resolves: the task is done. Throws: it has failed, and is tried again. */
export type TaskHandler<Spec> = (task: TypedTask<Spec>, context: TaskContext<Spec>) => unknown

/** Why a handler must end. `lost`: somebody else may run the task by now; `stopped`: somebody wants it to end; `ending`: the worker does. */
export class TaskInterruption extends Error {
  override readonly name = 'TaskInterruption'
  readonly kind: 'lost' | 'stopped' | 'ending'

  constructor(kind: 'lost' | 'stopped' | 'ending', message: string) {
    super(message)
    this.kind = kind
  }
}

const REASON_CHARACTERS_MAX = 1_000
const STATUS_BYTES_MAX = 16 * 1024
const CONDITION = /^[A-Za-z][A-Za-z0-9]{0,63}$/
const CONDITIONS_MAX = 16

export class TaskRun<Spec> {
  /** Until when it may run, by the clock of the worker; `null`: until it is taken. Before the first answer: not yet. */
  until: number | null = Number.NEGATIVE_INFINITY
  readonly #handler: TaskHandler<Spec>
  readonly #drains: boolean
  readonly #onReport: (urgent: boolean) => void
  readonly #interrupt = new AbortController()
  #task: TypedTask<Spec>
  #report: TaskReport | undefined
  #last: TaskReport = {}
  #running: Promise<void> | undefined
  #ended = false
  #unseen: TypedTask<Spec> | undefined
  #wanted: (() => void) | undefined

  constructor(task: TaskView, handler: TaskHandler<Spec>, drains: boolean, onReport: (urgent: boolean) => void) {
    this.#task = task as TypedTask<Spec>
    this.#handler = handler
    this.#drains = drains
    this.#onReport = onReport
  }

  get grant(): TaskGrant {
    return { id: this.#task.id, token: this.#task.token }
  }

  get started(): boolean {
    return this.#running !== undefined
  }

  /** The handler has returned; what came of it may still have to be told. */
  get ended(): boolean {
    return this.#ended
  }

  /** It is to end, or has lost its lease. */
  get interruption(): TaskInterruption | undefined {
    return this.#interrupt.signal.reason as TaskInterruption | undefined
  }

  /** The last that is told of a run, and it was told. */
  isTold(report: TaskReport): boolean {
    return this.#ended && this.#report === undefined && report.state !== 'running' && report.state !== undefined
  }

  /** Resolves when the handler has returned; at once if it never began. */
  get settled(): Promise<void> {
    return this.#running ?? Promise.resolve()
  }

  /** Begins, if it has not. */
  start(): void {
    if (this.#running || this.interruption) return
    this.#tell({ state: 'running', observedGeneration: this.#task.generation }, true)
    this.#running = this.#run()
  }

  /** It looks different now, or has been given again. */
  change(task: TaskView): void {
    const before = this.#task
    this.#task = task as TypedTask<Spec>
    if (task.phase === 'tombstone' && !this.#drains)
      return this.interrupt(new TaskInterruption('stopped', `the task is stopped: ${task.reason}`))
    if (before.generation === task.generation && before.phase === task.phase && before.token === task.token) return
    this.#unseen = this.#task
    this.#wanted?.()
  }

  /** The node does not know any more what was told of it before. */
  repeat(): void {
    if (Object.keys(this.#last).length > 0) this.#tell(this.#last, true)
  }

  interrupt(interruption: TaskInterruption): void {
    if (this.interruption) return
    this.#interrupt.abort(interruption)
    this.#wanted?.()
  }

  get hasReport(): boolean {
    return this.#report !== undefined
  }

  /** What is to be told; it is the caller's to bring back if it cannot be. */
  takeReport(): TaskReport | undefined {
    const report = this.#report
    this.#report = undefined
    return report
  }

  returnReport(report: TaskReport): void {
    this.#report = merge(report, this.#report ?? {})
  }

  async #run(): Promise<void> {
    let report: TaskReport
    try {
      await this.#handler(this.#task, this.#context())
      report = { state: 'done' }
    } catch (error) {
      const reason = (error instanceof Error ? error.message : String(error)).slice(0, REASON_CHARACTERS_MAX)
      report = { state: 'failed', conditions: [{ type: 'Failed', status: true, reason }] }
    }
    // Who was told to end is not asked how it ended.
    if (this.interruption) report = { state: 'stopped' }
    this.#ended = true
    this.#wanted?.()
    this.#tell(report, true)
  }

  #context(): TaskContext<Spec> {
    const token = (): TaskToken => this.#task.token
    return {
      signal: this.#interrupt.signal,
      get token() {
        return token()
      },
      updates: { [Symbol.asyncIterator]: () => this.#updates() },
      progress: (share) => {
        if (Number.isNaN(share)) throw new CausewayError('usage', 'progress is not a number', 'give 0 to 1')
        this.#tell({ progress: Math.min(1, Math.max(0, share)) })
      },
      status: (value) => {
        checkStatus(value)
        this.#tell({ status: value })
      },
      condition: (type, reason, status = true) => {
        if (!CONDITION.test(type)) throw new CausewayError('usage', `"${type}" is no type of a condition`, 'use letters and digits')
        this.#tell({ conditions: [{ type, status, reason: reason.slice(0, REASON_CHARACTERS_MAX) }] })
      },
    }
  }

  async *#updates(): AsyncGenerator<TypedTask<Spec>, void, undefined> {
    while (!this.#ended && !this.interruption) {
      const task = this.#unseen
      this.#unseen = undefined
      if (task) {
        this.#tell({ observedGeneration: task.generation })
        yield task
      } else {
        await new Promise<void>((resolve) => (this.#wanted = resolve))
      }
    }
  }

  #tell(report: TaskReport, urgent = false): void {
    if (this.#ended && !urgent) return
    this.#last = merge(this.#last, report)
    this.#report = merge(this.#report ?? {}, report)
    this.#onReport(urgent)
  }
}

function merge(old: TaskReport, young: TaskReport): TaskReport {
  const conditions = new Map<string, Omit<TaskCondition, 'at'>>()
  for (const condition of [...(old.conditions ?? []), ...(young.conditions ?? [])]) conditions.set(condition.type, condition)
  return { ...old, ...young, ...(conditions.size > 0 && { conditions: [...conditions.values()].slice(-CONDITIONS_MAX) }) }
}

/** What the node would refuse would hold up all else that is told with it. */
function checkStatus(value: RecordValue): void {
  if (value === undefined || Buffer.byteLength(JSON.stringify(value)) > STATUS_BYTES_MAX)
    throw new CausewayError(
      'usage',
      `a status is JSON of at most ${STATUS_BYTES_MAX} bytes`,
      'keep large things elsewhere, and say here where',
    )
}
