/**
 * A STAMP Session-Reflector without its socket: which requests get a reply, and with which number. Stateful
 * (RFC 8762, 4.3): each session has numbers of its own, so that its sender can tell the two ways of loss apart.
 *
 *  1. A reply is as long as its request; what is no request gets none, and is counted.
 *  2. At most `sessionsMax` sessions are kept; the one that was silent longest makes room.
 *  3. A reply is never replied to: two reflectors that somebody's forged address brings together would not stop.
 *  4. Within a second at most `packetsPerSecondMax` replies are given.
 */
import { type Instant, after } from '@causeway/protocol'
import type { ClockClaim } from './ntp-timestamp.ts'
import { readReflectorPacket, readSenderPacket, writeReply } from './stamp-packet.ts'

/** REFWAIT of RFC 5357, 4.2: a session that was silent for so long begins anew. */
const SESSION_IDLE_MS = 900_000
const SESSIONS_MAX = 10_000
const SECOND_MS = 1_000
/** A time so near to ours, where a request has zeros or padding, was written by a reflector. */
const NEAR_MS = 3_600_000

export interface StampResponderOptions {
  readonly clock: ClockClaim
  /** @default 10,000 */
  readonly sessionsMax?: number | undefined
  /** @default no limit */
  readonly packetsPerSecondMax?: number | undefined
}

export interface StampCounts {
  readonly received: number
  readonly reflected: number
  readonly malformed: number
  /** Over the rate that was allowed. */
  readonly refused: number
  readonly sessions: number
}

interface Session {
  sequence: number
  seen: Instant
}

export class StampResponder {
  readonly #options: StampResponderOptions
  /** The one that was heard of last comes last. */
  readonly #sessions = new Map<string, Session>()
  #second: Instant | undefined
  #inSecond = 0
  #received = 0
  #reflected = 0
  #malformed = 0
  #refused = 0

  constructor(options: StampResponderOptions) {
    this.#options = options
  }

  /** The reply to a datagram of `peer` (address and port), but for the time at which it leaves. */
  reply(now: Instant, peer: string, request: Uint8Array, receivedAt: number): Uint8Array | undefined {
    this.#received++
    const packet = readSenderPacket(request)
    if (!packet || isReply(request, receivedAt)) {
      this.#malformed++
      return undefined
    }
    if (!this.#allows(now)) {
      this.#refused++
      return undefined
    }
    this.#reflected++
    const session = this.#session(now, `${peer} ${packet.ssid}`)
    const { sequence } = session
    session.sequence = (sequence + 1) >>> 0
    return writeReply(request, { sequence, receivedAt, clock: this.#options.clock })
  }

  get counts(): StampCounts {
    const sessions = this.#sessions.size
    return { received: this.#received, reflected: this.#reflected, malformed: this.#malformed, refused: this.#refused, sessions }
  }

  #session(now: Instant, key: string): Session {
    let session = this.#sessions.get(key)
    if (!session || now - session.seen > SESSION_IDLE_MS) session = { sequence: 0, seen: now }
    session.seen = now
    this.#sessions.delete(key)
    const oldest = this.#sessions.size >= (this.#options.sessionsMax ?? SESSIONS_MAX) ? this.#sessions.keys().next() : undefined
    if (oldest?.done === false) this.#sessions.delete(oldest.value)
    this.#sessions.set(key, session)
    return session
  }

  #allows(now: Instant): boolean {
    const max = this.#options.packetsPerSecondMax
    if (max === undefined) return true
    if (this.#second === undefined || now >= after(this.#second, SECOND_MS)) {
      this.#second = now
      this.#inSecond = 0
    }
    return ++this.#inSecond <= max
  }
}

function isReply(bytes: Uint8Array, wallMs: number): boolean {
  const reply = readReflectorPacket(bytes)
  return reply !== undefined && Math.abs(reply.receivedAt - wallMs) < NEAR_MS
}
