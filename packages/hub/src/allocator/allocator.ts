/**
 * Who grants tasks. The records say what is granted, the engine that no two may be: a grant is won from the engine first, then
 * written down, and only when that is durable its node is told. One decision function looks at a task whenever something has
 * happened to it, and when its time has come.
 *
 *     initialised → allocated → tombstone → deleting → gone
 *          ↑___________|____________|                     (given back; or moved; a new grant has a higher token)
 *
 *  1. A task is granted anew only when its holder has said that it stopped, or its lease has run out so long ago that the
 *     holder has stopped itself, or by force.
 *  2. A sticky task whose lease has run out is granted anew only if its node has crashed, by witnesses, and so long that
 *     whoever ran it there has stopped: see `StickyWatch`.
 *  3. At-least-one overlaps with an earlier holder at most until that one is heard of again; then it is ended, and reported.
 *  4. A task that somebody runs, or the engine says that somebody has, under a grant that the records do not show is not granted
 *     to others: the grant is adopted; see `Work`.
 *  5. After a start with an empty disk nothing is granted for `regrantMs` whose name may have been granted before.
 *  6. Of several hubs with one engine the first by name looks after the tasks, and the others after what it leaves undone; if
 *     two see to the same, the engine decides.
 */
import {
  Deadlines,
  type GrantRecord,
  type Instant,
  LEASE_TIMES,
  type LeaseEnd,
  type RecordView,
  TASK_COLLECTIONS,
  after,
  earliest,
  instant,
} from '@causeway/protocol'
import type { Authority, EngineInput, TaskMetrics, TaskParts } from '@causeway/node'
import type { AllocatorSurroundings } from './allocator-surroundings.ts'
import { Excuses } from './excuses.ts'
import { type Born, RANDOM_ID, type Submitted, firstGrant } from './first-grant.ts'
import { type Grant, isGranted } from './ledger.ts'
import { LeaseClerk } from './lease-clerk.ts'
import { OrderJudge } from './order-judge.ts'
import { STICKY, StickyWatch } from './sticky-watch.ts'
import { type Work, adoptAt, newWork, refusedFor, unseenGrant } from './task-work.ts'

/** Nobody can take it now: so late is asked again, if nobody comes to offer. */
const UNPLACED_MS = 15_000
/** What the first hub has not seen to for so long, the others do: it may not reach the engine. */
const DEPUTY_MS = 8_000
/** Of those that nobody could take, when somebody has room. */
const RETRIED_MAX = 200
const RETRY_MS = 1_000
/** In one turn: thousands wait together for one moment, and whoever asks meanwhile waits for no more than a few milliseconds. */
const DECIDED_MAX = 100
/** Records of one task that were written together arrive within this. */
const LATE_MS = 10_000
/** There is no haste if nobody runs it. */
const VERY_LATE_MS = 60_000
const FAILED_MS = { first: 1_000, most: 60_000 } as const
/** What has ended by itself can be read for so long. */
const KEPT_MS = 3_600_000

export class Allocator implements Authority {
  readonly #of: AllocatorSurroundings
  readonly #judge: OrderJudge
  readonly #clerk: LeaseClerk
  readonly #work = new Map<string, Work>()
  readonly #due = new Deadlines<string>()
  readonly #unplaced = new Set<string>()
  #poolVersion = 0
  readonly #excuses = new Excuses()
  readonly #sticky: StickyWatch
  #grants = 0
  #releases = 0

  constructor(now: Instant, surroundings: AllocatorSurroundings) {
    this.#of = surroundings
    this.#judge = new OrderJudge(surroundings, this)
    this.#clerk = new LeaseClerk(surroundings, this)
    this.#sticky = new StickyWatch(now)
    for (const parts of surroundings.index.all()) this.recordChanged(now, parts)
  }

  // ---- Authority

  order(...args: Parameters<Authority['order']>): void {
    this.#judge.order(...args)
  }

  renew(...args: Parameters<Authority['renew']>): void {
    this.#clerk.renew(...args)
  }

