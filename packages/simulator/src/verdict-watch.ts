/**
 * What hubs conclude of nodes while a world goes its way, and what must hold of it. Verdicts are looked at from outside, ten
 * times a second at every hub that runs.
 *
 *  1. Of a node that runs, in a site that is cut off, no hub ever says that it has crashed.
 *  2. A crash on a site that can be heard is known at every hub within 3 s.
 */
import type { Verdict } from '@causeway/protocol'
import type { NodeMachine, NodeVerdict } from '@causeway/node'
import type { Fleet } from './fleet.ts'
import type { WorldNode } from './world-node.ts'

const LOOK_MS = 100
export const CRASH_KNOWN_MS = 3_000

export class VerdictWatch {
  readonly objections: string[] = []
  readonly #fleet: Fleet
  /** Nodes of which nobody may say that they have crashed. */
  readonly #spared = new Set<string>()
  readonly #objected = new Set<string>()
  /** How often a node that ran was said to have crashed, whatever the reason. */
  falseCrashes = 0

  constructor(fleet: Fleet) {
    this.#fleet = fleet
  }

  spare(nodes: readonly string[]): void {
    for (const node of nodes) this.#spared.add(node)
  }

  spareNoMore(nodes: readonly string[]): void {
    for (const node of nodes) this.#spared.delete(node)
  }

  /** Lets time pass, and looks. */
  run(ms: number): void {
    const { world } = this.#fleet
    for (const until = world.now + ms; world.now < until;) {
      world.run(Math.min(LOOK_MS, until - world.now))
      this.#look()
    }
  }

  /** Lets time pass until every hub says so of the node; how long that took, or `undefined` if it did not come to that. */
  runUntil(node: string, verdicts: readonly Verdict[], ms: number): number | undefined {
    const { world } = this.#fleet
    const began = world.now
    while (world.now - began <= ms) {
      if (this.verdicts(node).every((verdict) => verdicts.includes(verdict))) return world.now - began
      this.run(LOOK_MS)
    }
    return undefined
  }

  /** As every hub has it that runs and does not stand still. */
  verdicts(node: string): Verdict[] {
    return this.#hubs().map((hub) => this.#of(hub, node)?.verdict ?? 'unknown')
  }

  evidence(node: string): string {
    return this.#hubs()
      .flatMap((hub) => (this.#of(hub, node)?.evidence ?? []).map(({ by, saw }) => `${hub.name} has it from ${by}: ${saw}`))
      .join('; ')
  }

  #of(hub: WorldNode<NodeMachine>, node: string): NodeVerdict | undefined {
    return hub.machine.verdicts(hub.now).find((verdict) => verdict.node === node)
  }

  #hubs(): WorldNode<NodeMachine>[] {
    return this.#fleet.hubs.map(({ name }) => this.#fleet.world.node(name)).filter((hub) => hub.alive && !hub.stalled)
  }

  #look(): void {
    const { world } = this.#fleet
    for (const hub of this.#hubs()) {
      for (const { node, verdict, evidence } of hub.machine.verdicts(hub.now)) {
        const runs = world.node(node).alive && !world.node(node).stalled
        if (verdict !== 'crashed' || !runs) continue
        this.falseCrashes++
        if (!this.#spared.has(node) || this.#objected.has(node)) continue
        this.#objected.add(node)
        const reasons = evidence.map(({ by, saw }) => `${by} ${saw}`).join('; ')
        this.objections.push(`${hub.name} says at ${Math.round(world.now)} ms that ${node} has crashed, which runs: ${reasons}`)
      }
    }
  }
}
