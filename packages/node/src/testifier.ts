/**
 * Tells hubs what this node sees of its site: at once when it changes, and whole to each hub that is new.
 *
 *  1. Each hub is told the same, under the same number, until something else is to be said.
 */
import type { NodeId, Sighting, Testimony } from '@causeway/protocol'

export interface Statement {
  readonly gateway: boolean
  readonly term: number
  readonly seen: readonly Sighting[]
}

export class Testifier {
  readonly #witness: Pick<Testimony, 'witness' | 'incarnation' | 'site' | 'region'>
  readonly #send: (hub: NodeId, testimony: Testimony) => void
  /** Hub → the number of what it was told last. */
  readonly #told = new Map<NodeId, number>()
  #said = ''
  #sequence = 0

  constructor(witness: Pick<Testimony, 'witness' | 'incarnation' | 'site' | 'region'>, send: (hub: NodeId, testimony: Testimony) => void) {
    this.#witness = witness
    this.#send = send
  }

  /** The hub may have forgotten what it was told. */
  forget(hub: NodeId): void {
    this.#told.delete(hub)
  }

  say(hubs: readonly NodeId[], { gateway, term, seen }: Statement): void {
    const said = `${gateway} ${term} ${seen.map(({ node, state, how }) => `${node} ${state} ${how}`).join()}`
    if (said !== this.#said) this.#sequence++
    this.#said = said
    for (const hub of hubs) {
      if (this.#told.get(hub) === this.#sequence) continue
      this.#told.set(hub, this.#sequence)
      this.#send(hub, { ...this.#witness, sequence: this.#sequence, lan: true, gateway, term, ageMs: 0, seen })
    }
  }
}