  leaseAnswered(now: Instant, input: EngineInput): void {
    this.#of.engine.answered(now, input)
    // At once: of what was listed seconds ago some has been moved on meanwhile, and would be brought back.
    if (!this.#of.leads()) return
    for (const { task, holder, token } of this.#of.engine.strangers()) this.#adopt(now, task, holder, token)
  }

  explain(...args: Parameters<Authority['explain']>): ReturnType<Authority['explain']> {
    return this.#judge.explain(...args)
  }

  metrics(): NonNullable<TaskMetrics['allocator']> {
    return { grants: this.#grants, releases: this.#releases, overlaps: this.#clerk.overlaps }
  }

  recordChanged(now: Instant, parts: TaskParts): void {
    const { placement, engine, index } = this.#of
    placement.pool.count(parts)
    const { grant, id } = parts
    if (!index.find(id)) engine.forget(id)
    if (grant?.node && (grant.phase === 'allocated' || grant.phase === 'tombstone'))
      engine.restore(now, { task: id, holder: grant.node, token: grant.token })
    this.look(id, now)
    this.#retry(now)
  }

  offersChanged(now: Instant, node: string, site: string, record: RecordView | undefined): void {
    this.#of.placement.pool.offered(node, site, record, this.#of.credentialOf(TASK_COLLECTIONS.workers, site, node))
    this.#retry(now)
  }

  /** Somebody has room: for some of those that found none. */
  #retry(now: Instant): void {
    const { version } = this.#of.placement.pool
    if (version === this.#poolVersion) return
    this.#poolVersion = version
    let left = RETRIED_MAX
    for (const id of this.#unplaced) {
      if (left-- === 0) break
      this.#unplaced.delete(id)
      this.look(id, now)
    }
  }

  slept(now: Instant): void {
    this.#sticky.slept(now)
  }

  wake(now: Instant): void {
    this.#sticky.turn(now)
    this.#of.engine.wake(now)
    const until = this.#of.leads() ? now : instant(now - DEPUTY_MS)
    for (const id of this.#due.due(until, DECIDED_MAX)) this.#decide(now, id)
  }

  nextWake(): Instant | undefined {
    const due = this.#due.next()
    const at = due === undefined || this.#of.leads() ? due : after(due, DEPUTY_MS)
    return earliest(at, this.#of.engine.nextWake())
  }

  /** The task is to be looked at, now or then. */
  look(id: string, at: Instant): void {
    this.#due.set(id, at)
  }

  #workOf(id: string): Work {
    let work = this.#work.get(id)
    if (!work) this.#work.set(id, (work = newWork()))
    return work
  }

  #decide(now: Instant, id: string): void {
    for (const each of this.#of.index.everywhere(id)) if (each.request) this.#judge.requested(now, each)
    const parts = this.#of.index.find(id)
    if (!parts?.task) return this.#clear(now, id, parts)
    const work = this.#workOf(id)
    if (work.busy) return
    for (const each of this.#of.index.everywhere(id)) if (each !== parts) this.#outrun(now, each, parts)
    const { grant } = parts
    const unseen = (work.unseen = unseenGrant(now, parts, this.#of.index.everywhere(id), work.unseen))
    if (unseen && now < adoptAt(unseen) && !(grant && isGranted(grant.phase))) return this.look(id, adoptAt(unseen))
    switch (grant?.phase ?? 'initialised') {
      case 'initialised':
        this.#place(now, parts, work)
        break
      case 'allocated':
      case 'tombstone':
        if (grant && !this.#isAstray(now, parts, grant)) this.#watch(now, parts, grant, work)
        break
      case 'deleting':
        this.#bury(now, parts)
        break
      default:
    }
  }

  /** A grant of a task that is no more: two hubs that did not hear of each other have ended it and granted it anew. */
  #clear(now: Instant, id: string, parts: TaskParts | undefined): void {
    const { grant } = parts ?? {}
    if (!parts || !grant || parts.request || grant.phase === 'gone') {
      this.#work.delete(id)
      // Told after the task had gone from here.
      if (parts && grant?.phase === 'gone') this.#of.ledger.eraseStatuses(now, parts, grant.token)
      return
    }
    const work = this.#workOf(id)
    // Its other records may only be late.
    work.notBefore ??= after(now, isGranted(grant.phase) ? LATE_MS : VERY_LATE_MS)
    if (now < work.notBefore) return this.look(id, work.notBefore)
    this.#work.delete(id)
    this.#of.ledger.erase(now, parts, { ...grant, phase: 'gone', node: null, reason: 'it had ended when it was granted' })
  }

  /** The same task at another site, or what was said of it there, under lower tokens only: it has been moved on, as far as somebody knew. */
  #outrun(now: Instant, old: TaskParts, present: TaskParts): void {
    const upTo = (present.grant?.token ?? 0) - 1
    if (old.claim > upTo) return
    if (!old.task) return this.#of.ledger.eraseStatuses(now, old, upTo, 'ended')
    const trace = { token: old.grant?.token ?? 0, reason: `moved to ${present.site}` } as const
    this.#of.ledger.erase(now, old, { ...trace, phase: 'gone', node: null, goal: null, to: null }, upTo)
  }

  /**
   * A task's records are at the site of the node that has it. They are brought there if they are not, because two hubs that did
   * not hear of each other have moved it and granted it.
   */
  #isAstray(now: Instant, parts: TaskParts, grant: GrantRecord): boolean {
    const site = this.#of.placement.pool.siteOf(grant.node ?? '')
    if (site === undefined || site === parts.site) return false
    this.#say(now, parts, {}, () => {}, site)
    return true
  }

  #place(now: Instant, parts: TaskParts, work: Work): void {
    const { placement, grantsFrom } = this.#of
    const from = RANDOM_ID.test(parts.id) ? now : grantsFrom
    const notBefore = work.notBefore !== undefined && work.notBefore > from ? work.notBefore : from
    if (now < notBefore) return this.look(parts.id, notBefore)
    const { unseen } = work
    if (unseen?.node) return this.#adopt(now, parts.id, unseen.node, unseen.token)
    const conditions = { to: parts.grant?.to ?? null, not: work.avoid }
    const choice = placement.choose(now, parts, conditions)
    work.avoid = null
    if (choice) return this.grant(now, parts, choice, null, `placed at ${choice.site}`)
    this.#unplaced.add(parts.id)
    this.look(parts.id, after(now, UNPLACED_MS))
    const reason = this.#excuses.news(now, parts.grant?.reason ?? '', () => placement.whyNot(now, parts, conditions))
    if (reason !== undefined) this.#say(now, parts, { reason })
  }

  /** The first grant of a task that is not written down yet; see `firstGrant`. */
  first(now: Instant, draft: TaskParts, by: Submitted, done: Born): void {
    const { id } = draft
    firstGrant(now, this.#of, draft, by, (at, grant, site, written) => {
      if (grant.node === null) return done(at, grant, site, written)
      const { node, token } = grant
      this.#workOf(id).busy = true
      done(at, grant, site, (later, ok) => {
        this.#workOf(id).busy = false
        written(later, ok)
        if (!ok) return
        this.#grants += 1
        this.#of.hint(later, node, id, token)
        this.look(id, later)
      })
    })
  }

  /** Wins the task for the node. `expected`: the token of the grant that it takes over from; `null`: nobody has it. */
  grant(
    now: Instant,
    parts: TaskParts,
    to: { readonly node: string; readonly site: string },
    expected: number | null,
    reason: string,
    done: (now: Instant, ok: boolean) => void = () => {},
  ): void {
    const { id } = parts
    const { engine, placement } = this.#of
    const work = this.#workOf(id)
    work.busy = true
    placement.pool.reserve(id, to.node, parts.task)
    const failed = (at: Instant): void => {
      work.busy = false
      placement.pool.count(parts)
      this.look(id, after(at, RETRY_MS))
      done(at, false)
    }
    engine.call(now, { op: 'grant', task: id, holder: to.node, expected, seen: parts.grant?.token ?? 0 }, (at, answer) => {
      const won = answer.ok ? answer.leases.find(({ task }) => task === id) : undefined
      const present = this.#of.index.find(id)
      work.unseen = refusedFor(at, id, answer) ?? work.unseen
      if (!won || !present?.task) return failed(at)
      const granted: Grant = { phase: 'allocated', token: won.token, node: to.node, reason, goal: null, to: null }
      this.#of.ledger.record(at, present, granted, to.site, (later, ok) => {
        if (!ok) return failed(later)
        work.busy = false
        work.crashedAt = undefined
        this.#grants += 1
        this.#of.hint(later, to.node, id, won.token)
        this.look(id, later)
        done(later, true)
      })
    })
  }

  /** Invariants 1 and 2. */
  #watch(now: Instant, parts: TaskParts, grant: GrantRecord, work: Work): void {
    const node = grant.node ?? ''
    const sticky = parts.task?.value.policy === 'sticky'
    const { free, renewedAt } = this.#of.engine.lease(now, parts.id, node, grant.token)
    const crashed = sticky && now >= after(renewedAt, STICKY.fromMs) && this.#of.verdict(now, node) === 'crashed'
    if (!crashed) work.crashedAt = undefined
    else work.crashedAt ??= now
    if (!free) {
      const next =
        sticky && now >= after(renewedAt, STICKY.fromMs)
          ? after(now, STICKY.lookMs)
          : after(renewedAt, sticky ? STICKY.fromMs : LEASE_TIMES.regrantMs)
      return this.look(parts.id, next > now ? next : after(now, STICKY.lookMs))
    }
    if (!sticky) return this.#free(now, parts, grant, `${node} has not renewed its lease`)
    this.look(parts.id, after(now, STICKY.lookMs))
    const { crashedAt } = work
    if (crashedAt === undefined) {
      const reason = `${node} is ${this.#of.verdict(now, node)}: it goes on there, if it runs`
      if (grant.reason !== reason) this.#say(now, parts, { reason })
      // It may be there again and know of no lease.
      if (this.#of.verdict(now, node) === 'alive') this.#of.hint(now, node, parts.id, grant.token)
      return
    }
    if (now >= this.#sticky.stoppedAt(renewedAt, crashedAt)) this.#free(now, parts, grant, `${node} has crashed`)
  }

  /** Its node says that it has ended there. */
  ended(now: Instant, parts: TaskParts, grant: GrantRecord, how: LeaseEnd['how'], reason: string): void {
    const work = this.#workOf(parts.id)
    if (how === 'failed') {
      work.notBefore = after(now, Math.min(FAILED_MS.first * 2 ** work.failures, FAILED_MS.most))
      work.failures += 1
    } else if (how === 'refused' || how === 'stopped') {
      work.avoid = grant.node
      if (how === 'refused') work.notBefore = after(now, RETRY_MS)
    }
    this.#free(now, parts, grant, reason, how === 'done')
  }

  /** Nobody has it any more. */
  #free(now: Instant, parts: TaskParts, grant: GrantRecord, reason: string, isDone = false): void {
    const work = this.#workOf(parts.id)
    this.#releases += 1
    work.busy = true
    this.#of.engine.call(now, { op: 'release', task: parts.id, token: grant.token }, (at) => {
      work.busy = false
      const present = this.#of.index.find(parts.id)
      if (present?.grant?.token !== grant.token || !isGranted(present.grant.phase)) return this.look(parts.id, at)
      const stops = isDone || (present.grant.phase === 'tombstone' && present.grant.goal !== 'move')
      // What its node has told of it stays to be read.
      const node = stops ? present.grant.node : null
      this.#say(at, present, { phase: stops ? 'deleting' : 'initialised', node, goal: null, reason: isDone ? `done: ${reason}` : reason })
    })
  }

  /** Writes down what is so now, in the records of `site`; the rest as before. */
  #say(now: Instant, parts: TaskParts, change: Partial<Grant>, done: (now: Instant) => void = () => {}, site = parts.site): void {
    const before: Grant = parts.grant ?? { phase: 'initialised', token: 0, node: null, reason: '', goal: null, to: null, conditions: [] }
    const work = this.#workOf(parts.id)
    work.busy = true
    this.#of.ledger.record(now, parts, { ...before, ...change }, site, (at, ok) => {
      work.busy = false
      this.look(parts.id, ok ? at : after(at, RETRY_MS))
      done(at)
    })
  }

  /** The same, and tells the node that has it. */
  say(now: Instant, parts: TaskParts, change: Partial<Grant>, done: (now: Instant) => void = () => {}): void {
    this.#say(now, parts, change, (at) => {
      const { node, token, phase } = parts.grant ?? {}
      if (node && token !== undefined && phase && isGranted(phase)) this.#of.hint(at, node, parts.id, token)
      done(at)
    })
  }

  isBusy(id: string): boolean {
    return this.#work.get(id)?.busy === true
  }

  #bury(now: Instant, parts: TaskParts): void {
    const { grant } = parts
    if (!grant) return
    const asOf = Math.max(...[...parts.grants.values()].map((dated) => dated.asOf))
    const keptMs = grant.reason.startsWith('done') ? asOf + KEPT_MS - this.#of.host.wallMs(now) : 0
    if (keptMs > 0) return this.look(parts.id, after(now, keptMs))
    this.#work.delete(parts.id)
    this.#of.ledger.erase(now, parts, { ...grant, phase: 'gone', node: null })
  }

  /** A grant that no record here shows: whoever made it did not live to write it down, or is not heard. */
  #adopt(now: Instant, id: string, holder: string, token: number): void {
    const parts = this.#of.index.find(id)
    if (!parts?.task || this.isBusy(id) || (parts.grant?.token ?? 0) >= token) return
    const reason = 'granted by a hub that did not live to say so'
    const grant: Grant = { phase: 'allocated', token, node: holder, reason, goal: null, to: null }
    this.#say(now, parts, grant, (at) => this.#of.hint(at, holder, id, token), this.#of.placement.pool.siteOf(holder))
  }
}
