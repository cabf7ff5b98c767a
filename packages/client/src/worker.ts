/**
 * Runs tasks that the node beside it is granted: it offers slots, starts a handler for each task it is given, and tells the
 * node what becomes of it.
 *
 *  1. A handler runs only while the node vouches for its lease. About once a second the worker asks for how long each may
 *     go on, and counts from when it sent the question; when that time has passed without another answer, because the
 *     daemon hangs, is dead or restarts, the handler is interrupted. Nobody else is granted the task before.
 *  2. A task runs at most once here: what is given anew while an interrupted handler has not returned waits for that.
 *  3. A lost daemon interrupts nothing by itself. The worker comes back, says what it still runs, and goes on with it.
 *  4. A result is told until the node has taken it, or cannot be made use of any more.
 */
import {
  CausewayError,
  type TaskReport,
  type TaskView,
  type WorkAnswer,
  type WorkLine,
  type WorkReports,
  type WorkRequest,
} from '@causeway/protocol'
import { type Clock, ElapsedClock } from './elapsed-clock.ts'
import { type TaskHandler, TaskInterruption, TaskRun } from './task-run.ts'
import type { Transport } from './transport.ts'

export interface WorkOptions {
  /**
   * How many tasks at once.
   * @default 1
   */
  readonly slots?: number | undefined
  /** What a task may need and this worker has, for instance `{gpu: 2}`; shared by what runs at once. */
  readonly capacity?: Readonly<Record<string, number>> | undefined
  /**
   * What a stopped task means to its handler. `abort`: its signal is aborted. `drain`: it sees phase `tombstone` in its
   * updates, ends in its own time, and may be told that it is wanted after all.
   * @default 'abort'
   */
  readonly onStop?: 'abort' | 'drain' | undefined
  /** Told when the daemon is lost and will be looked for. */
  readonly onInterrupted?: ((fault: CausewayError) => void) | undefined
  /** Aborting it ends the worker: handlers are interrupted and waited for. */
  readonly signal?: AbortSignal | undefined
}

const ASK_MS = 1_000
/** Progress and status are not told more often. */
const TELL_MS = 200
const ANSWER_MS_MAX = 5_000
/** Of one question: the daemon takes a megabyte. */
const REPORT_CHARACTERS_MAX = 256 * 1024
const REPORTS_MAX = 1_000
const RETRY_MS = 100
const RETRY_MS_MAX = 2_000
/** What came of a task that the node does not give again is kept for so long. */
const RESULT_MS_MAX = 60_000

export class Worker<Spec> {
  readonly #transport: Transport
  readonly #selector: string
  readonly #handler: TaskHandler<Spec>
  readonly #options: WorkOptions
  readonly #clock: Clock
  readonly #runs = new Map<string, TaskRun<Spec>>()
  /** Given while an interrupted handler had not returned. */
  readonly #next = new Map<string, TaskView>()
  readonly #stream = new AbortController()
  /** As the daemon calls us; `undefined` while there is none. */
  #name: string | undefined
  /** Aborted when the stream is lost: who does not answer any more is not waited for. */
  #lost = new AbortController()
  /** What it has given us. Of the others it would not know what we report. */
  readonly #known = new Set<string>()
  #ending = false
  #asking: Promise<void> | undefined
  #askedAt = Number.NEGATIVE_INFINITY
  #askAt = Number.POSITIVE_INFINITY
  /** What waits to be told should not wait long. */
  #urgent = false
  #cancelTick: () => void = () => {}

  constructor(transport: Transport, selector: string, handler: TaskHandler<Spec>, options: WorkOptions, clock: Clock = new ElapsedClock()) {
    this.#transport = transport
    this.#selector = selector
    this.#handler = handler
    this.#options = options
    this.#clock = clock
  }

  /** Resolves when `signal` was aborted and every handler has returned; throws what no repetition can mend. */
  async run(): Promise<void> {
    const { signal } = this.#options
    const end = (): void => void this.#end()
    signal?.addEventListener('abort', end)
    if (signal?.aborted) end()
    try {
      await this.#listen()
    } finally {
      signal?.removeEventListener('abort', end)
      await this.#end()
    }
  }

