/** What became of the frames of others, and of one's own that could not leave. */
export class FrameTally {
  /** Frames of others that were passed on. */
  relayed = 0
  readonly #dropped = new Map<string, number>()

  drop(reason: string): void {
    this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + 1)
  }

  get dropped(): Record<string, number> {
    return Object.fromEntries(this.#dropped)
  }
}
