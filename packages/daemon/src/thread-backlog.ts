/**
 * How many bytes wait between two threads. A message port queues without bound for a thread that does not read; so
 * the writer takes from a budget before it posts, and the reader gives back what it has read.
 */
export const BACKLOG_BYTES_MAX: number = 1024 * 1024

export class ThreadBacklog {
  readonly memory: SharedArrayBuffer
  readonly #waiting: Int32Array

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) {
    this.memory = memory
    this.#waiting = new Int32Array(memory)
  }

  /** False if the reader is too far behind: then do not post. */
  take(bytes: number): boolean {
    if (Atomics.load(this.#waiting, 0) + bytes > BACKLOG_BYTES_MAX) return false
    Atomics.add(this.#waiting, 0, bytes)
    return true
  }

  giveBack(bytes: number): void {
    Atomics.sub(this.#waiting, 0, bytes)
  }
}
