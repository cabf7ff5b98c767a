/**
 * A log: the batches of one epoch of one document, 1, 2, 3, …, each signed as the one that follows the one before. They are
 * kept in memory, because peers may need any of them, until the writer folds its document and the whole log is dropped.
 *
 * What is kept of an old batch is the bytes it travels as, many of them in one piece: small ones cost as objects three times as
 * much. What batches repeat of each other is taken out of a piece: it is mostly never asked for again.
 *
 *  1. The batches are 1 to `seq`; there are no gaps.
 *  2. durable ≤ shown ≤ seq: what is on disk is shown to readers, and what others wrote a moment before it is.
 */
import { invariant, joinBytes } from '@causeway/protocol'
import { type Batch, type DocumentName, type LogHead, type LogPoint, decodeBatch } from './batch.ts'
import { storedBytes } from './batch-store.ts'
import type { LogPacking } from './replica-contract.ts'
import type { WriterCredential } from './writer-credentials.ts'

const NO_LINK = new Uint8Array(0)
/** Batches in one piece. */
const TOGETHER = 64
/** So many of the newest are in none: they are still asked for, to be sent on. */
const FRESH = 16
const LINK_BYTES = 16
/** Large batches repeat little of each other, and would take a while. */
const PACKED_BYTES_MAX = 64 * 1024

interface Piece {
  /** The batches: packed if they are fewer bytes so. */
  readonly kept: Uint8Array
  readonly packing: LogPacking | undefined
  /** Where each batch ends. */
  readonly ends: Uint32Array
  readonly links: Uint8Array
}

/** The piece that was last read, of any log: who reads one batch reads the next. */
let opened: { readonly piece: Piece; readonly bytes: Uint8Array } | undefined

export class Log {
  readonly name: DocumentName
  readonly epoch: number
  readonly head: LogHead
  readonly credential: WriterCredential
  readonly #pieces: Piece[] = []
  /** Those that are not in a piece yet. */
  #last: { readonly encoded: Uint8Array; readonly link: Uint8Array }[] = []
  #bytes = 0
  #storedBytes = 0
  /** The batch that was last asked for: who asks for one asks again. */
  #asked: Batch | undefined
  #durable = 0
  shown = 0

  constructor({ collection, partition, writer }: DocumentName, epoch: number, head: LogHead, credential: WriterCredential) {
    this.name = { collection, partition, writer }
    this.epoch = epoch
    this.head = head
    this.credential = credential
  }

  get seq(): number {
    return this.#pieces.length * TOGETHER + this.#last.length
  }

  /** Of all its batches as they are encoded. */
  get bytes(): number {
    return this.#bytes
  }

  /** About what it takes of the disk. */
  get storedBytes(): number {
    return this.#storedBytes
  }

  /** What the next batch has to follow. */
  get tip(): Uint8Array {
    return this.seq === 0 ? NO_LINK : this.#linkOf(this.seq)
  }

  /** It is a fold, and with its first `seq` batches everything that was live is there. */
  folded(seq: number): boolean {
    return this.head.parts > 0 && seq >= this.head.parts
  }

  get durable(): number {
    return this.#durable
  }

  /** What is old is packed now, when nobody waits: a batch that has just come is waited for. */
  becameDurable(seq: number, packing?: LogPacking): void {
    this.#durable = Math.max(this.#durable, seq)
    while (this.#last.length >= TOGETHER + FRESH && this.#pieces.length * TOGETHER + TOGETHER <= this.#durable) this.#pack(packing)
  }

  append(batch: Batch, link: Uint8Array): void {
    invariant(batch.seq === this.seq + 1 && link.length === LINK_BYTES, 'a log is appended to in order')
    this.#last.push({ encoded: batch.encoded, link })
    this.#bytes += batch.encoded.length
    this.#storedBytes += storedBytes(batch.encoded.length)
  }

  #pack(packing: LogPacking | undefined): void {
    const old = this.#last.slice(0, TOGETHER)
    let end = 0
    const ends = Uint32Array.from(old, ({ encoded }) => (end += encoded.length))
    const bytes = joinBytes(...old.map(({ encoded }) => encoded))
    const links = joinBytes(...old.map((each) => each.link))
    const packed = packing && bytes.length <= PACKED_BYTES_MAX ? packing.pack(bytes) : bytes
    const pays = packing && packed.length < bytes.length
    this.#pieces.push(pays ? { kept: packed, packing, ends, links } : { kept: bytes, packing: undefined, ends, links })
    this.#last = this.#last.slice(TOGETHER)
  }

  at(seq: number): Batch {
    if (this.#asked?.seq === seq) return this.#asked
    const batch = decodeBatch(this.#encoded(seq))
    invariant(batch !== undefined, 'what is in a log was a batch')
    this.#asked = batch
    return batch
  }

  /** The point after its first `seq` batches, of which there is at least one. */
  point(seq: number): LogPoint {
    return { epoch: this.epoch, seq, link: this.#linkOf(seq) }
  }

  /** Oldest first; made while they are asked for. */
  *batches(): Iterable<Batch> {
    for (let seq = 1; seq <= this.seq; seq++) yield this.at(seq)
  }

  #encoded(seq: number): Uint8Array {
    const [piece, at] = this.#placeOf(seq)
    if (!piece) return this.#last[at]?.encoded ?? NO_LINK
    return bytesOf(piece).subarray(at === 0 ? 0 : piece.ends[at - 1], piece.ends[at])
  }

  #linkOf(seq: number): Uint8Array {
    const [piece, at] = this.#placeOf(seq)
    if (!piece) return this.#last[at]?.link ?? NO_LINK
    return piece.links.subarray(at * LINK_BYTES, (at + 1) * LINK_BYTES)
  }

  #placeOf(seq: number): readonly [Piece | undefined, number] {
    invariant(seq >= 1 && seq <= this.seq, `the log has no batch ${seq}`)
    const piece = this.#pieces[Math.floor((seq - 1) / TOGETHER)]
    return [piece, piece ? (seq - 1) % TOGETHER : seq - 1 - this.#pieces.length * TOGETHER]
  }
}

function bytesOf(piece: Piece): Uint8Array {
  if (!piece.packing) return piece.kept
  if (opened?.piece !== piece) opened = { piece, bytes: piece.packing.unpack(piece.kept) }
  return opened.bytes
}
