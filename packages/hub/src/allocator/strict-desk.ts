/**
 * Strict writes, decided: of two that were made from the same revision one is granted, wherever they come from.
 *
 * With the embedded engine one hub makes all of them, in its own documents, so that what it has written is all there is to
 * compare with. With a shared engine any hub may, one after the other: for each partition the engine has a register that says
 * how far strict writes have come. A hub *claims* the partition there, compares, writes, and *settles*: only then is anything
 * answered. Writes that come meanwhile share the next claim, so that a busy partition costs two round trips for many.
 *
 *  1. A hub compares only when it shows all that was settled before (`after`, a token).
 *  2. A claim names the last millisecond (`ms`) of what may be written under it, and whatever is written later, by anybody, has
 *     stamps after that. So what was written under a claim that others have taken over never wins over what they wrote.
 *  3. What was not settled is not answered as done; nobody knows whether it takes effect.
 *  4. What only a disk had that is lost would hold a partition up for ever: it counts as lost when its hub is back, or revoked.
 */
import { Deadlines, type Instant, type StrictOutcome, type StrictWrite, after } from '@causeway/protocol'
import { type LeaseAnswer, type Orderer, type StrictAuthority, type Write, mayWrite, refusal } from '@causeway/node'
import { type Replica, joinTokens } from '@causeway/state'
import type { AllocatorSurroundings } from './allocator-surroundings.ts'

/** So long a hub has for what it claims, by its clock. */
const CLAIM_MS = 4_000
/** A claim that is not settled for so long is taken over. */
const OVERDUE_MS = 2_000
/** What is claimed elsewhere, or was settled and is not here yet, is looked for so often. */
const LOOK_MS = 20
/** A write that could not be begun within this is refused. */
const PATIENCE_MS = 3_000
/** Between two nodes that reach each other everything has arrived within this. */
const LOST_MS = 60_000
/** What waits at once, of one partition, and together. */
const WAITING_MAX = 1_000
const TOGETHER_MAX = 200
const LANES_MAX = 1_000

type Done = (now: Instant, result: StrictOutcome) => void

/** What the register of a partition says. */
interface Progress {
  readonly by: string
  readonly claimed: boolean
  readonly ms: number
  readonly after: string
}

interface Waiting {
  readonly write: StrictWrite
  readonly done: Done
  readonly until: Instant
}

/** What is known of the register of a partition, and who waits for it. */
interface Lane {
  readonly name: string
  token: number | null
  progress: Progress | undefined
  /** Since when it is as it is, as far as we know. */
  since: Instant
  /** A call or a write is under way. */
  busy: boolean
  waiting: Waiting[]
}

/** Writes that share a claim, and what has come of them. */
interface Round {
  readonly claim: Progress
  /** What the register said before. */
  readonly afterMs: number
  readonly together: readonly Waiting[]
  readonly results: StrictOutcome[]
}

export interface StrictDeskParts extends Pick<AllocatorSurroundings, 'host' | 'engine' | 'grantsFrom' | 'reaches'> {
  readonly write: Write
  readonly replica: Pick<Replica, 'covers' | 'clockMs' | 'complete' | 'isRevoked'>
}

export class StrictDesk implements StrictAuthority {
  readonly #of: StrictDeskParts
  readonly #lanes = new Map<string, Lane>()
  readonly #due = new Deadlines<Lane>()

  constructor(parts: StrictDeskParts) {
    this.#of = parts
  }

  write(now: Instant, by: Orderer, write: StrictWrite, done: Done): void {
    const { collection, partition } = write
    if (!mayWrite(by, collection, partition)) {
      const remedy = `Renew its credential with --write '${collection}/${partition}'.`
      return done(now, refusal('refused', `${by.name} may not write ${collection}/${partition}`, remedy))
    }
    if (!this.#of.engine.isShared) return this.#writeAlone(now, write, done)
    const name = `strict/${collection}/${partition}`
    let lane = this.#lanes.get(name)
    if (!lane) this.#lanes.set(name, (lane = { name, token: null, progress: undefined, since: now, busy: false, waiting: [] }))
    if (lane.waiting.length >= WAITING_MAX)
      return done(now, refusal('unreachable', `too many writes wait for ${collection}/${partition}`, 'Try again.'))
    lane.waiting.push({ write, done, until: after(now, PATIENCE_MS) })
    this.#go(now, lane)
  }

  wake(now: Instant): void {
    for (const lane of this.#due.due(now)) this.#go(now, lane)
  }

  nextWake(): Instant | undefined {
    return this.#due.next()
  }

  #writeAlone(now: Instant, write: StrictWrite, done: Done): void {
    // After the loss of our disk what we wrote has to come back from others first.
    if (now >= this.#of.grantsFrom && this.#of.replica.complete()) return this.#of.write(now, write, done)
    done(
      now,
      refusal(
        'unreachable',
        'the hub that grants has just started, and does not have all records yet: nothing was written',
        'Try again in some seconds.',
      ),
    )
  }

  /** The next step of a partition that somebody waits for. */
  #go(now: Instant, lane: Lane): void {
    if (lane.busy) return
    this.#due.set(lane, undefined)
    const late = lane.waiting.filter(({ until }) => until <= now)
    lane.waiting = lane.waiting.filter(({ until }) => until > now)
    for (const { done } of late) done(now, this.#tooLate(lane))
    if (lane.waiting.length === 0) {
      // What its register says is told again when somebody asks.
      if (this.#lanes.size > LANES_MAX) this.#lanes.delete(lane.name)
    } else if (this.#isTaken(now, lane)) this.#look(now, lane)
    else if (this.#isBehind(now, lane)) this.#due.set(lane, after(now, LOOK_MS))
    else this.#claim(now, lane)
  }

  #tooLate({ progress }: Lane): StrictOutcome {
    const message = progress?.claimed
      ? `${progress.by} has claimed it, and not settled`
      : `what ${progress?.by ?? 'another hub'} has written has not arrived at ${this.#of.host.credential.name}`
    return refusal('unreachable', `${message}: nothing was written`, 'Try again; see `causeway status` at both hubs.')
  }

  /** Another hub is at it. */
  #isTaken(now: Instant, { progress, since }: Lane): boolean {
    return progress !== undefined && progress.claimed && !this.#isOurs(progress) && now < after(since, OVERDUE_MS)
  }

  /** Asks what has become of the register, as nobody tells: a claim upon one that is not there changes none that is. */
  #look(now: Instant, lane: Lane): void {
    lane.busy = true
    const value = JSON.stringify(lane.progress)
    this.#of.engine.call(now, { op: 'claim', name: lane.name, expected: null, value }, (at, answer) => {
      this.#learn(at, lane, answer)
      lane.busy = false
      this.#due.set(lane, after(at, LOOK_MS))
    })
  }

