/**
 * Channels of local programs, over the local API: a request to `/v1/open/SERVICE@SITE` that asks to be upgraded to
 * `causeway-channel` (RFC 9110, 7.8). After the answer 101 both sides send frames, until both have finished or one resets:
 *
 *     0      kind: 0 data, 1 finish (this side sends no more), 2 reset (text: why; the last frame)
 *     1–3    length of what follows, big-endian, at most 64 KiB
 *     4…     the bytes
 *
 * Of a TCP service the borders of frames mean nothing; of a UDP service every data frame is a datagram.
 */
import { joinBytes } from './crypto.ts'

export const CHANNEL_UPGRADE = 'causeway-channel'
export const CHANNEL_FRAME_BYTES_MAX: number = 64 * 1024

const HEAD_BYTES = 4
const KINDS = ['data', 'finish', 'reset'] as const

export type ChannelFrameKind = (typeof KINDS)[number]

export interface ChannelFrame {
  readonly kind: ChannelFrameKind
  readonly bytes: Uint8Array
}

/** What stands before the bytes. */
export function channelFrameHead(kind: ChannelFrameKind, length: number): Uint8Array {
  return Uint8Array.of(KINDS.indexOf(kind), length >>> 16, (length >>> 8) & 0xff, length & 0xff)
}

/** Puts frames together from what arrives. */
export class ChannelFrameReader {
  #rest: Uint8Array = new Uint8Array(0)

  /** The frames that are complete now; `undefined` for what are no frames. */
  push(chunk: Uint8Array): ChannelFrame[] | undefined {
    const bytes = this.#rest.length === 0 ? chunk : joinBytes(this.#rest, chunk)
    const frames: ChannelFrame[] = []
    let at = 0
    while (at + HEAD_BYTES <= bytes.length) {
      const [code = 0, high = 0, middle = 0, low = 0] = bytes.subarray(at, at + HEAD_BYTES)
      const kind = KINDS[code]
      const length = high * 65_536 + middle * 256 + low
      if (!kind || length > CHANNEL_FRAME_BYTES_MAX) return undefined
      const end = at + HEAD_BYTES + length
      if (end > bytes.length) break
      frames.push({ kind, bytes: bytes.subarray(at + HEAD_BYTES, end) })
      at = end
    }
    this.#rest = bytes.subarray(at)
    return frames
  }
}
