/**
 * What this node says of the tasks that it runs, as records: a change of state at once, progress at most once a second.
 */
import { Deadlines, type Instant, type StatusRecord, TASK_COLLECTIONS, type TaskReport, type TaskToken, after } from '@causeway/protocol'
import type { TaskHost, Write } from './task-host.ts'

const PERIOD_MS = 1_000

interface Told {
  status: StatusRecord
  /** When it was last written. */
  writtenAt: Instant | undefined
}

export class StatusDesk {
  readonly #host: TaskHost
  readonly #write: Write
  readonly #told = new Map<string, Told>()
  readonly #due = new Deadlines<string>()

  constructor(host: TaskHost, write: Write) {
    this.#host = host
    this.#write = write
  }

  report(now: Instant, id: string, token: TaskToken, report: TaskReport): void {
    const before = this.#told.get(id)?.status
    const at = this.#host.wallMs(now)
    const kept = before?.token === token ? before : undefined
    const said = new Map((kept?.conditions ?? []).map((condition) => [condition.type, condition]))
    for (const condition of report.conditions ?? []) {
      const old = said.get(condition.type)
      said.set(condition.type, { ...condition, at: old?.status === condition.status ? old.at : at })
    }
    this.#set(now, id, {
      token,
      state: report.state ?? kept?.state ?? 'running',
      observedGeneration: report.observedGeneration ?? kept?.observedGeneration ?? null,
      progress: report.progress ?? kept?.progress ?? null,
      status: report.status === undefined ? (kept?.status ?? null) : report.status,
      conditions: [...said.values()].slice(-32),
      alone: kept?.alone ?? false,
    })
  }

  /** It goes on without the allocator, or has heard of it again. */
  alone(now: Instant, id: string, token: TaskToken, alone: boolean): void {
    const status = this.#told.get(id)?.status
    if (status && status.alone === alone && status.token === token) return
    if (!status && !alone) return
    const first = { state: 'running', observedGeneration: null, progress: null, status: null, conditions: [] } as const
    this.#set(now, id, { ...first, ...status, token, alone })
  }

  /** The same under a higher token. */
  raised(now: Instant, id: string, token: TaskToken): void {
    const status = this.#told.get(id)?.status
    if (status) this.#set(now, id, { ...status, token })
  }

  /** What an earlier life of this node has said. */
  remember(id: string, status: StatusRecord): void {
    if (!this.#told.has(id)) this.#told.set(id, { status, writtenAt: undefined })
  }

  /** What was said of it is not there any more. */
  repeat(now: Instant, id: string): void {
    const told = this.#told.get(id)
    if (told) this.#put(now, id, told)
  }

  wake(now: Instant): void {
    for (const id of this.#due.due(now)) {
      const told = this.#told.get(id)
      if (told) this.#put(now, id, told)
    }
  }

  nextWake(): Instant | undefined {
    return this.#due.next()
  }

  #set(now: Instant, id: string, status: StatusRecord): void {
    const told = this.#told.get(id) ?? { status, writtenAt: undefined }
    const { writtenAt, status: before } = told
    const grave = writtenAt === undefined || before.state !== status.state || before.token !== status.token || before.alone !== status.alone
    told.status = status
    this.#told.set(id, told)
    if (grave || now >= after(writtenAt, PERIOD_MS)) this.#put(now, id, told)
    else this.#due.set(id, after(writtenAt, PERIOD_MS))
  }

  #put(now: Instant, id: string, told: Told): void {
    told.writtenAt = now
    this.#due.set(id, undefined)
    const { status } = told
    const { site, name } = this.#host.credential
    const operation = { type: 'put', value: status } as const
    this.#write(now, { collection: TASK_COLLECTIONS.status, partition: site, changes: [{ key: `${id}@${name}`, operation }] })
    // What has ended is the allocator's to clear away.
    if (status.state !== 'running') this.#told.delete(id)
  }
}
