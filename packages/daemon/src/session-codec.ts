/**
 * One zstd stream for each direction of a state session: what one batch shares with those before it, and that is most of
 * it, costs a few bytes. Each message is flushed, so it can be read as soon as it is there.
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

const WINDOW_LOG = 16
/** Messages are small, and every byte of them is paid for; so the search is more thorough than at level 1, in as little memory. */
const PACKING = {
  [constants.ZSTD_c_windowLog]: WINDOW_LOG,
  [constants.ZSTD_c_strategy]: constants.ZSTD_lazy,
  [constants.ZSTD_c_hashLog]: 14,
  [constants.ZSTD_c_chainLog]: 14,
  [constants.ZSTD_c_searchLog]: 4,
  [constants.ZSTD_c_minMatch]: 4,
}
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

export class ZstdSessionCodec implements SessionCodec {
  readonly #packing: Direction
  readonly #unpacking: Direction

  constructor(messageBytesMax: number) {
    const { ZSTD_d_windowLogMax, ZSTD_e_flush } = constants
    const chunkSize = constants.Z_MIN_CHUNK
    const packer = createZstdCompress({ chunkSize, params: PACKING })
    const unpacker = createZstdDecompress({ chunkSize, params: { [ZSTD_d_windowLogMax]: WINDOW_LOG } })
    this.#packing = new Direction(packer, ZSTD_e_flush, Number.POSITIVE_INFINITY)
    this.#unpacking = new Direction(unpacker, ZSTD_e_flush, messageBytesMax)
  }

  pack(message: Uint8Array): Uint8Array {
    const packed = this.#packing.run(message)
    if (!packed) throw new CausewayError('refused', 'zstd cannot compress', 'restart the node: its memory may be used up')
    return packed
  }

  unpack(packed: Uint8Array): Uint8Array | undefined {
    return this.#unpacking.run(packed)
  }

  close(): void {
    this.#packing.close()
    this.#unpacking.close()
  }
}
