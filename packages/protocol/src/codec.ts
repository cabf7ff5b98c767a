/**
 * The record codec: msgpack for control bodies, credentials and batches. Maps, not msgpackr's record extension,
 * so that any msgpack reader can follow; unknown fields survive decoding and are skipped by the schemas.
 */
import { Packr } from 'msgpackr'

const packr: Packr = new Packr({ useRecords: false, variableMapSize: true, int64AsType: 'number' })

export function encodeRecord(value: unknown): Uint8Array {
  // msgpackr hands out views of a shared slab; what we keep or send must own its bytes.
  return new Uint8Array(packr.pack(value))
}

/** The decoded value, or `undefined` if the bytes are not one msgpack value. Never throws. */
export function decodeRecord(bytes: Uint8Array): unknown {
  try {
    return packr.unpack(bytes)
  } catch {
    return undefined
  }
}
