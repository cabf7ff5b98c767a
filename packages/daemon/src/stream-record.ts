/**
 * Records: what travels on a socket of the `stream` lane. The body of a frame is sealed end to end, by its channel; a hop
 * seals what it acts on, the lengths and the headers, and passes the body on as it is. So one record costs one small
 * encryption, however much it carries, and a relay never encrypts a body.
 *
 * A record holds k messages, whose lengths its sealed part tells; numbers are LEB128:
 *
 *     s          length of the sealed part, the tag aside
 *     s bytes    AES-256-GCM of k entries, and the tag (12); nonce = u32 0 ‖ u64 number of the record, from 0 in each direction
 *     …          the bodies of those messages that have one here, one after the other, not sealed
 *
 *     entry:
 *     2·h        h: bytes of the message that follow here, all of it; or
 *     2·h + 1    h: bytes of the message that follow here, its header, and
 *     b          bytes of the message that follow the sealed part
 *     h bytes
 *
 * Bodies are not authenticated by the hop. Who changes one on the way makes its receiver drop the frame, as who cuts the
 * line does; he cannot shift a boundary, since the lengths are sealed, nor take one frame for another at its destination,
 * since the channel numbers and seals them. A message that is not a frame is nobody else's to seal: it goes into its entry.
 */
import { SHORT_TAG_BYTES, type Aead, Leb128Reader, frameHeaderBytes, isFrame, leb128Bytes, writeLeb128 } from '@causeway/protocol'
import { allocateBulk } from './bulk-memory.ts'

/** A record takes messages as long as they fit in here, and at least one. */
export const RECORD_BYTES_MAX: number = 256 * 1024
/** To seal so little costs less than an allocation and a slice of its own, here and at the peer. */
const SEALED_WHOLE_BYTES_MAX = 2048

/** Node cuts smaller buffers from a larger one. */
const POOLED_BYTES_MAX = 4096

const LENGTH_BYTES_MAX = 4
/** The numbers of an entry take no more. */
const ENTRY_BYTES_MAX = 8
const ROUTE_LENGTH_OFFSET = 4
const NOTHING: Uint8Array = new Uint8Array(0)

/** What a message takes in a record at most, the record's own bytes aside. */
export function recordedBytes(message: Uint8Array): number {
  return ENTRY_BYTES_MAX + message.length
}

/** One direction, sending. */
export class RecordSealer {
  readonly #aead: Aead
  #records = 0

  constructor(aead: Aead) {
    this.#aead = aead
  }

  /** The record of these messages: its head, then views of the bodies. */
  seal(messages: readonly Uint8Array[]): Uint8Array[] {
    let entries = 0
    for (const message of messages) entries += entryBytesOf(message)
    const from = leb128Bytes(entries)
    const head = Buffer.allocUnsafe(from + entries + SHORT_TAG_BYTES)
    const buffers: Uint8Array[] = [head]
    let at = writeLeb128(head, 0, entries)
    for (const message of messages) {
      const sealed = sealedBytesOf(message)
      const whole = sealed === message.length
      at = writeLeb128(head, at, 2 * sealed + Number(!whole))
      if (!whole) at = writeLeb128(head, at, message.length - sealed)
      head.set(whole ? message : message.subarray(0, sealed), at)
      at += sealed
      if (!whole) buffers.push(message.subarray(sealed))
    }
    this.#aead.seal(this.#records++, NOTHING, head, from, from + entries)
    return buffers
  }
}

function entryBytesOf(message: Uint8Array): number {
  const sealed = sealedBytesOf(message)
  return leb128Bytes(2 * sealed) + sealed + (sealed < message.length ? leb128Bytes(message.length - sealed) : 0)
}

function sealedBytesOf(message: Uint8Array): number {
  if (!isFrame(message) || message.length <= SEALED_WHOLE_BYTES_MAX) return message.length
  return frameHeaderBytes(message[ROUTE_LENGTH_OFFSET] ?? 0)
}

/** `forged`: not sealed by the peer. `malformed`: the peer itself breaks the rules. */
export type RecordFault = 'forged' | 'malformed'

/** A message of which a part has come. */
interface Arriving {
  /** A view of the opened part of the record: all of the message, or its header. */
  readonly head: Uint8Array
  readonly bodyBytes: number
}

