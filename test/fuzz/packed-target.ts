/**
 * What state sessions packed, in front of an unpacker: whatever comes, it answers with a message within bounds or is dead from then
 * on, as long as nothing was changed it gives back what was said, and its memory does not grow.
 */
import { type SeededRandom, equalBytes } from '@causeway/protocol'
import { SessionPacker } from '../../packages/daemon/src/session-codec.ts'
import type { FuzzTarget } from './fuzz-target.ts'
import { mutate } from './mutate.ts'

const MESSAGE_BYTES_MAX = 64 * 1024
const MESSAGES = 24
/** One of so many is for zstd. */
const BULK_RATIO = 8
/** Changed bytes that a direction is given, if it goes on. */
const CHANGED_MAX = 8

export class PackedTarget implements FuzzTarget {
  readonly name = 'packed sessions'
  readonly #said: readonly Uint8Array[]
  readonly #packed: readonly Uint8Array[]

  constructor(random: SeededRandom) {
    const packer = new SessionPacker(MESSAGE_BYTES_MAX)
    const record = Uint8Array.from({ length: 300 }, () => random.uint32() % 64)
    this.#said = Array.from({ length: MESSAGES }, (_, at) => {
      if (at % BULK_RATIO === BULK_RATIO - 1) return Uint8Array.from({ length: 5_000 }, (_, n) => (n * at) % 7)
      return mutate(record, random)
    })
    this.#packed = this.#said.map((message) => new Uint8Array(packer.pack(message)))
    packer.close()
  }

  round(random: SeededRandom): 'refused' | 'taken' {
    const unpacker = new SessionPacker(MESSAGE_BYTES_MAX)
    let taken = true
    try {
      const honest = random.uint32() % MESSAGES
      for (let at = 0; at < honest; at++) {
        const message = unpacker.unpack(this.#packed[at] as Uint8Array)
        if (!message || !equalBytes(message, this.#said[at] as Uint8Array)) throw new Error('what nobody changed is not what was said')
      }
      for (let left = CHANGED_MAX; left > 0 && taken; left--) {
        const message = unpacker.unpack(mutate(this.#packed[random.uint32() % MESSAGES] as Uint8Array, random))
        taken = message !== undefined
        if (message && message.length > MESSAGE_BYTES_MAX) throw new Error(`a message of ${message.length} bytes`)
      }
      if (!taken && unpacker.unpack(this.#packed[honest] as Uint8Array)) throw new Error('it goes on after a fault')
    } finally {
      unpacker.close()
    }
    return taken ? 'taken' : 'refused'
  }
}
