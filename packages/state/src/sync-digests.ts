/**
 * Anti-entropy: now and then both ends of a session compare one number for all that both should hold, the exclusive or of the
 * tips of the logs. A tip is a piece of a SHA-256 over all of its log, so equal digests mean equal content, and no order
 * matters. It takes a few bytes, where a round of heads names every document.
 *
 *  1. Digests are compared only when nothing is on the way in either direction: else they would differ for no reason.
 *  2. Where something always is, heads are compared after `UNSURE_MS_MAX` all the same.
 */
import { type Instant, type Random, after, jittered } from '@causeway/protocol'
import type { Documents } from './documents.ts'
import type { ReplicatedDocument } from './replicated-document.ts'
import type { SyncPart } from './sync-message.ts'
import type { SyncSession } from './sync-session.ts'

const PERIOD_MS = 30_000
/** How soon to try again when a comparison would say nothing. */
const RETRY_MS = 1_000
const UNSURE_MS_MAX = 300_000

type Digest = readonly [high: number, low: number]
type DigestPart = SyncPart & { readonly type: 'digest' }

export class Digests {
  readonly #self: string
  readonly #documents: Documents
  readonly #random: Random

  constructor(self: string, documents: Documents, random: Random) {
    this.#self = self
    this.#documents = documents
    this.#random = random
  }

  /** Heads have been sent. The end towards the core leaves the clock to the other. */
  restart(now: Instant, session: SyncSession): void {
    session.digestAt = session.relation === 'down' ? undefined : after(now, jittered(this.#random, PERIOD_MS, 0.2))
  }

  /** What to send, if it is time. */
  take(now: Instant, session: SyncSession): DigestPart | undefined {
    if (session.digestAt === undefined || session.digestAt > now) return undefined
    const digest = session.ready && session.idle ? this.#digestOf(session) : undefined
    if (digest) this.restart(now, session)
    else session.digestAt = after(now, RETRY_MS)
    return digest && { type: 'digest', arrived: session.arrived, digest }
  }

  /** Whether heads are to be compared, now that the peer has sent its digest. */
  differ(now: Instant, session: SyncSession, { arrived, digest }: DigestPart): boolean {
    const own = session.idle && arrived === session.sent ? this.#digestOf(session) : undefined
    if (!own) return now - (session.agreedAt ?? now) >= UNSURE_MS_MAX
    if (own[0] !== digest[0] || own[1] !== digest[1]) return true
    session.agreedAt = now
    return false
  }

  /** `undefined` while something of our own is on its way to the disk, and so not to be told yet. */
  #digestOf(session: SyncSession): Digest | undefined {
    let high = 0
    let low = 0
    for (const document of this.#documents.all()) {
      if (!session.shares(document)) continue
      if (document.writer === this.#self && isUnsettled(document)) return undefined
      for (const { tip } of document.currentLogs()) {
        high ^= wordAt(tip, 0)
        low ^= wordAt(tip, 4)
      }
    }
    return [high >>> 0, low >>> 0]
  }
}

function isUnsettled(document: ReplicatedDocument): boolean {
  return document.logs().some(({ durable, seq }) => durable < seq)
}

function wordAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)
}
