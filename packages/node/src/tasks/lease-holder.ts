/**
 * What this node may run: a grant becomes a lease when the allocator has answered for it, is renewed with all others in one
 * question every 5 s, and ends by our own clock if no answer comes. Whoever grants anew waits longer than we hold on.
 *
 *     |-- 5 s --|-- renew --|            12 s after the *sending* of the last renew that was answered: stopped
 *     s ------- s' ------------------------------- s'+12 ----------- (s'+17: may be granted anew)
 *
 *  1. A task is given to a worker only under a lease: an answer to a question of ours has said that it is held, and less than
 *     12 s have passed since we asked. What has passed is looked at before anything else in every turn.
 *  2. `at-most-one` is taken from its worker when that has run out, also if we stood still: the clock has gone on.
 *  3. `sticky` goes on if the site is cut off as a whole, and is taken if we alone were cut off or stood still: then others may
 *     say that this node has crashed. `at-least-one` goes on.
 *  4. A record with a higher token for somebody else ends every lease, whoever brought it.
 *  5. What has ended is told until the allocator has heard it.
 */
import {
  Deadlines,
  type Instant,
  LEASE_TIMES,
  type LeaseClaim,
  type LeaseEnd,
  type TaskReport,
  type TaskToken,
  type TaskView,
  after,
  earliest,
  instant,
} from '@causeway/protocol'
import { type Held, shownAs } from './held-lease.ts'
import { Renewals } from './renewals.ts'
import { StatusDesk } from './status-desk.ts'
import type { Renew, Renewed, TaskHost, Write } from './task-host.ts'
import type { TaskIndex } from './task-index.ts'
import type { TaskParts } from './task-parts.ts'
import { Workers } from './workers.ts'

/** From here on a lease that is not renewed is one that cannot be: early enough for its worker to hear of it. */
const ALONE_MS = 9_000
/** What an earlier life of this node gave to a worker has stopped by then, unless that worker says otherwise. */
const SETTLE_MS = 13_000
/** A grant that no worker here can take is given back. */
const REFUSE_MS = 2_000

export class LeaseHolder {
  readonly workers: Workers = new Workers()
  readonly #host: TaskHost
  readonly #index: TaskIndex
  readonly #statuses: StatusDesk
  readonly #startedAt: Instant
  readonly #held = new Map<string, Held>()
  readonly #ends = new Map<string, LeaseEnd>()
  /** Tasks of which no record is here. */
  readonly #views = new Map<string, TaskView>()
  /** Task → who says it runs it from before. */
  readonly #claims = new Map<string, number>()
  readonly #renewals = new Renewals()
  readonly #deadlines = new Deadlines<string>()
  #turnAt: Instant
  given = 0
  taken = 0
  refusedReports = 0

  constructor(now: Instant, host: TaskHost, index: TaskIndex, write: Write) {
    this.#host = host
    this.#index = index
    this.#statuses = new StatusDesk(host, write)
    this.#startedAt = now
    this.#turnAt = now
  }

  get held(): number {
    return this.#held.size
  }

  // ---- time

