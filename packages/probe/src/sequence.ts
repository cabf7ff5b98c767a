/**
 * Sequence numbers of 16 bits that begin again: how far one is from another, the short way round (RFC 1982).
 */
export const SEQUENCE_MASK = 0xffff

/** From `earlier` to `later`; negative if `later` is the older one. Both within 2¹⁵ of each other. */
export function sequenceDistance(earlier: number, later: number): number {
  return ((later - earlier) << 16) >> 16
}
