/**
 * A fault that was ordered, and the proof that it happened: `dropped` counts what it kept from its way (packets,
 * flights, dials; for a crash connections, for a stall inputs). A scenario whose faults hit nothing has tested nothing.
 */
export type FaultKind = 'cut' | 'loss' | 'delay' | 'crash' | 'power' | 'stall' | 'skew' | 'disk'

export class Fault {
  readonly kind: FaultKind
  /** For people: `cut a | b`. */
  readonly what: string
  dropped = 0
  /** Of a fault that drops by chance: how many it should have dropped of what it has met. */
  expected = 0
  /** What it was for was gone before it could hit anything. */
  moot = false
  readonly #undo: () => void
  #active = true

  constructor(kind: FaultKind, what: string, undo: () => void = () => {}) {
    this.kind = kind
    this.what = what
    this.#undo = undo
  }

  get active(): boolean {
    return this.#active
  }

  /** Ends the fault. Doing it twice is harmless. */
  heal(): void {
    if (!this.#active) return
    this.#active = false
    this.#undo()
  }
}
