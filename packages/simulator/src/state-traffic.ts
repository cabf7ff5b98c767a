/**
 * Programs that write records at random nodes, and readers that compare replicas in the end. Every key has one
 * writer, who writes growing numbers: whatever a replica shows says how far it has come.
 */
import type { Random } from '@causeway/protocol'
import type { NodeMachine } from '@causeway/node'
import { type ReplicaHolding, checkConvergence, checkKept, checkWrites } from './checkers.ts'
import type { Fleet, FleetNode } from './fleet.ts'
import type { Observations } from './observations.ts'

const COLLECTION = 'tasks'
const KEYS_PER_NODE = 3
const BURST_MAX = 5

export class StateTraffic {
  readonly #fleet: Fleet
  readonly #observations: Observations<NodeMachine>
  readonly #random: Random
  readonly #lives = new Map<string, number>()
  readonly #losses: string[] = []
  #lastValue = 0

  constructor(fleet: Fleet, observations: Observations<NodeMachine>, random: Random) {
    this.#fleet = fleet
    this.#observations = observations
    this.#random = random
    fleet.world.watch((node, effect) => {
      if (effect.type === 'written' && effect.result.ok) observations.acknowledged(node, effect.request)
    })
    // The wall clock is what a process hears first: it has read its disk, and nobody else yet.
    fleet.world.observe((node, input) => {
      if (input.type !== 'wall' || this.#lives.get(node.name) === node.incarnation) return
      this.#lives.set(node.name, node.incarnation)
      this.#losses.push(...checkKept(node.name, observations.writes, (name, partition, key) => this.#read(name, partition, key)))
    })
  }

  /** A few writes at once, at a random edge node that runs, to its own site's partition. Returns who wrote. */
  write(): string | undefined {
    const { world, edges } = this.#fleet
    const running = edges.filter(({ name }) => world.node(name).alive)
    const edge = running[this.#random.uint32() % Math.max(1, running.length)]
    if (!edge) return undefined
    for (let left = 1 + (this.#random.uint32() % BURST_MAX); left > 0; left--) this.#writeOne(edge)
    return edge.name
  }

  #writeOne(edge: FleetNode): void {
    const { world } = this.#fleet
    const node = world.node(edge.name)
    const request = node.nextRequest()
    const key = `${edge.name}-${this.#random.uint32() % KEYS_PER_NODE}`
    const value = ++this.#lastValue
    this.#observations.wrote(node, request, { node: edge.name, partition: `${COLLECTION}/${edge.site}`, key, value })
    world.request(edge.name, {
      type: 'write',
      request,
      collection: COLLECTION,
      partition: edge.site,
      changes: [{ key, operation: { type: 'put', value } }],
    })
  }

  check(): string[] {
    return [
      ...this.#losses,
      ...checkConvergence(this.#holdings()),
      ...checkWrites(
        this.#observations.writes,
        (partition) => this.#interested(partition).map(({ name }) => name),
        (node, partition, key) => this.#read(node, partition, key),
      ),
    ]
  }

  /** Hubs want everything, edges what belongs to their site. */
  #interested(partition: string): FleetNode[] {
    const site = siteOf(partition)
    return [...this.#fleet.hubs, ...this.#fleet.edges.filter((edge) => edge.site === site)]
  }

  #holdings(): ReplicaHolding[] {
    const partitions = new Set(this.#observations.writes.map(({ partition }) => partition))
    return [...partitions].flatMap((partition) =>
      this.#interested(partition).map(({ name }) => ({
        node: name,
        partition,
        contentHash: this.#machine(name).replica.contentHash(COLLECTION, siteOf(partition)),
      })),
    )
  }

  #read(name: string, partition: string, key: string): unknown {
    return this.#machine(name).replica.get(COLLECTION, siteOf(partition), key)?.value
  }

  #machine(name: string): NodeMachine {
    return this.#fleet.world.node(name).machine
  }
}

function siteOf(partition: string): string {
  return partition.slice(partition.indexOf('/') + 1)
}
