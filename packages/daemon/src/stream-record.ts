/**
 * Records: what travels on a socket of the `stream` lane. The body of a frame is sealed end to end, by its channel; a hop
 * seals what it acts on, the lengths and the headers, and passes the body on as it is. So one record costs one small
 * encryption, however much it carries, and a relay never encrypts a body.
 *
 * Layout, big-endian; a record holds k messages, whose lengths its sealed part tells:
 *
 *     0     u32    s, length of the sealed part
 *     4     s      AES-256-GCM of k entries, and the tag (16); nonce = u32 0 ‖ u64 number of the record, from 0 in each direction
 *     4+s          the bodies of those messages that have one here, one after the other, not sealed
 *
 *     entry:
 *     0     u24    h, bytes of the message that follow in the entry: its header, or all of it
 *     3     u24    b, bytes of the message that follow the sealed part
 *     6     h
 *
 * Bodies are not authenticated by the hop. Who changes one on the way makes its receiver drop the frame, as who cuts the
 * line does; he cannot shift a boundary, since the lengths are sealed, nor take one frame for another at its destination,
 * since the channel numbers and seals them. A message that is not a frame is nobody else's to seal: it goes into its entry.
 */
import { AEAD_TAG_BYTES, type Aead, frameHeaderBytes, isFrame } from '@causeway/protocol'
import { allocateBulk } from './bulk-memory.ts'

/** A record takes messages as long as they fit in here, and at least one. */
export const RECORD_BYTES_MAX: number = 256 * 1024
/** To seal so little costs less than an allocation and a slice of its own, here and at the peer. */
const SEALED_WHOLE_BYTES_MAX = 2048

/** Node cuts smaller buffers from a larger one. */
const POOLED_BYTES_MAX = 4096

const LENGTH_BYTES = 4
const ENTRY_BYTES = 6
const ROUTE_LENGTH_OFFSET = 4
const NOTHING: Uint8Array = new Uint8Array(0)

/** What a message takes in a record, the record's own bytes aside. */
export function recordedBytes(message: Uint8Array): number {
  return ENTRY_BYTES + message.length
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
    for (const message of messages) entries += ENTRY_BYTES + sealedBytesOf(message)
    const head = Buffer.allocUnsafe(LENGTH_BYTES + entries + AEAD_TAG_BYTES)
    const buffers: Uint8Array[] = [head]
    let at = head.writeUInt32BE(entries + AEAD_TAG_BYTES, 0)
    for (const message of messages) {
      const sealed = sealedBytesOf(message)
      at = head.writeUIntBE(sealed, at, 3)
      at = head.writeUIntBE(message.length - sealed, at, 3)
      head.set(sealed === message.length ? message : message.subarray(0, sealed), at)
      at += sealed
      if (sealed < message.length) buffers.push(message.subarray(sealed))
    }
    this.#aead.seal(this.#records++, NOTHING, head, LENGTH_BYTES, LENGTH_BYTES + entries)
    return buffers
  }
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
  /** The length of the next sealed part, or that part, as far as it has come. */
  readonly #length = Buffer.alloc(LENGTH_BYTES)
  #part: Buffer = this.#length
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
      at = this.#gather(chunk, at)
      if (this.#filled < this.#part.length) break
      this.#filled = 0
      const fault = this.#part === this.#length ? this.#expectSealed() : this.#open(complete)
      if (fault) return fault
    }
    return complete
  }

  #gather(chunk: Uint8Array, at: number): number {
    const bytes = Math.min(chunk.length - at, this.#part.length - this.#filled)
    this.#part.set(chunk.subarray(at, at + bytes), this.#filled)
    this.#filled += bytes
    return at + bytes
  }

  #expectSealed(): RecordFault | undefined {
    const bytes = this.#length.readUInt32BE(0)
    const most = Math.max(RECORD_BYTES_MAX, ENTRY_BYTES + this.#messageBytesMax) + AEAD_TAG_BYTES
    // The length is not sealed: whoever is in between may have written it.
    if (bytes < AEAD_TAG_BYTES || bytes > most) return 'forged'
    this.#part = bytes < POOLED_BYTES_MAX ? Buffer.allocUnsafe(bytes) : allocateBulk(bytes)
    return undefined
  }

  #open(complete: Uint8Array[]): RecordFault | undefined {
    const opened = this.#aead.open(this.#records, NOTHING, this.#part)
    if (!opened) return 'forged'
    this.#records++
    this.#part = this.#length
    const entries = readEntries(Buffer.from(opened.buffer, opened.byteOffset, opened.length), this.#messageBytesMax)
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
function readEntries(opened: Buffer, messageBytesMax: number): Arriving[] | undefined {
  const entries: Arriving[] = []
  let bodies = 0
  for (let at = 0; at < opened.length;) {
    if (opened.length - at < ENTRY_BYTES) return undefined
    const headBytes = opened.readUIntBE(at, 3)
    const bodyBytes = opened.readUIntBE(at + 3, 3)
    at += ENTRY_BYTES
    bodies += bodyBytes
    const tooMuch = headBytes + bodyBytes > messageBytesMax || bodies > Math.max(RECORD_BYTES_MAX, messageBytesMax)
    if (tooMuch || headBytes > opened.length - at) return undefined
    entries.push({ head: opened.subarray(at, at + headBytes), bodyBytes })
    at += headBytes
  }
  return entries
}