  /** Before anything else in a turn: invariants 1 to 3. */
  begin(now: Instant): void {
    const stoodStill = now - this.#turnAt > LEASE_TIMES.selfStopMs
    this.#turnAt = now
    for (const held of stoodStill ? [...this.#held.values()] : []) {
      if (held.worker !== undefined && this.#policy(held) !== 'at-least-one')
        this.#stop(now, held, 'this node stood still for longer than a lease')
    }
    for (const id of this.#deadlines.due(now)) {
      const held = this.#held.get(id)
      if (held) this.#look(now, held)
    }
    this.#statuses.wake(now)
  }

  /**
   * The machine slept, and its monotonic clock with it: that time has passed too. If its wall clock may only have been set, what
   * must not run twice is stopped all the same.
   */
  slept(now: Instant, ms: number, surely = false): void {
    if (surely) {
      this.#turnAt = instant(this.#turnAt - ms)
      this.#renewals.slept(ms)
    }
    for (const held of [...this.#held.values()]) {
      const policy = this.#policy(held)
      if (held.sureAt === undefined || !(surely || policy === 'at-most-one')) continue
      held.sureAt = instant(held.sureAt - ms)
      const over = now >= after(held.sureAt, LEASE_TIMES.selfStopMs) && held.worker !== undefined && policy !== 'at-least-one'
      if (over) this.#stop(now, held, `this machine slept${surely ? '' : ', or its clock was set,'} for longer than a lease`)
      else this.#look(now, held)
    }
  }

  nextWake(): Instant | undefined {
    return earliest(this.#renewals.nextWake(), earliest(this.#deadlines.next(), this.#statuses.nextWake()))
  }

  /** See `TaskDesk`. */
  leaseUntil(now: Instant, id: string, token: TaskToken): Instant | null | undefined {
    const held = this.#held.get(id)
    if (!held || held.worker === undefined || token > held.token || token < Number(held.shown.split(' ')[0])) return undefined
    if (this.#policy(held) === 'at-least-one') return null
    const from = held.alone || held.sureAt === undefined ? now : held.sureAt
    return after(from, LEASE_TIMES.selfStopMs)
  }

  // ---- asking

  /** What is to be asked now; nothing if it is not yet time. */
  questions(now: Instant): Renew[] {
    return this.#renewals.questions(now, this.#held, this.#ends, (id) => this.#view(id) !== undefined)
  }

  answered(now: Instant, { number, held: kept, lost, ended, tasks }: Renewed): void {
    const askedAt = this.#renewals.takeAskedAt(number)
    if (askedAt === undefined) return
    for (const view of tasks) if (this.#held.has(view.id)) this.#views.set(view.id, view)
    for (const id of ended) this.#ends.delete(id)
    for (const { task, was, reason } of lost) {
      const held = this.#held.get(task)
      if (held?.token === was) this.#lost(now, held, reason)
    }
    const mates = this.#host.mates()
    for (const { task, was, token, phase } of kept) {
      const held = this.#held.get(task)
      if (!held || held.token !== was || token < was || (phase !== 'allocated' && phase !== 'tombstone')) continue
      held.token = token
      held.phase = phase
      this.#sure(now, held, askedAt, mates)
    }
  }

  #sure(now: Instant, held: Held, askedAt: Instant, mates: readonly string[]): void {
    if (held.sureAt === undefined || askedAt > held.sureAt) held.sureAt = askedAt
    if (now < after(held.sureAt, LEASE_TIMES.selfStopMs)) {
      held.mates = mates
      if (held.alone) this.#statuses.alone(now, held.id, held.token, false)
      held.alone = false
    }
    this.#look(now, held)
  }

  /** Somebody says that there is news of this task. */
  hint(now: Instant, id: string, token: TaskToken): void {
    const end = this.#ends.get(id)
    if (end && end.token >= token) return
    if (!this.#held.has(id)) this.#learn(now, id, token, false)
    this.#renewals.soon(now, id)
  }

  /** A record of the task has changed. `stored`: it was on disk at the start. */
  changed(now: Instant, parts: TaskParts, stored = false): void {
    const { grant, id } = parts
    const held = this.#held.get(id)
    const { name } = this.#host.credential
    const said = parts.statuses.get(name)?.value
    if (stored && said?.state === 'running') this.#statuses.remember(id, said)
    if (!grant) return
    const ours = grant.node === name && (grant.phase === 'allocated' || grant.phase === 'tombstone')
    if (!held) {
      if (!ours || (this.#ends.get(id)?.token ?? 0) >= grant.token) return
      // An earlier life has ended it, and nobody begins again under a token: it may be granted to somebody else.
      const how = said?.token === grant.token && (said.state === 'stopped' ? 'lost' : said.state)
      if (how && how !== 'running') return this.#tellEnd(now, { id, token: grant.token }, how, 'it had ended before this node started')
      this.#learn(now, id, grant.token, stored)
      if (grant.phase === 'tombstone') this.#ending(id)
      this.#renewals.soon(now, id)
    } else if (!ours && grant.token >= held.token) {
      // Told as an end, so that an overlap is reported.
      this.#stop(now, held, grant.node === name || grant.node === null ? grant.reason : `it is granted to ${grant.node}`)
    } else if (ours && grant.token === held.token) {
      if (grant.phase === 'tombstone') held.phase = 'tombstone'
      this.#look(now, held)
    } else if (grant.token > held.token) {
      this.#renewals.soon(now, id)
    }
  }

  /** A hub has removed what we said of the task: it takes it for gone, which it is not. */
  statusRemoved(now: Instant, id: string): void {
    if (this.#held.get(id)?.worker !== undefined) this.#statuses.repeat(now, id)
  }

  #learn(now: Instant, id: string, token: TaskToken, stored: boolean): void {
    // A grant may be taken up before its record has come: then what we said of it tells of an earlier life.
    const told = this.#index.find(id)?.statuses.get(this.#host.credential.name)?.value
    const inherited = stored || (told?.state === 'running' && told.token === token)
    const notBefore = inherited ? after(this.#startedAt, SETTLE_MS) : now
    this.#held.set(id, {
      ...{ id, token, phase: 'allocated', policy: undefined, sureAt: undefined, mates: [], alone: false, worker: undefined, shown: '' },
      ...{ notBefore, learnedAt: now, inherited },
    })
    this.#deadlines.set(id, notBefore)
  }

  #ending(id: string): void {
    const held = this.#held.get(id)
    if (held) held.phase = 'tombstone'
  }

  // ---- workers

  /** A worker offers itself; says what is wrong with that. */
  work(now: Instant, worker: number, offer: Parameters<Workers['add']>[1], running: readonly LeaseClaim[]): string | undefined {
    const fault = this.workers.add(worker, offer)
    if (fault !== undefined) return fault
    for (const { task, token } of running) {
      this.#claims.set(task, worker)
      // What we do not hold it has to stop, if the allocator says so too.
      if (!this.#held.has(task)) this.#learn(now, task, token, true)
      this.#renewals.soon(now, task)
    }
    for (const held of [...this.#held.values()]) this.#look(now, held)
    return undefined
  }

  workEnded(now: Instant, worker: number): void {
    this.workers.remove(worker)
    for (const [task, claimant] of this.#claims) if (claimant === worker) this.#claims.delete(task)
    for (const held of [...this.#held.values()]) {
      if (held.worker !== worker) continue
      held.worker = undefined
      if (held.alone) this.#look(now, held)
      else this.#end(now, held, 'stopped', 'its worker is gone')
    }
  }

  report(now: Instant, worker: number, id: string, token: TaskToken, report: TaskReport): void {
    const held = this.#held.get(id)
    const ends = report.state !== undefined && report.state !== 'running'
    const has = held?.worker === worker || (ends && held?.worker === undefined && this.#claims.get(id) === worker)
    if (!held || !has || token > held.token) {
      this.refusedReports += 1
      const reason = held ? `the token ${token} is not the one that it has here` : 'this node does not hold it'
      this.#host.emit({ type: 'taskTaken', worker, id, token, reason })
      return
    }
    this.#statuses.report(now, id, held.token, report)
    const { state } = report
    if (state === undefined || state === 'running') return
    this.#claims.delete(id)
    const [condition] = report.conditions?.filter(({ type }) => type === 'Failed') ?? []
    this.workers.end(worker, id)
    held.worker = undefined
    this.#end(now, held, state, condition?.reason ?? `its worker says: ${state}`)
  }

  // ---- one lease

  /** The decision function: what follows for this lease from what is known now. */
  #look(now: Instant, held: Held): void {
    const until = held.sureAt === undefined ? undefined : after(held.sureAt, LEASE_TIMES.selfStopMs)
    const sure = until !== undefined && now < until
    if (held.worker !== undefined && sure) this.#goAlone(now, held)
    if (held.worker !== undefined && !sure && !held.alone && this.#policy(held) !== 'at-least-one') {
      this.#stop(now, held, 'its lease could not be renewed')
      return
    }
    if (held.worker !== undefined) this.#show(now, held)
    else if (held.phase === 'tombstone' && now >= held.notBefore && !this.#claims.has(held.id))
      this.#end(now, held, 'stopped', 'nobody has it here')
    else if (sure || held.alone || this.#mayInherit(now, held)) this.#give(now, held)
    this.#deadlines.set(held.id, this.#held.get(held.id) === held ? this.#nextLook(now, held) : undefined)
  }

  #nextLook(now: Instant, { sureAt, notBefore, learnedAt, worker }: Held): Instant | undefined {
    const times = [notBefore, after(learnedAt, REFUSE_MS), after(notBefore, REFUSE_MS)]
    if (sureAt !== undefined) times.push(after(sureAt, ALONE_MS), after(sureAt, LEASE_TIMES.selfStopMs))
    const next = times.filter((at) => at > now)
    return next.length === 0 ? (worker === undefined ? after(now, REFUSE_MS) : undefined) : next.reduce((a, b) => (a < b ? a : b))
  }

  /** Invariant 3: the allocator does not answer, and everybody who could call us crashed is cut off with us. */
  #goAlone(now: Instant, held: Held): void {
    if (held.alone || this.#policy(held) !== 'sticky' || now < after(held.sureAt ?? now, ALONE_MS)) return
    const mates = new Set(this.#host.mates())
    if (!held.mates.every((mate) => mates.has(mate))) return
    held.alone = true
    this.#statuses.alone(now, held.id, held.token, true)
  }

  /** An earlier life had it, and nobody can be asked: only if nobody can have been granted it since. */
  #mayInherit(now: Instant, held: Held): boolean {
    if (!held.inherited || held.sureAt !== undefined || !this.#host.cutOff()) return false
    const policy = this.#policy(held)
    if (policy === 'at-least-one') return now >= held.notBefore
    if (policy !== 'sticky') return false
    if (this.#claims.has(held.id)) return true
    const status = this.#index.find(held.id)?.statuses.get(this.#host.credential.name)?.value
    const wasAlone = status?.token === held.token && status.alone
    return now >= held.notBefore && (wasAlone || this.#host.isLone())
  }

  #give(now: Instant, held: Held): void {
    const view = this.#view(held.id)
    if (!view) return
    const claimant = this.#claims.get(held.id)
    if (claimant === undefined && now < held.notBefore) return
    const needs = this.#index.find(held.id)?.task?.value.needs ?? {}
    const worker = claimant !== undefined && this.workers.has(claimant) ? claimant : this.workers.choose(view, needs)
    if (worker === undefined) {
      if (!held.alone && now >= after(held.notBefore, REFUSE_MS)) this.#end(now, held, 'refused', 'no worker of this node has room for it')
      return
    }
    this.#claims.delete(held.id)
    this.workers.begin(worker, held.id, needs)
    held.worker = worker
    if (held.sureAt === undefined) held.alone = true
    this.given += 1
    const first = { ...held, phase: 'allocated' } as const
    held.shown = shownAs(first, view)
    this.#host.emit({ type: 'taskGiven', worker, task: this.#shownView(first, view) })
    // That it is to end is told apart.
    this.#show(now, held)
  }

  /** Tells the worker if the task is not as it was told last. */
  #show(now: Instant, held: Held): void {
    const view = this.#view(held.id)
    if (!view || held.worker === undefined) return
    const shown = shownAs(held, view)
    if (shown === held.shown) return
    if (Number(held.shown.split(' ')[0]) < held.token) this.#statuses.raised(now, held.id, held.token)
    held.shown = shown
    this.#host.emit({ type: 'taskChanged', worker: held.worker, task: this.#shownView(held, view) })
  }

  /** What we know of the grant is newer than what the records say. */
  #shownView(held: Held, view: TaskView): TaskView {
    return { ...view, token: held.token, phase: held.phase, node: this.#host.credential.name }
  }

  #view(id: string): TaskView | undefined {
    return this.#index.find(id)?.runnable() ?? this.#views.get(id)
  }

  /** As it was when it was given: its records may have gone elsewhere. */
  #policy(held: Held): TaskView['policy'] {
    held.policy ??= this.#view(held.id)?.policy
    return held.policy ?? 'at-most-one'
  }

  /** We end it: the allocator has to hear of it. */
  #stop(now: Instant, held: Held, reason: string): void {
    this.#take(now, held, reason)
    this.#end(now, held, 'lost', reason)
  }

  /** The allocator has ended it. That it has stopped here is not said while a worker of an earlier life may still run it. */
  #lost(now: Instant, held: Held, reason: string): void {
    if (held.worker === undefined && now < held.notBefore && !this.#claims.has(held.id)) held.phase = 'tombstone'
    else {
      this.#take(now, held, reason)
      this.#tellEnd(now, held, 'stopped', reason)
    }
  }

  #take(now: Instant, held: Held, reason: string): void {
    const { id, token } = held
    const worker = held.worker ?? this.#claims.get(id)
    if (worker === undefined) return
    this.#claims.delete(id)
    this.workers.end(worker, id)
    held.worker = undefined
    this.taken += 1
    this.#host.emit({ type: 'taskTaken', worker, id, token, reason })
    this.#statuses.report(now, id, token, { state: 'stopped' })
  }

  #end(now: Instant, held: Held, how: LeaseEnd['how'], reason: string): void {
    if (how === 'stopped') this.#statuses.report(now, held.id, held.token, { state: 'stopped' })
    this.#tellEnd(now, held, how, reason)
  }

  #tellEnd(now: Instant, { id, token }: Pick<Held, 'id' | 'token'>, how: LeaseEnd['how'], reason: string): void {
    this.#ends.set(id, { task: id, token, how, reason: reason.slice(0, 500) })
    this.#held.delete(id)
    this.#views.delete(id)
    this.#deadlines.set(id, undefined)
    this.#renewals.soon(now, id)
  }
}