/** One direction, receiving. What it is given may be overwritten afterwards: bodies are copied once, to where they stay. */
export class RecordReader {
  readonly #aead: Aead
  readonly #messageBytesMax: number
  #records = 0
  /** The length of the next sealed part as far as it has come: its value, and in how many bytes. */
  #length = 0
  #lengthBytes = 0
  /** The sealed part, and how much of it, or of the message, has come. */
  #part: Buffer | undefined
  #filled = 0
  /** Messages of the current record that are not complete, in order; the body of the first is being filled in. */
  #arriving: Arriving[] = []
  #next = 0
  #message: Buffer | undefined

  /** `messageBytesMax`: a longer message is malformed. */
  constructor(aead: Aead, messageBytesMax: number) {
    this.#aead = aead
    this.#messageBytesMax = messageBytesMax
  }

  /** How many records have been authenticated. */
  get records(): number {
    return this.#records
  }

  /** The messages that `chunk` completes. After a fault it must not be called again. */
  push(chunk: Uint8Array): Uint8Array[] | RecordFault {
    const complete: Uint8Array[] = []
    for (let at = 0; at < chunk.length;) {
      if (this.#next < this.#arriving.length) {
        at = this.#fill(chunk, at, complete)
        continue
      }
      const part = this.#part
      if (!part) {
        if (this.#readLength(chunk[at++] ?? 0)) return 'forged'
        continue
      }
      at = this.#gather(part, chunk, at)
      if (this.#filled < part.length) break
      const fault = this.#open(part, complete)
      if (fault) return fault
    }
    return complete
  }

  #gather(part: Buffer, chunk: Uint8Array, at: number): number {
    const bytes = Math.min(chunk.length - at, part.length - this.#filled)
    part.set(chunk.subarray(at, at + bytes), this.#filled)
    this.#filled += bytes
    return at + bytes
  }

  /** True if no sealer writes such a length. It is not sealed: whoever is in between may have written it. */
  #readLength(byte: number): boolean {
    this.#length += (byte & 127) * 128 ** this.#lengthBytes++
    const most = Math.max(RECORD_BYTES_MAX, ENTRY_BYTES_MAX + this.#messageBytesMax)
    if (this.#length > most) return true
    if (byte >= 128) return this.#lengthBytes === LENGTH_BYTES_MAX
    const bytes = this.#length + SHORT_TAG_BYTES
    this.#length = 0
    this.#lengthBytes = 0
    this.#part = bytes < POOLED_BYTES_MAX ? Buffer.allocUnsafe(bytes) : allocateBulk(bytes)
    return false
  }

  #open(part: Buffer, complete: Uint8Array[]): RecordFault | undefined {
    const opened = this.#aead.open(this.#records, NOTHING, part)
    if (!opened) return 'forged'
    this.#records++
    this.#part = undefined
    this.#filled = 0
    const entries = readEntries(opened, this.#messageBytesMax)
    if (!entries) return 'malformed'
    this.#arriving = entries
    this.#next = 0
    this.#passOn(complete)
    return undefined
  }

  /** Messages that have all they need are complete; the first that has not gets its place. */
  #passOn(complete: Uint8Array[]): void {
    for (let entry = this.#arriving[this.#next]; entry; entry = this.#arriving[++this.#next]) {
      if (entry.bodyBytes > 0) {
        this.#message = allocateBulk(entry.head.length + entry.bodyBytes)
        this.#message.set(entry.head)
        this.#filled = entry.head.length
        return
      }
      complete.push(entry.head)
    }
    this.#arriving = []
    this.#next = 0
  }

  #fill(chunk: Uint8Array, at: number, complete: Uint8Array[]): number {
    const message = this.#message
    if (!message) return chunk.length
    const bytes = Math.min(chunk.length - at, message.length - this.#filled)
    message.set(chunk.subarray(at, at + bytes), this.#filled)
    this.#filled += bytes
    if (this.#filled === message.length) {
      complete.push(message)
      this.#message = undefined
      this.#filled = 0
      this.#next++
      this.#passOn(complete)
    }
    return at + bytes
  }
}

/** `undefined` if they are not what a sealer writes. */
function readEntries(opened: Uint8Array, messageBytesMax: number): Arriving[] | undefined {
  const entries: Arriving[] = []
  const reader = new Leb128Reader(opened)
  let bodies = 0
  while (reader.at < opened.length) {
    const first = reader.next()
    const bodyBytes = first % 2 === 1 ? reader.next() : 0
    const headBytes = Math.floor(first / 2)
    bodies += bodyBytes
    if (headBytes + bodyBytes > messageBytesMax || bodies > Math.max(RECORD_BYTES_MAX, messageBytesMax)) return undefined
    entries.push({ head: reader.take(headBytes), bodyBytes })
    if (!reader.sound) return undefined
  }
  return entries
}
