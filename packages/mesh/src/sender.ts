/**
 * The sending half of a channel. Messages are cut into segments; a segment is sent as one or more copies, each over
 * some path, until one of them is acknowledged.
 *
 * The fastest of the three failover loops lives here: a copy that is not acknowledged within the probe timeout of
 * its path is sent again over another one, long before anybody has declared anything dead (RACK-TLP, RFC 8985, moved
 * across paths). Once anything sent later over another path is acknowledged, all that is still out on the silent one
 * follows at once.
 *
 *  1. Segments are numbered from 0 without gaps; a number always means the same bytes.
 *  2. A segment has at most one open copy per path.
 *  3. Copies sent on suspicion alone stay under 10 % of all bytes sent + 256 KiB, but for one segment per timeout.
 *  4. What a peer's window does not allow is not sent for the first time; what was sent once may be sent again.
 */
import { type Instant, type Limits, after, earliest } from '@causeway/protocol'
import type { AckPacket } from './channel-packet.ts'
import type { Path } from './path.ts'
import type { PathSet } from './path-set.ts'

const HEDGE_BURST_BYTES = 64 * 1024
const HEDGE_FLOOR_BYTES = 256 * 1024
const HEDGE_RATIO = 0.1
/** Closed copies are remembered this long, so that a late acknowledgement still clears its path. */
const COPY_MEMORY_MS = 10_000
/** Frames on one path overtake each other by no more than this, or a quarter of its round trip. */
const REORDER_FLOOR_MS = 10
const KEEPALIVE_MS = 20_000

export interface Segment {
  readonly sequence: number
  readonly payload: Uint8Array
  readonly endOfMessage: boolean
  readonly endOfStream: boolean
  readonly copies: Copy[]
}

interface Copy {
  readonly packet: number
  /** `undefined` for a trial, which carries nothing. */
  readonly segment: Segment | undefined
  readonly path: Path
  readonly sentAt: Instant
  /** Still counted as in flight on its path. */
  open: boolean
}

export interface SenderOutput {
  data(path: Path, packet: number, segment: Segment): void
  trial(path: Path, packet: number): void
}

export class Sender {
  readonly #paths: PathSet
  readonly #out: SenderOutput
  readonly #limits: Limits
  #unsent: Segment[] = []
  #lost: { segment: Segment; from: Path }[] = []
  readonly #outstanding = new Map<number, Segment>()
  readonly #flights = new Map<Path, Copy[]>()
  readonly #byPacket = new Map<number, Copy>()
  #nextSequence = 0
  #nextPacket = 0
  #outstandingBytes = 0
  #unsentBytes = 0
  #peerWindowBytes: number
  #finished = false
  /** The peer knows this channel: it opened it, or has acknowledged something. */
  #known: boolean
  #progressAt: Instant
  #sentAt: Instant
  #bytesSent = 0
  #hedgedBytes = 0
  /** Segments sent more than once. */
  resent = 0

  constructor(now: Instant, paths: PathSet, out: SenderOutput, known: boolean, limits: Limits) {
    this.#known = known
    this.#paths = paths
    this.#out = out
    this.#limits = limits
    this.#peerWindowBytes = limits.channelWindowBytes
    this.#progressAt = now
    this.#sentAt = now
  }

  get known(): boolean {
    return this.#known
  }

  get bytesSent(): number {
    return this.#bytesSent
  }

  get unacknowledgedBytes(): number {
    return this.#outstandingBytes + this.#unsentBytes
  }

  /** Everything, the end of the stream included, has been acknowledged. */
  get complete(): boolean {
    return this.#finished && this.#idle
  }

