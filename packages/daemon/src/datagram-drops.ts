/**
 * Why datagrams were thrown away, counted where the thread that throws and the thread that reports both see it: a
 * packet of a stranger costs this number and nothing else, no message and no log line.
 */

const REASONS = ['short', 'unknown', 'forged', 'replayed', 'malformed', 'unread', 'unsent'] as const
export type DropReason = (typeof REASONS)[number]

/**
 * Since the start. `unknown`: for no association we know. `malformed`: sealed by a peer, but begins like a probe and
 * is none. `unread`: the main thread was too far behind to be told. `unsent`: too much waited to leave.
 */
export type DatagramDrops = Readonly<Record<DropReason, number>>

export class DropCounters {
  readonly memory: SharedArrayBuffer
  readonly #cells: BigUint64Array

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(REASONS.length * BigUint64Array.BYTES_PER_ELEMENT)) {
    this.memory = memory
    this.#cells = new BigUint64Array(memory)
  }

  count(reason: DropReason): void {
    Atomics.add(this.#cells, REASONS.indexOf(reason), 1n)
  }

  read(): DatagramDrops {
    const counts = REASONS.map((reason, cell) => [reason, Number(Atomics.load(this.#cells, cell))])
    return Object.fromEntries(counts) as DatagramDrops
  }
}
