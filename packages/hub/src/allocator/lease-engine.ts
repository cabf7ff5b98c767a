/**
 * Exclusive, fenced grants: per task a register (holder, token) with a lease. The embedded engine is memory of the one hub
 * that grants; the external one, behind the driver, is shared by all hubs.
 *
 *  1. Of one task no two grants have the same token, and a later one has a higher.
 *  2. A register that is held is granted to another only by who names its token (a handover), or `regrantMs` after its last
 *     renewal, on the clock of who grants.
 */
import { Deadlines, type Instant, LEASE_TIMES, type TaskToken, after, instant } from '@causeway/protocol'
import type { EngineEffect, EngineInput, LeaseAnswer, LeaseCall, LeaseState } from '@causeway/node'

export type Answered = (now: Instant, answer: LeaseAnswer) => void

/** What is known of the lease of a grant. */
export interface LeaseView {
  /** It has run out: others may be granted the task as far as the engine goes. */
  readonly free: boolean
  /** Not after the last renewal. */
  readonly renewedAt: Instant
}

export interface LeaseEngine {
  /** Other hubs grant by it as well. */
  readonly isShared: boolean
  /** Answers at once or later; always. */
  call(now: Instant, call: LeaseCall, done: Answered): void
  /** Of the grant that the records show. */
  lease(now: Instant, task: string, holder: string, token: TaskToken): LeaseView
  /** A grant that the records show, at the start or later: it was made by an earlier life of ours, or by another hub. */
  restore(now: Instant, state: Omit<LeaseState, 'free'>): void
  /** The task is no more. */
  forget(task: string): void
  /** What others hold that the records do not show, as the last answer tells; only of a shared engine. */
  strangers(): readonly LeaseState[]
  /** What is behind the driver has answered. */
  answered(now: Instant, input: EngineInput): void
  wake(now: Instant): void
  nextWake(): Instant | undefined
}

interface Register {
  readonly holder: string
  readonly token: TaskToken
  renewedAt: Instant
}

/** 2^20: tokens are seconds since 1970 times this, plus a counter. */
const COUNTER = 2 ** 20

export class EmbeddedEngine implements LeaseEngine {
  readonly isShared = false
  readonly #wallMs: (now: Instant) => number
  readonly #registers = new Map<string, Register>()
  /** Lately released, oldest first: until that is written down, the records still show the grant. */
  readonly #released = new Map<string, { readonly token: TaskToken; readonly at: Instant }>()
  #last: TaskToken = 0

  constructor(wallMs: (now: Instant) => number) {
    this.#wallMs = wallMs
  }

