/**
 * The sending half of a channel. Messages are packed into segments; a segment is sent as one or more copies, each over
 * some path, until one of them is acknowledged. What is sent only once (`once`) is watched in the same way.
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
import { Doubts } from './doubts.ts'
import { OutgoingStream } from './outgoing-stream.ts'
import type { Path } from './path.ts'
import type { PathSet } from './path-set.ts'
import type { Copy, Segment } from './segment.ts'

const HEDGE_BURST_BYTES = 64 * 1024
const HEDGE_FLOOR_BYTES = 256 * 1024
const HEDGE_RATIO = 0.1
/** Closed copies on a path that is silent are remembered this long, so that a late acknowledgement still clears it. */
const COPY_MEMORY_MS = 10_000
/** A window that is open by less is as good as closed (RFC 9293, 3.8.6.2.1). */
const SEGMENT_FLOOR_BYTES = 8 * 1024
/** How often to ask whether a closed window has opened: what said so may be lost. */
const WINDOW_QUESTION_MS = 1_000
/** Frames on one path overtake each other by no more than this, or a quarter of its round trip. */
const REORDER_FLOOR_MS = 10
/** An idle channel asks whether the peer is there, unless the peer was heard of anyway. */
const KEEPALIVE_MS = 20_000
/** How much longer a calm channel waits for an acknowledgement over a direct link, before it looks for another way. */
const CALM_MS = 6_000
/** And now and then all the same, since the peer may be there and have forgotten the channel. */
const RECALL_MS = 600_000

export interface SenderOutput {
  data(path: Path, packet: number, segment: Segment): void
  trial(path: Path, packet: number): void
  /** There are keys to seal with. */
  ready(): boolean
  /** When anything last came from the peer, on whatever channel. */
  heardAt(): Instant | undefined
}

export class Sender {
  readonly #paths: PathSet
  readonly #out: SenderOutput
  readonly #limits: Limits
  readonly #unsent = new OutgoingStream()
  #lost: { segment: Segment; from: Path }[] = []
  readonly #outstanding = new Map<number, Segment>()
  readonly #flights = new Map<Path, Copy[]>()
  readonly #byPacket = new Map<number, Copy>()
  /** The last packet on each path that an acknowledgement has come for: what left before it needs no other. */
  readonly #echoes = new Map<Path, number>()
  readonly #doubts = new Doubts()
  #nextSequence = 0
  #nextPacket = 0
  #outstandingBytes = 0
  #peerWindowBytes: number
  /** The end of the stream: to be sent, and then whether it was. */
  #finished = false
  #finishSent = false
  #progressAt: Instant
  #sentAt: Instant
  #bytesSent = 0
  #hedgedBytes = 0
  /** Segments sent more than once. */
  resent = 0
  /** The peer knows this channel: it opened it, or has said something in it. */
  known: boolean
  /** The peer acknowledges what comes over a direct link only now and then. */
  calm = false

  constructor(now: Instant, paths: PathSet, out: SenderOutput, known: boolean, limits: Limits) {
    this.known = known
    this.#paths = paths
    this.#out = out
    this.#limits = limits
    this.#peerWindowBytes = limits.channelWindowBytes
    this.#progressAt = now
    this.#sentAt = now
  }

  get bytesSent(): number {
    return this.#bytesSent
  }

  get unacknowledgedBytes(): number {
    return this.#outstandingBytes + this.#unsent.bytes
  }

  /** Everything, the end of the stream included, has been acknowledged. */
  get complete(): boolean {
    return this.#finished && this.#idle
  }

  /** What the program may have waiting here before it is asked to pause: what the path takes, and as much as may pass meanwhile. */
  roomBytes(now: Instant): number {
    return this.#limits.channelWindowBytes + (this.#paths.active?.windowBytes(now) ?? 0)
  }

