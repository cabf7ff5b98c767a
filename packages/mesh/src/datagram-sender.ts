/**
 * The sending end of what is sent once: cuts messages into fragments that fit a datagram, and sends them over the active
 * path, or the two best (`twin`). What may not go out now is dropped: late data is of no use to anybody.
 *
 *  1. Before the peer knows the channel at most `HELD_MAX` messages wait, the newest.
 */
import { AEAD_TAG_BYTES, DATAGRAM_BYTES_MAX, type Instant, frameHeaderBytes } from '@causeway/protocol'
import { SEALED_HEADER_BYTES } from './association-packet.ts'
import { DATAGRAM_HEADER_BYTES, type DatagramPacket } from './channel-packet.ts'
import type { Path } from './path.ts'
import type { PathSet } from './path-set.ts'
import type { Sender } from './sender.ts'

const HELD_MAX = 64
const FRAGMENTS_MAX = 255

export interface DatagramSenderOptions {
  readonly paths: PathSet
  readonly twin: boolean
  readonly sender: Pick<Sender, 'once'>
  readonly emit: (path: Path, packet: Pick<DatagramPacket, 'packet' | 'sequence' | 'fragment' | 'fragments' | 'payload'>) => void
}

export class DatagramSender {
  readonly #options: DatagramSenderOptions
  #held: Uint8Array[] = []
  #nextSequence = 0
  /** Messages that could not be sent when they were new. */
  dropped = 0

  constructor(options: DatagramSenderOptions) {
    this.#options = options
  }

  write(message: Uint8Array): void {
    this.#held.push(message)
    if (this.#held.length <= HELD_MAX) return
    this.#held.shift()
    this.dropped++
  }

  pump(now: Instant): void {
    for (const message of this.#held) this.#send(now, message)
    this.#held = []
  }

  #send(now: Instant, message: Uint8Array): void {
    const { paths, twin } = this.#options
    const first = paths.choose()
    const second = twin ? paths.choose(first) : undefined
    const sequence = this.#nextSequence++
    let sent = false
    for (const path of new Set([first, second])) if (path && this.#over(now, path, sequence, message)) sent = true
    if (!sent) this.dropped++
  }

  #over(now: Instant, path: Path, sequence: number, message: Uint8Array): boolean {
    const room = DATAGRAM_BYTES_MAX - frameHeaderBytes(path.route.length) - SEALED_HEADER_BYTES - DATAGRAM_HEADER_BYTES - AEAD_TAG_BYTES
    const fragments = Math.max(1, Math.ceil(message.length / room))
    if (path.fullFor(this.#options.sender, now) || fragments > FRAGMENTS_MAX) return false
    for (let fragment = 0; fragment < fragments; fragment++) {
      const payload = message.subarray(fragment * room, (fragment + 1) * room)
      this.#options.sender.once(now, path, payload.length, (packet) =>
        this.#options.emit(path, { packet, sequence, fragment, fragments, payload }),
      )
    }
    return true
  }
}