  call(now: Instant, call: LeaseCall, done: Answered): void {
    done(now, this.#answer(now, call))
  }

  #answer(now: Instant, call: LeaseCall): LeaseAnswer {
    switch (call.op) {
      case 'grant':
        return this.#grant(now, call)
      case 'renew': {
        const held = call.leases.filter(({ task, token }) => {
          const register = this.#registers.get(task)
          if (register?.token !== token || register.holder !== call.holder) return false
          register.renewedAt = now
          return true
        })
        return { ok: true, leases: held.map(({ task, token }) => ({ task, token, holder: call.holder, free: false })) }
      }
      case 'release':
        this.#release(now, call)
        return { ok: true, leases: [] }
      case 'claim':
        // Nobody else decides anything.
        return { ok: true, leases: [] }
      case 'list':
        return { ok: true, leases: [...this.#registers].map(([task, register]) => stateOf(now, task, register)) }
    }
  }

  #grant(now: Instant, { task, holder, expected }: Extract<LeaseCall, { op: 'grant' }>): LeaseAnswer {
    const register = this.#registers.get(task)
    const as = expected === null ? !register || stateOf(now, task, register).free : register?.token === expected
    if (!as) return { ok: false, leases: register ? [stateOf(now, task, register)] : [] }
    this.#last = Math.max(this.#last + 1, Math.floor(this.#wallMs(now) / 1000) * COUNTER)
    const granted = { holder, token: this.#last, renewedAt: now }
    this.#registers.set(task, granted)
    return { ok: true, leases: [stateOf(now, task, granted)] }
  }

  #release(now: Instant, { task, token }: Extract<LeaseCall, { op: 'release' }>): void {
    if (this.#registers.get(task)?.token === token) this.#registers.delete(task)
    this.#released.delete(task)
    this.#released.set(task, { token, at: now })
    for (const [old, { at }] of this.#released) {
      if (now < after(at, LEASE_TIMES.regrantMs)) break
      this.#released.delete(old)
    }
  }

  lease(now: Instant, task: string, holder: string, token: TaskToken): LeaseView {
    const register = this.#registers.get(task)
    if (register?.token !== token) this.restore(now, { task, holder, token })
    const known = this.#registers.get(task)
    const renewedAt = known?.renewedAt ?? now
    return { renewedAt, free: known?.token !== token || now >= after(renewedAt, LEASE_TIMES.regrantMs) }
  }

  /** As if it had been renewed just now: whoever holds it may have asked an earlier life of ours. */
  restore(now: Instant, { task, holder, token }: Omit<LeaseState, 'free'>): void {
    this.#last = Math.max(this.#last, token)
    if ((this.#released.get(task)?.token ?? 0) >= token) return
    if ((this.#registers.get(task)?.token ?? 0) < token) this.#registers.set(task, { holder, token, renewedAt: now })
  }

  forget(): void {
    // What was released is not kept for long.
  }

  strangers(): readonly LeaseState[] {
    return []
  }

  answered(): void {
    // Nobody else was asked.
  }

  wake(): void {
    // Nothing happens here by itself.
  }

  nextWake(): undefined {
    return undefined
  }
}

function stateOf(now: Instant, task: string, { holder, token, renewedAt }: Register): LeaseState {
  return { task, holder, token, free: now >= after(renewedAt, LEASE_TIMES.regrantMs) }
}

const ANSWER_MS = 5_000
/** How often all registers are looked through: so late is seen that one has run out. */
const LIST_MS = 2_000
/** A register that the records do not show for so long is adopted: its grantor has died in between. */
const STRANGE_MS = 5_000
/** Nothing is adopted from a list that was asked for longer ago: it has waited here, and the register may be another's. */
const FRESH_MS = 1_000

interface Pending {
  readonly done: Answered
  readonly until: Instant
}

export class ExternalEngine implements LeaseEngine {
  readonly isShared = true
  readonly #emit: (effect: EngineEffect) => void
  readonly #pending = new Map<number, Pending>()
  readonly #deadlines = new Deadlines<number>()
  /** As the last list showed them. */
  #listed = new Map<string, LeaseState>()
  /** When that list was asked for; `undefined`: there is none yet. */
  #listedAt: Instant | undefined
  /** It is what has just been answered. */
  #isFresh = false
  /** Since when it is known that a register is held by whom the records do not show. */
  readonly #strange = new Map<string, { readonly state: LeaseState; readonly since: Instant }>()
  /** Grants that the records show, and since when we know. */
  readonly #shown = new Map<string, { readonly token: TaskToken; readonly since: Instant }>()
  #listAt: Instant
  #request = 0

  constructor(now: Instant, emit: (effect: EngineEffect) => void) {
    this.#emit = emit
    this.#listAt = now
  }

  call(now: Instant, call: LeaseCall, done: Answered): void {
    const request = ++this.#request
    const until = after(now, ANSWER_MS)
    this.#pending.set(request, { done, until })
    this.#deadlines.set(request, until)
    this.#emit({ type: 'leaseCall', request, call })
  }

  answered(now: Instant, { request, answer }: EngineInput): void {
    const pending = this.#pending.get(request)
    this.#pending.delete(request)
    this.#deadlines.set(request, undefined)
    this.#isFresh = false
    pending?.done(now, answer)
  }

  /** Free if a list that was asked for after we knew of the grant does not have it. */
  lease(now: Instant, task: string, holder: string, token: TaskToken): LeaseView {
    if (this.#shown.get(task)?.token !== token) this.restore(now, { task, holder, token })
    const since = this.#shown.get(task)?.since ?? now
    const listed = this.#listed.get(task)
    const held = listed?.token === token && !listed.free
    const free = this.#listedAt !== undefined && this.#listedAt > since && !held
    // It was there `LIST_MS` before it was not, and is gone `regrantMs` after the last renewal.
    const renewedAt = free && this.#listedAt !== undefined ? instant(this.#listedAt - LEASE_TIMES.regrantMs - 2 * LIST_MS) : now
    return { free, renewedAt }
  }

  restore(now: Instant, { task, token }: Omit<LeaseState, 'free'>): void {
    this.#shown.set(task, { token, since: now })
    if ((this.#strange.get(task)?.state.token ?? 0) <= token) this.#strange.delete(task)
  }

  forget(task: string): void {
    this.#shown.delete(task)
  }

  strangers(): readonly LeaseState[] {
    const listedAt = this.#listedAt
    if (listedAt === undefined || !this.#isFresh) return []
    return [...this.#strange.values()].filter(({ since }) => listedAt >= after(since, STRANGE_MS)).map(({ state }) => state)
  }

  wake(now: Instant): void {
    for (const request of this.#deadlines.due(now)) {
      const pending = this.#pending.get(request)
      this.#pending.delete(request)
      pending?.done(now, { ok: null, error: `no answer within ${ANSWER_MS} ms` })
    }
    if (now < this.#listAt) return
    this.#listAt = after(now, LIST_MS)
    this.call(now, { op: 'list' }, (at, answer) => {
      if (!answer.ok) return
      this.#look(now, answer.leases)
      this.#isFresh = at <= after(now, FRESH_MS)
    })
  }

  #look(askedAt: Instant, leases: readonly LeaseState[]): void {
    if (this.#listedAt !== undefined && askedAt < this.#listedAt) return
    this.#listedAt = askedAt
    this.#listed = new Map(leases.map((lease) => [lease.task, lease]))
    for (const task of this.#strange.keys()) if (!this.#listed.has(task)) this.#strange.delete(task)
    for (const state of leases) {
      if ((this.#shown.get(state.task)?.token ?? 0) >= state.token) continue
      if (this.#strange.get(state.task)?.state.token !== state.token) this.#strange.set(state.task, { state, since: askedAt })
    }
  }

  nextWake(): Instant | undefined {
    const next = this.#deadlines.next()
    return next === undefined || this.#listAt < next ? this.#listAt : next
  }
}