  #isOurs({ by }: Progress): boolean {
    return by === this.#of.host.credential.name
  }

  /** What another hub wrote is not here yet. */
  #isBehind(now: Instant, { progress, since }: Lane): boolean {
    if (!progress || progress.after === '') return false
    const { host, replica, reaches } = this.#of
    if (replica.covers(progress.after)) return false
    const isOurs = this.#isOurs(progress)
    // Invariant 4.
    const isLost = now >= after(since, LOST_MS) && replica.complete() && (isOurs || reaches(progress.by) || replica.isRevoked(progress.by))
    if (isLost) host.emit({ type: 'event', name: 'strict-writes-lost', data: { by: progress.by, after: progress.after } })
    return !isLost
  }

  #claim(now: Instant, lane: Lane): void {
    const before = lane.progress
    const afterMs = before?.ms ?? 0
    const untilMs = Math.max(this.#of.replica.clockMs(now), afterMs) + CLAIM_MS
    const claim: Progress = { by: this.#of.host.credential.name, claimed: true, ms: untilMs, after: before?.after ?? '' }
    this.#put(now, lane, claim, (at, ok) => {
      if (ok !== true) return this.#goOn(at, lane)
      const together = lane.waiting.splice(0, TOGETHER_MAX)
      const results: StrictOutcome[] = []
      let left = together.length
      lane.busy = true
      for (const [index, { write }] of together.entries()) {
        this.#of.write(at, { ...write, stamps: { afterMs, untilMs } }, (later, result) => {
          results[index] = result
          left -= 1
          if (left === 0) this.#settle(later, lane, { claim, afterMs, together, results })
        })
      }
    })
  }

  #settle(now: Instant, lane: Lane, { claim, afterMs, together, results }: Round): void {
    const tokens = results.flatMap((result) => (result.ok ? [result.token] : []))
    // Nothing written: those after us need not be later than this.
    const ms = tokens.length === 0 ? afterMs : Math.min(this.#of.replica.clockMs(now), claim.ms)
    const settled: Progress = { ...claim, claimed: false, ms, after: joinTokens([claim.after, ...tokens].filter((token) => token !== '')) }
    this.#put(now, lane, settled, (at, ok) => {
      for (const [index, { done }] of together.entries()) {
        const result = results[index]
        if (result) done(at, ok === true || !result.ok ? result : this.#unsettled())
      }
      this.#goOn(at, lane)
    })
  }

  #unsettled(): StrictOutcome {
    return refusal(
      'unreachable',
      'the engine has not confirmed the write: nobody knows whether it takes effect',
      'Read the record before you write it again.',
    )
  }

  #goOn(now: Instant, lane: Lane): void {
    lane.busy = false
    this.#due.set(lane, now)
  }

  /** `null`: nobody knows. */
  #put(now: Instant, lane: Lane, progress: Progress, done: (now: Instant, ok: boolean | null) => void): void {
    lane.busy = true
    const value = JSON.stringify(progress)
    this.#of.engine.call(now, { op: 'claim', name: lane.name, expected: lane.token, value }, (at, answer) => {
      this.#learn(at, lane, answer)
      done(at, answer.ok)
    })
  }

  #learn(now: Instant, lane: Lane, answer: LeaseAnswer): void {
    const [there] = answer.ok === null ? [] : answer.leases
    // What we do not know we are told with the next claim, which fails.
    if (lane.token === (there?.token ?? null)) return
    lane.token = there?.token ?? null
    lane.progress = there && progressOf(there.holder)
    lane.since = now
  }
}

/** As a hub has written it: nobody else may. */
function progressOf(value: string): Progress {
  return JSON.parse(value) as Progress
}