  get #idle(): boolean {
    return this.#unsent.bytes === 0 && this.#outstanding.size === 0 && this.#finished === this.#finishSent
  }

  write(now: Instant, messages: readonly Uint8Array[]): void {
    if (this.#idle) this.#progressAt = now
    for (const message of messages) this.#unsent.write(message)
  }

  finish(now: Instant): void {
    if (this.#finished) return
    if (this.#idle) this.#progressAt = now
    this.#finished = true
  }

  /** Sends something over `path` that is not sent again, but tells whether the path works; `emit` gets its number. */
  once(now: Instant, path: Path, bytes: number, emit: (packet: number) => void): void {
    const departure = path.departed(now, this, bytes)
    const copy: Copy = { packet: this.#nextPacket++, segment: undefined, bytes, path, sentAt: now, departure, open: true }
    this.#track(copy)
    this.#bytesSent += bytes
    emit(copy.packet)
  }

  acknowledged(now: Instant, ack: AckPacket): void {
    if (ack.cumulative > this.#nextSequence) return
    this.#progressAt = now
    this.#peerWindowBytes = ack.windowBytes
    const echoed = this.#byPacket.get(ack.echo)
    const before = echoed?.path.inFlightBytes ?? 0
    for (const [sequence, segment] of this.#outstanding) {
      if (sequence >= ack.cumulative) break
      this.#settle(segment)
    }
    for (const { first, end } of ack.ranges) this.#settleRange(first, end)
    if (echoed) this.#echoed(now, echoed, ack, before)
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

  #echoed(now: Instant, copy: Copy, { delayMs, marked }: AckPacket, inFlightBefore: number): void {
    const { path } = copy
    this.#byPacket.delete(copy.packet)
    this.#echoes.set(path, Math.max(copy.packet, this.#echoes.get(path) ?? 0))
    // A segment that arrived and is not acknowledged had no room there: it is still out.
    if (!copy.segment) this.#close(copy)
    path.acknowledged(now, Math.max(now - copy.sentAt - delayMs, 0.01), inFlightBefore - path.inFlightBytes, marked, copy.departure)
    if (this.#doubts.answered(now, copy, ({ sequence }) => this.#outstanding.has(sequence))) this.#paths.forgive(path)
    // What is sent once is not acknowledged one by one: whether it arrived or not, it is no longer out.
    for (const other of this.#flights.get(path) ?? []) if (!other.segment && other.packet < copy.packet) this.#close(other)
    // On its own path, what was sent clearly before it and is not acknowledged is lost (RACK, RFC 8985, 6.2).
    const before = copy.sentAt - Math.max(REORDER_FLOOR_MS, (path.rttMs ?? 0) / 4)
    for (const { open, segment, sentAt } of this.#flights.get(path) ?? []) if (open && segment && sentAt < before) path.fate(true)
    this.#giveUp(path, before)
    // What was sent elsewhere after a path had fallen silent came through: that path has lost what it held by then.
    for (const other of this.#flights.keys()) {
      if (other !== path && other.suspectSince !== undefined && copy.sentAt >= other.suspectSince) this.#giveUp(other, copy.sentAt)
    }
  }

  #settle(segment: Segment): void {
    this.#outstanding.delete(segment.sequence)
    this.#outstandingBytes -= segment.bytes
    const [only] = segment.copies
    if (segment.copies.length === 1 && only?.open) only.path.fate(false)
    for (const copy of segment.copies) this.#close(copy)
    segment.payload = []
  }

  #close(copy: Copy): void {
    if (!copy.open) return
    copy.open = false
    copy.path.returned(this, copy.bytes)
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

  /** The channel has ended: nothing of it is out any more, as far as the paths are concerned. */
  abandon(): void {
    for (const flight of this.#flights.values()) for (const copy of flight) this.#close(copy)
  }

  /** Own links or the plan have changed: what was on paths that are gone is sent again at once. */
  pathsChanged(now: Instant): void {
    const live = new Set(this.#paths.paths.filter((path) => path.up))
    for (const path of this.#flights.keys()) if (!live.has(path)) this.#giveUp(path)
    for (const path of this.#echoes.keys()) if (!live.has(path)) this.#echoes.delete(path)
    this.#doubts.keepOnly(live)
    this.pump(now)
  }

  /** The one decision: what goes out now, and over which path. */
  pump(now: Instant): void {
    if (!this.#out.ready()) return
    this.#resend(now)
    while (this.#unsent.bytes > 0 || this.#finished !== this.#finishSent) {
      const path = this.#paths.choose()
      if (!path || path.fullFor(this, now)) break
      const size = this.#nextBytes(path.segmentBytes)
      if (size === undefined) break
      this.#transmit(now, path, this.#nextSegment(size))
    }
    this.#tryPaths(now)
  }

  /** Of the next segment, at most `most`, lest it holds up a slow line; `undefined` while the peer's window is too full. */
  #nextBytes(most: number = SEGMENT_FLOOR_BYTES): number | undefined {
    const wanted = Math.min(this.#unsent.bytes, this.#limits.segmentBytesMax, Math.floor(most))
    const room = this.#peerWindowBytes - this.#outstandingBytes
    return room >= Math.min(wanted, SEGMENT_FLOOR_BYTES) ? Math.min(wanted, room) : undefined
  }

  #resend(now: Instant): void {
    if (this.#lost.length > 1) this.#lost.sort((a, b) => a.segment.sequence - b.segment.sequence)
    let done = 0
    for (const { segment, from } of this.#lost) {
      if (this.#outstanding.has(segment.sequence)) {
        const path = this.#paths.choose(from)
        if (!path || path.fullFor(this, now)) break
        this.resent++
        this.#transmit(now, path, segment)
      }
      done++
    }
    if (done > 0) this.#lost.splice(0, done)
  }

  #nextSegment(bytes: number): Segment {
    const payload = this.#unsent.take(bytes)
    const endOfStream = this.#finished && this.#unsent.bytes === 0
    if (endOfStream) this.#finishSent = true
    const segment: Segment = { sequence: this.#nextSequence++, payload, bytes, endOfStream, copies: [] }
    this.#outstanding.set(segment.sequence, segment)
    this.#outstandingBytes += bytes
    return segment
  }

  #transmit(now: Instant, path: Path, segment: Segment): void {
    const { bytes } = segment
    const departure = path.departed(now, this, bytes)
    const copy: Copy = { packet: this.#nextPacket++, segment, bytes, path, sentAt: now, departure, open: true }
    segment.copies.push(copy)
    this.#bytesSent += bytes
    this.#track(copy)
    this.#out.data(path, copy.packet, segment)
  }

  /** Suspect paths, and idle channels, are tried with a packet that carries nothing. */
  #tryPaths(now: Instant): void {
    for (const path of this.#paths.paths) if (path.trialDue(now)) this.#sendTrial(now, path)
    const askAt = this.#askAt
    if (askAt === undefined || now < askAt) return
    const path = this.#paths.choose()
    if (path) this.#sendTrial(now, path)
    else this.#sentAt = now
  }

  /** When to ask the peer for a word although nothing is to be sent, or may be. */
  get #askAt(): Instant | undefined {
    if (this.#outstanding.size > 0) return undefined
    if (!this.#idle) return this.#nextBytes() === undefined ? after(this.#sentAt, WINDOW_QUESTION_MS) : undefined
    const heardAt = this.#out.heardAt()
    if (heardAt === undefined || heardAt < this.#sentAt) return after(this.#sentAt, KEEPALIVE_MS)
    return after(Math.min(heardAt, this.#sentAt + RECALL_MS - KEEPALIVE_MS) as Instant, KEEPALIVE_MS)
  }

  #sendTrial(now: Instant, path: Path): void {
    this.once(now, path, 0, (packet) => this.#out.trial(path, packet))
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
      if (oldest && now >= this.#overdueAt(oldest)) this.#hedge(now, path)
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
    this.#doubts.timedOut(now, path)
    let copies = 0
    let burst = 0
    for (const copy of this.#flights.get(path) ?? []) {
      if (copies === only) break
      if (!copy.open) continue
      const size = copy.bytes
      // The oldest is always asked about: how often, the doubling timeout bounds.
      const spent = burst + size > HEDGE_BURST_BYTES || this.#hedgedBytes + size > HEDGE_FLOOR_BYTES + HEDGE_RATIO * this.#bytesSent
      if (copies > 0 && spent) break
      burst += size
      this.#hedgedBytes += size
      if (copy.segment) this.#doubts.sentAgain(path, copy.segment)
      copies++
      this.#lose(copy)
    }
  }

  /** Over a direct link a calm channel is patient: what is dead there, probes find. */
  #overdueAt(copy: Copy): Instant {
    return after(this.#doubts.overdueAt(copy), this.calm && copy.path.route.length === 1 ? CALM_MS : 0)
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
      const isSettled = copy.packet < (this.#echoes.get(copy.path) ?? 0) || now - copy.sentAt >= COPY_MEMORY_MS
      if (copy.open || !isSettled) break
      this.#byPacket.delete(packet)
    }
  }

  /** When a channel that shows no sign of life is to be given up. An idle one is asked first. */
  get deadAt(): Instant {
    const { channelDeadMs } = this.#limits
    if (!this.#idle) return after(this.#progressAt, channelDeadMs)
    const heardAt = this.#out.heardAt() ?? this.#progressAt
    return after(heardAt > this.#progressAt ? heardAt : this.#progressAt, channelDeadMs + KEEPALIVE_MS)
  }

  nextWake(): Instant | undefined {
    let next: Instant | undefined = this.deadAt
    for (const path of [...this.#flights.keys()]) {
      const oldest = this.#oldestOpen(path)
      if (oldest) next = earliest(next, this.#overdueAt(oldest))
    }
    if (!this.#out.ready()) return next
    next = earliest(next, this.#askAt)
    for (const path of this.#paths.paths) next = earliest(next, path.nextTrial)
    return next
  }
}
