/**
 * What may follow a STAMP packet (RFC 8972, 4): TLVs, each with flags by which the reflector says what it made of it.
 * Of the types we know one, Extra Padding (4.1), which makes a packet as long as one wants; all others go back
 * marked as not understood.
 *
 *     0   u8    flags: 0x80 U not understood, 0x40 M malformed, 0x20 I integrity failed
 *     1   u8    type
 *     2   u16   n, length of the value
 *     4   n     value
 *
 * A sender sets U, so that a reflector that knows nothing of TLVs and returns them untouched is told apart.
 */
export const TLV_HEAD_BYTES = 4

const NOT_UNDERSTOOD = 0x80
const MALFORMED = 0x40
const RESULTS = 0xe0
const TYPE_RESERVED = 0
const TYPE_EXTRA_PADDING = 1
const LENGTH_MAX = 0xffff

/** Fills the packet from `at` with padding, of zeros; nothing if there is no room for a TLV. */
export function writePadding(packet: Uint8Array, at: number): void {
  const length = packet.length - at - TLV_HEAD_BYTES
  if (length < 0) return
  packet[at] = NOT_UNDERSTOOD
  packet[at + 1] = TYPE_EXTRA_PADDING
  new DataView(packet.buffer, packet.byteOffset).setUint16(at + 2, Math.min(length, LENGTH_MAX))
}

/** Sets, in the copy of the TLVs that goes back, the flags of the reflector. Bytes that are no TLVs stay as they are. */
export function answerTlvs(packet: Uint8Array, from: number): void {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength)
  let at = from
  while (at + TLV_HEAD_BYTES <= packet.length) {
    const type = view.getUint8(at + 1)
    // Plain padding, as of TWAMP Light.
    if (type === TYPE_RESERVED) return
    const end = at + TLV_HEAD_BYTES + view.getUint16(at + 2)
    const flags = view.getUint8(at) & ~RESULTS
    const unknown = type === TYPE_EXTRA_PADDING ? 0 : NOT_UNDERSTOOD
    if (end > packet.length) {
      view.setUint8(at, flags | unknown | MALFORMED)
      return
    }
    view.setUint8(at, flags | unknown)
    at = end
  }
}
