/**
 * Packs what a state session says. What is small and comes now and then, as changes of records do, goes by its likeness to what was
 * said before (`likeness-coder.ts`): every byte of it is paid for at hundreds of sites. What is large, or more than a session's share
 * of processor time, goes through one zstd stream for each direction, in a tenth of the time. Each message is flushed, so it can be
 * read as soon as it is there. A message of the second kind begins with 0xFF; those of the first never do.
 *
 * The engine of node:zlib is driven directly, since its streams answer later, from another thread: a message would have to
 * wait for a turn of the event loop, and so would everything behind it. `writeSync` is what node's own one-shot functions
 * call; that it is there is checked when the first codec is made.
 *
 *  1. Messages are unpacked as they were packed, whole, in order.
 *  2. No message unpacks to more than `messageBytesMax`, and none makes us keep more than a window of `2 ** WINDOW_LOG` bytes.
 *  3. After a fault a direction is dead: the state of the two ends is no longer the same.
 */
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib'
import { CausewayError } from '@causeway/protocol'
import type { SessionCodec } from '@causeway/node'
import { BitCoder } from './bit-coder.ts'
import { LikenessCoder } from './likeness-coder.ts'

const WINDOW_LOG = 16
/** More thorough than level 1, in as little memory. */
const PACKING = {
  [constants.ZSTD_c_windowLog]: WINDOW_LOG,
  [constants.ZSTD_c_strategy]: constants.ZSTD_lazy,
  [constants.ZSTD_c_hashLog]: 14,
  [constants.ZSTD_c_chainLog]: 14,
  [constants.ZSTD_c_searchLog]: 4,
  [constants.ZSTD_c_minMatch]: 4,
}
const CHUNK = constants.Z_MIN_CHUNK
/** What each run writes into, before it is copied to where it stays. */
const SCRATCH = new Uint8Array(64 * 1024)

/** The part of a zlib stream that does the work. */
interface Engine {
  writeSync(flush: number, input: Uint8Array, at: number, bytes: number, output: Uint8Array, to: number, room: number): void
  close(): void
}

class Direction {
  readonly #engine: Engine
  /** After a run: bytes of room and of input that are left. */
  readonly #left: Uint32Array
  readonly #flush: number
  readonly #bytesMax: number
  #dead = false

  constructor(stream: object, flush: number, bytesMax: number) {
    const { _handle: engine, _writeState: left } = stream as { _handle?: Engine; _writeState?: Uint32Array }
    if (typeof engine?.writeSync !== 'function' || !left) {
      throw new CausewayError('refused', 'this version of Node.js has another zlib than Causeway knows', 'run it with Node.js 24')
    }
    this.#engine = engine
    this.#left = left
    this.#flush = flush
    this.#bytesMax = bytesMax
    // It is no event target: this is how it tells.
    Object.assign(engine, { onerror: () => (this.#dead = true) })
  }

  run(input: Uint8Array): Uint8Array | undefined {
    const pieces: Uint8Array[] = []
    let total = 0
    for (let at = 0; !this.#dead;) {
      this.#engine.writeSync(this.#flush, input, at, input.length - at, SCRATCH, 0, SCRATCH.length)
      const [room = 0, rest = 0] = this.#left
      const made = SCRATCH.length - room
      total += made
      if (total > this.#bytesMax) break
      pieces.push(SCRATCH.slice(0, made))
      at = input.length - rest
      if (room > 0) return this.#whole(pieces, rest)
    }
    this.#dead = true
    return undefined
  }

  close(): void {
    this.#dead = true
    this.#engine.close()
  }

  /** Input that is left over lies behind the end of the stream, which has none. */
  #whole(pieces: readonly Uint8Array[], rest: number): Uint8Array | undefined {
    if (this.#dead || rest > 0) {
      this.#dead = true
      return undefined
    }
    const [only] = pieces
    return pieces.length === 1 && only ? only : Buffer.concat(pieces)
  }
}

/** A longer message goes through zstd. */
const SMALL_BYTES_MAX = 4 * 1024
/** What a session may send by likeness in the long run, and at once: 0.4 µs a byte at each end. */
const BYTES_PER_MS = 4
const BURST_BYTES = 32 * 1024
/** The worst that opinions can do to a byte. */
const PACKED_BYTES_MAX = 16 * SMALL_BYTES_MAX
const BULK = 0xff

/** Shared by all sessions: a message is coded in one go. */
const CODER = new BitCoder()
const ROOM = new Uint8Array(SMALL_BYTES_MAX)

export class SessionPacker implements SessionCodec {
  readonly #messageBytesMax: number
  readonly #nowMs: () => number
  readonly #said = new LikenessCoder()
  readonly #heard = new LikenessCoder()
  #packing: Direction | undefined
  #unpacking: Direction | undefined
  #shareBytes = BURST_BYTES
  #sharedAt: number
  #dead = false

  constructor(messageBytesMax: number, nowMs: () => number = () => performance.now()) {
    this.#messageBytesMax = messageBytesMax
    this.#nowMs = nowMs
    this.#sharedAt = nowMs()
  }

  pack(message: Uint8Array): Uint8Array {
    if (this.#mayLinger(message.length)) {
      CODER.write(PACKED_BYTES_MAX)
      this.#said.write(CODER, message)
      return CODER.finish()
    }
    this.#said.note(message)
    this.#packing ??= new Direction(createZstdCompress({ chunkSize: CHUNK, params: PACKING }), constants.ZSTD_e_flush, Infinity)
    const packed = this.#packing.run(message)
    if (!packed) throw new CausewayError('refused', 'zstd cannot compress', 'restart the node: its memory may be used up')
    return Buffer.concat([Uint8Array.of(BULK), packed])
  }

  unpack(packed: Uint8Array): Uint8Array | undefined {
    const message = this.#dead ? undefined : packed[0] === BULK ? this.#unpackBulk(packed.subarray(1)) : this.#read(packed)
    if (!message) this.#dead = true
    return message
  }

  close(): void {
    this.#dead = true
    this.#packing?.close()
    this.#unpacking?.close()
  }

  #mayLinger(bytes: number): boolean {
    const now = this.#nowMs()
    this.#shareBytes = Math.min(BURST_BYTES, this.#shareBytes + (now - this.#sharedAt) * BYTES_PER_MS)
    this.#sharedAt = now
    if (bytes > SMALL_BYTES_MAX || bytes > this.#shareBytes) return false
    this.#shareBytes -= bytes
    return true
  }

  #read(packed: Uint8Array): Uint8Array | undefined {
    if (packed.length === 0 || packed.length > PACKED_BYTES_MAX) return undefined
    CODER.read(packed)
    const bytes = this.#heard.read(CODER, ROOM)
    return bytes < 0 ? undefined : ROOM.slice(0, bytes)
  }

  #unpackBulk(packed: Uint8Array): Uint8Array | undefined {
    const params = { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG }
    this.#unpacking ??= new Direction(createZstdDecompress({ chunkSize: CHUNK, params }), constants.ZSTD_e_flush, this.#messageBytesMax)
    const message = this.#unpacking.run(packed)
    if (message) this.#heard.note(message)
    return message
  }
}
