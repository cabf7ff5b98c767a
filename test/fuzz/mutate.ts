/** What an attacker, or a broken disk, makes of good bytes: one to three small changes. */
import type { SeededRandom } from '@causeway/protocol'

const CHANGES_MAX = 3

export function mutate(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  let copy: Uint8Array = bytes.slice()
  for (let left = 1 + (random.uint32() % CHANGES_MAX); left > 0; left--) copy = changed(copy, random)
  return copy
}

function changed(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const at = random.uint32() % (bytes.length + 1)
  switch (random.uint32() % 6) {
    case 0:
      bytes[at] = random.uint32()
      return bytes
    case 1:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (random.uint32() % 8))
      return bytes
    case 2:
      return bytes.subarray(0, at)
    case 3:
      // A piece is repeated, or left out.
      return spliced(bytes, at, bytes.subarray(random.uint32() % (bytes.length + 1)))
    case 4:
      return spliced(bytes, at, Uint8Array.of(random.uint32(), ...bytes.subarray(at)))
    default:
      // A number becomes a large one: lengths and counts are where decoders break.
      return spliced(bytes, at, Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x7f, ...bytes.subarray(at + 5)))
  }
}

function spliced(bytes: Uint8Array, at: number, rest: Uint8Array): Uint8Array {
  const made = new Uint8Array(at + rest.length)
  made.set(bytes.subarray(0, at))
  made.set(rest, at)
  return made
}
