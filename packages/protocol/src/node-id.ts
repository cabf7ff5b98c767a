/**
 * Names and the numbers that stand for them on the wire.
 *
 * A frame carries its route, so a node needs a short id: 4 bytes, the FNV-1a hash of its name. Anybody who knows
 * a name knows the id, with no directory to ask. The authority refuses to issue a name whose id is taken.
 */

declare const nodeIdBrand: unique symbol

/** A node on the wire: an unsigned 32-bit number, unique within its network. */
export type NodeId = number & { readonly [nodeIdBrand]: true }

/** Names of nodes, sites, regions and networks: lower-case letters, digits, dots and hyphens, 1 to 63 characters. */
export const NAME_PATTERN: RegExp = /^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$/

/** FNV-1a, 32 bit (Fowler, Noll, Vo; draft-eastlake-fnv). Names are ASCII, so code units are bytes. */
export function nodeId(name: string): NodeId {
  let hash = 0x811c9dc5
  for (let i = 0; i < name.length; i++) {
    hash ^= name.charCodeAt(i)
    hash = Math.imul(hash, 0x01000193)
  }
  return (hash >>> 0) as NodeId
}

/** Brands a number that was read from the wire. */
export function asNodeId(value: number): NodeId {
  return (value >>> 0) as NodeId
}