  async #listen(): Promise<void> {
    let connected = false
    for (let attempts = 0; !this.#ending; attempts++) {
      try {
        for (const [id, { started }] of this.#runs) if (!started) this.#runs.delete(id)
        const running = [...this.#runs.values()].filter(({ interruption }) => !interruption).map(({ grant }) => grant)
        const { slots, capacity } = this.#options
        const body: WorkRequest = {
          selector: this.#selector,
          running,
          ...(slots !== undefined && { slots }),
          ...(capacity && { capacity }),
        }
        const lines = this.#transport.lines<WorkLine>({ method: 'POST', path: ['work'], body, signal: this.#stream.signal })
        for await (const line of lines) {
          connected = true
          attempts = 0
          this.#line(line)
        }
        if (this.#ending) return
        throw new CausewayError('daemon-unreachable', 'the daemon ended the stream of work', 'see its log for the reason')
      } catch (error) {
        this.#name = undefined
        this.#lost.abort()
        if (this.#ending) return
        if (!connected || !(error instanceof CausewayError) || !isPassing(error)) throw error
        this.#options.onInterrupted?.(error)
        await this.#pause(Math.random() * Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** attempts))
      }
    }
  }

  #line(line: WorkLine): void {
    switch (line.type) {
      case 'ready':
        this.#name = line.worker
        this.#lost = new AbortController()
        this.#known.clear()
        return this.#askIn(0)
      case 'given':
        return this.#given(line.task)
      case 'changed':
        if (this.#next.has(line.task.id)) this.#next.set(line.task.id, line.task)
        return this.#changed(line.task)
      case 'taken':
        return this.#taken(line)
    }
  }

  #given(task: TaskView): void {
    this.#known.add(task.id)
    const run = this.#runs.get(task.id)
    if (run?.interruption) {
      this.#next.set(task.id, task)
    } else if (run) {
      run.change(task)
      run.repeat()
    } else if (!this.#ending) {
      const onReport = (urgent: boolean): void => {
        this.#urgent ||= urgent
        this.#askIn(urgent ? 0 : TELL_MS)
      }
      this.#runs.set(task.id, new TaskRun(task, this.#handler, this.#options.onStop === 'drain', onReport))
    }
    this.#askIn(0)
  }

  #changed(task: TaskView): void {
    const run = this.#runs.get(task.id)
    const isRegranted = run !== undefined && run.grant.token !== task.token
    run?.change(task)
    if (isRegranted) run.repeat()
  }

  #taken({ id, token, reason }: Extract<WorkLine, { type: 'taken' }>): void {
    const run = this.#runs.get(id)
    if ((this.#next.get(id)?.token ?? token + 1) <= token) this.#next.delete(id)
    if (!run || run.grant.token > token) return
    run.interrupt(new TaskInterruption('lost', reason))
    void this.#forgetWhenSettled(run)
  }

  /** A run that nobody wants to hear of any more leaves when its handler has, and makes room for what waits for it. */
  async #forgetWhenSettled(run: TaskRun<Spec>): Promise<void> {
    await run.settled
    const { id } = run.grant
    if (this.#runs.get(id) !== run) return
    this.#runs.delete(id)
    const next = this.#next.get(id)
    this.#next.delete(id)
    if (next) this.#given(next)
  }

  // ---- asking and telling

  /** At the latest in so many milliseconds. */
  #askIn(ms: number): void {
    this.#askAt = Math.min(this.#askAt, this.#clock.now() + ms)
    this.#schedule()
  }

  #schedule(): void {
    this.#cancelTick()
    if (this.#runs.size === 0) return
    const untils = [...this.#runs.values()].map(({ until, interruption }) =>
      until === null || interruption ? Number.POSITIVE_INFINITY : until,
    )
    const deadline = Math.min(...untils.filter((until) => until !== Number.NEGATIVE_INFINITY), this.#askAt, this.#clock.now() + ASK_MS)
    this.#cancelTick = this.#clock.after(Math.max(0, deadline - this.#clock.now()), () => this.#tick())
  }

  #tick(): void {
    const now = this.#clock.now()
    for (const run of this.#runs.values()) {
      if (!run.started || run.until === null || now < run.until) continue
      if (run.ended) {
        if (now > run.until + RESULT_MS_MAX) this.#runs.delete(run.grant.id)
        continue
      }
      run.interrupt(new TaskInterruption('lost', 'the daemon has not vouched for the lease in time: somebody else may be granted the task'))
      void this.#forgetWhenSettled(run)
    }
    if (now >= this.#askAt || now >= this.#askedAt + ASK_MS) {
      this.#askAt = Number.POSITIVE_INFINITY
      this.#asking ??= this.#ask().finally(() => (this.#asking = undefined))
    }
    this.#schedule()
  }

  async #ask(): Promise<void> {
    const name = this.#name
    if (name === undefined || this.#runs.size === 0) return
    const askedAt = this.#clock.now()
    this.#askedAt = askedAt
    const reports = this.#takeReports()
    const body: WorkReports = {
      reports: reports.map(({ run, report }) => ({ ...run.grant, ...report })),
      holding: [...this.#runs.values()].filter(({ ended, interruption }) => !ended && !interruption).map(({ grant }) => grant),
    }
    try {
      const signal = AbortSignal.any([AbortSignal.timeout(ANSWER_MS_MAX), this.#lost.signal])
      const { held } = await this.#transport.json<WorkAnswer>({ method: 'POST', path: ['work', name, 'reports'], body, signal })
      for (const { run, report } of reports) if (run.isTold(report)) void this.#forgetWhenSettled(run)
      for (const one of held) this.#held(one, askedAt)
    } catch {
      // Told again with the next question, to this daemon or to the one after it.
      for (const { run, report } of reports) run.returnReport(report)
      this.#urgent = false
    }
    if ([...this.#runs.values()].some((run) => run.hasReport)) this.#askIn(this.#urgent ? 0 : TELL_MS)
    this.#schedule()
  }

  #takeReports(): { readonly run: TaskRun<Spec>; readonly report: TaskReport }[] {
    const taken: { run: TaskRun<Spec>; report: TaskReport }[] = []
    let characters = 0
    this.#urgent = false
    for (const [id, run] of this.#runs) {
      const report = this.#known.has(id) ? run.takeReport() : undefined
      if (!report) continue
      taken.push({ run, report })
      characters += JSON.stringify(report).length
      if (characters < REPORT_CHARACTERS_MAX && taken.length < REPORTS_MAX) continue
      this.#urgent = true
      break
    }
    return taken
  }

  #held({ id, token, forMs, reason }: WorkAnswer['held'][number], askedAt: number): void {
    const run = this.#runs.get(id)
    if (!run || run.interruption || run.grant.token < token) return
    if (forMs === 0) {
      run.interrupt(new TaskInterruption('lost', reason))
      void this.#forgetWhenSettled(run)
      return
    }
    run.until = forMs === null ? null : askedAt + forMs
    if (!this.#ending && (run.until === null || this.#clock.now() < run.until)) run.start()
  }

  // ---- the end

  async #end(): Promise<void> {
    this.#ending = true
    this.#next.clear()
    for (const run of this.#runs.values()) run.interrupt(new TaskInterruption('ending', 'the worker ends'))
    await Promise.all([...this.#runs.values()].map(({ settled }) => settled))
    await this.#asking
    await this.#ask()
    this.#cancelTick()
    this.#stream.abort()
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(ms, resolve)
      this.#stream.signal.addEventListener('abort', () => {
        cancel()
        resolve()
      })
    })
  }
}

/** What another attempt may mend. */
function isPassing({ code }: CausewayError): boolean {
  return code === 'daemon-unreachable' || code === 'timeout' || code === 'gone'
}
