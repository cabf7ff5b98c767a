/**
 * When and by whom a record was written, and the total order in which the newest wins: hybrid logical clock first
 * (Kulkarni et al., "Logical Physical Clocks", 2014), then the writer's name, then its epoch. The order does not
 * depend on who asks or on what arrived first, so replicas that hold the same batches show the same records.
 */
export interface Stamp {
  /** Wall clock of the writer, milliseconds since 1970, never going backwards. */
  readonly ms: number
  /** Tells stamps of the same millisecond apart. */
  readonly counter: number
  readonly writer: string
  readonly epoch: number
}

/** Above zero if `a` wins over `b`. */
export function compareStamps(a: Stamp, b: Stamp): number {
  if (a.ms !== b.ms) return a.ms - b.ms
  if (a.counter !== b.counter) return a.counter - b.counter
  if (a.writer !== b.writer) return a.writer < b.writer ? -1 : 1
  return a.epoch - b.epoch
}

/** Opaque to readers: equal if and only if the stamps are. */
export function revisionOf({ ms, counter, epoch, writer }: Stamp): string {
  // Kept for every record: what is joined is one string, what is concatenated stays a tree of its parts, of four times the size.
  return [ms.toString(36), counter.toString(36), epoch.toString(36), writer].join('.')
}