  get #idle(): boolean {
    return this.#unsent.length === 0 && this.#outstanding.size === 0
  }

  write(now: Instant, message: Uint8Array): void {
    if (this.#idle) this.#progressAt = now
    const max = this.#limits.segmentBytesMax
    let at = 0
    do {
      const end = Math.min(at + max, message.length)
      this.#enqueue(message.subarray(at, end), end === message.length, false)
      at = end
    } while (at < message.length)
  }

  finish(now: Instant): void {
    if (this.#finished) return
    if (this.#idle) this.#progressAt = now
    this.#finished = true
    this.#enqueue(new Uint8Array(0), false, true)
  }

  #enqueue(payload: Uint8Array, endOfMessage: boolean, endOfStream: boolean): void {
    this.#unsent.push({ sequence: this.#nextSequence++, payload, endOfMessage, endOfStream, copies: [] })
    this.#unsentBytes += payload.length
  }

  acknowledged(now: Instant, ack: AckPacket): void {
    if (ack.cumulative > this.#nextSequence) return
    this.#known = true
    this.#progressAt = now
    this.#peerWindowBytes = ack.windowBytes
    for (const [sequence, segment] of this.#outstanding) {
      if (sequence >= ack.cumulative) break
      this.#settle(segment)
    }
    for (const { first, end } of ack.ranges) this.#settleRange(first, end)
    const echoed = this.#byPacket.get(ack.echo)
    if (echoed) this.#echoed(now, echoed, ack.delayMs)
    this.#forgetOldCopies(now)
  }

  #settleRange(first: number, end: number): void {
    if (end - first > this.#outstanding.size) {
      for (const segment of this.#outstanding.values()) {
        if (segment.sequence >= first && segment.sequence < end) this.#settle(segment)
      }
      return
    }
    for (let sequence = first; sequence < end; sequence++) {
      const segment = this.#outstanding.get(sequence)
      if (segment) this.#settle(segment)
    }
  }

  #echoed(now: Instant, copy: Copy, delayMs: number): void {
    this.#byPacket.delete(copy.packet)
    if (!copy.segment) this.#close(copy)
    copy.path.acknowledged(now, Math.max(now - copy.sentAt - delayMs, 0.01), copy.segment?.payload.length ?? 0)
    // On its own path, what was sent clearly before it and is not acknowledged is lost (RACK, RFC 8985, 6.2).
    this.#giveUp(copy.path, copy.sentAt - Math.max(REORDER_FLOOR_MS, (copy.path.rttMs ?? 0) / 4))
    // What was sent elsewhere after a path had fallen silent came through: that path has lost what it held by then.
    for (const path of this.#flights.keys()) {
      if (path !== copy.path && path.suspectSince !== undefined && copy.sentAt >= path.suspectSince) this.#giveUp(path, copy.sentAt)
    }
  }

  #settle(segment: Segment): void {
    this.#outstanding.delete(segment.sequence)
    this.#outstandingBytes -= segment.payload.length
    for (const copy of segment.copies) this.#close(copy)
  }

  #close(copy: Copy): void {
    if (!copy.open) return
    copy.open = false
    copy.path.inFlightBytes -= copy.segment?.payload.length ?? 0
  }

  /** Everything sent over `path` before `before` is taken for lost. */
  #giveUp(path: Path, before?: number): void {
    for (const copy of this.#flights.get(path) ?? []) {
      if (before === undefined || copy.sentAt < before) this.#lose(copy)
    }
    if (before === undefined) this.#flights.delete(path)
  }

  #lose(copy: Copy): void {
    if (!copy.open) return
    this.#close(copy)
    if (copy.segment && !copy.segment.copies.some((other) => other.open)) this.#lost.push({ segment: copy.segment, from: copy.path })
  }

  /** Own links or the plan have changed: what was on paths that are gone is sent again at once. */
  pathsChanged(now: Instant): void {
    const live = new Set(this.#paths.paths.filter((path) => path.up))
    for (const path of this.#flights.keys()) if (!live.has(path)) this.#giveUp(path)
    this.pump(now)
  }

  /** The one decision: what goes out now, and over which path. */
  pump(now: Instant): void {
    this.#lost.sort((a, b) => a.segment.sequence - b.segment.sequence)
    while (this.#lost.length > 0) {
      const { segment, from } = this.#lost[0] as { segment: Segment; from: Path }
      if (this.#outstanding.has(segment.sequence)) {
        const path = this.#paths.choose(from)
        if (!path || path.windowFull) break
        this.resent++
        this.#transmit(now, path, segment)
      }
      this.#lost.shift()
    }
    let sent = 0
    for (const segment of this.#unsent) {
      const size = segment.payload.length
      if (this.#outstandingBytes > 0 && this.#outstandingBytes + size > this.#peerWindowBytes) break
      const path = this.#paths.choose()
      if (!path || path.windowFull) break
      this.#outstanding.set(segment.sequence, segment)
      this.#outstandingBytes += size
      this.#unsentBytes -= size
      this.#transmit(now, path, segment)
      sent++
    }
    if (sent > 0) this.#unsent = this.#unsent.slice(sent)
    this.#tryPaths(now)
  }

  #transmit(now: Instant, path: Path, segment: Segment): void {
    const copy: Copy = { packet: this.#nextPacket++, segment, path, sentAt: now, open: true }
    segment.copies.push(copy)
    path.inFlightBytes += segment.payload.length
    this.#bytesSent += segment.payload.length
    this.#track(copy)
    this.#out.data(path, copy.packet, segment)
  }

  /** Suspect paths, and idle channels, are tried with a packet that carries nothing. */
  #tryPaths(now: Instant): void {
    for (const path of this.#paths.paths) if (path.trialDue(now)) this.#sendTrial(now, path)
    if (this.#idle && now >= after(this.#sentAt, KEEPALIVE_MS)) {
      const path = this.#paths.choose()
      if (path) this.#sendTrial(now, path)
      else this.#sentAt = now
    }
  }

  #sendTrial(now: Instant, path: Path): void {
    const copy: Copy = { packet: this.#nextPacket++, segment: undefined, path, sentAt: now, open: true }
    this.#track(copy)
    this.#out.trial(path, copy.packet)
  }

  #track(copy: Copy): void {
    this.#sentAt = copy.sentAt
    this.#byPacket.set(copy.packet, copy)
    const flight = this.#flights.get(copy.path)
    if (flight) flight.push(copy)
    else this.#flights.set(copy.path, [copy])
  }

  wake(now: Instant): void {
    for (const path of [...this.#flights.keys()]) {
      const oldest = this.#oldestOpen(path)
      if (oldest && now >= path.overdueAt(oldest.sentAt)) this.#hedge(now, path)
    }
    this.pump(now)
  }

  /**
   * What is out on `path` goes out again elsewhere: all of it (within bounds) when it is the first to fall silent,
   * else only the oldest, as a question. If another path works, its answer moves the rest; if everything is slow
   * together, more would not help.
   */
  #hedge(now: Instant, path: Path): void {
    const only = this.#paths.paths.some((other) => other.suspect) ? 1 : Number.POSITIVE_INFINITY
    path.timedOut(now)
    let copies = 0
    let burst = 0
    for (const copy of this.#flights.get(path) ?? []) {
      if (copies === only) break
      if (!copy.open) continue
      const size = copy.segment?.payload.length ?? 0
      // The oldest is always asked about: how often, the doubling timeout bounds.
      const spent = burst + size > HEDGE_BURST_BYTES || this.#hedgedBytes + size > HEDGE_FLOOR_BYTES + HEDGE_RATIO * this.#bytesSent
      if (copies > 0 && spent) break
      burst += size
      this.#hedgedBytes += size
      copies++
      this.#lose(copy)
    }
  }

  #oldestOpen(path: Path): Copy | undefined {
    const flight = this.#flights.get(path)
    if (!flight) return undefined
    const first = flight.findIndex((copy) => copy.open)
    if (first < 0) this.#flights.delete(path)
    else if (first > 0) flight.splice(0, first)
    return flight[0]?.open ? flight[0] : undefined
  }

  #forgetOldCopies(now: Instant): void {
    for (const [packet, copy] of this.#byPacket) {
      if (copy.open || now - copy.sentAt < COPY_MEMORY_MS) break
      this.#byPacket.delete(packet)
    }
  }

  /** When a channel that shows no sign of life is to be given up. An idle one is asked first. */
  get deadAt(): Instant {
    return after(this.#progressAt, this.#limits.channelDeadMs + (this.#idle ? KEEPALIVE_MS : 0))
  }

  nextWake(): Instant | undefined {
    let next: Instant | undefined = this.deadAt
    if (this.#idle) next = earliest(next, after(this.#sentAt, KEEPALIVE_MS))
    for (const path of [...this.#flights.keys()]) {
      const oldest = this.#oldestOpen(path)
      if (oldest) next = earliest(next, path.overdueAt(oldest.sentAt))
    }
    for (const path of this.#paths.paths) next = earliest(next, path.nextTrial)
    return next
  }
}
