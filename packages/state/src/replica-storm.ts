/**
 * A storm: a small network of replicas in which everything happens that should not: cuts longer than it takes to be retired,
 * crashes, lost disks, old backups, clocks that are ten minutes wrong and are set, sessions that are opened twice, interests that
 * change. Then it heals, and what must hold is checked. One seed is one storm.
 *
 *  1. Whoever is interested in a partition has the same of it.
 *  2. Whoever only follows changes knows what a reader sees.
 *  3. What was acknowledged at a hub is there, and what was deleted there is gone for good, unless somebody was told that it is lost.
 *  4. Nobody accuses anybody but of a gap: those are found, and mended, by comparing heads.
 */
import { SeededRandom } from '@causeway/protocol'
import { Lab, type LabNode, type LabNodeOptions } from './replica-lab.ts'
import type { WriteChange } from './replica-contract.ts'

const PARTITIONS = ['hkg-1', 'nrt-1'] as const
const HORIZON_MS = 300_000
/** In every fifth storm: a fold has some records in each of several parts. */
const LARGE = 'x'.repeat(20_000)
const LARGE_EVERY = 5
const LIMITS = { foldBytesMin: 1_000, sweepEntriesMin: 3, retireAfterMs: HORIZON_MS, interestKeepMs: 20_000 }
const SKEW_MS = 600_000
/** Digests are compared every half a minute, on each of the hops, and sweeps wait a minute. */
const HEAL_MS = 240_000

export interface StormReport {
  readonly seed: number
  /** Empty if all held. */
  readonly objections: readonly string[]
  /** How often each thing happened. */
  readonly happened: Readonly<Record<string, number>>
}

interface Asked {
  readonly node: LabNode
  readonly request: number
  readonly id: string
  readonly gone: boolean
}

class Storm {
  readonly lab: Lab
  readonly random: SeededRandom
  readonly hubs: readonly LabNode[]
  readonly edges: readonly LabNode[]
  readonly happened: Record<string, number> = {}
  readonly #asked: Asked[] = []
  /** Records that are written once, by `partition|key`, and whether they were deleted. */
  readonly once = new Map<string, { put: boolean; gone: boolean }>()
  #number = 0
  readonly #isLarge: boolean

  constructor(seed: number) {
    this.#isLarge = seed % LARGE_EVERY === 0
    this.lab = new Lab(seed)
    this.random = new SeededRandom(seed * 7 + 1)
    const options = (more: LabNodeOptions): LabNodeOptions => ({ limits: LIMITS, skewMs: this.#skew(), ...more })
    const all = { interest: ['tasks/**'], write: ['tasks/**'] }
    this.hubs = ['core-1', 'core-2'].map((name) => this.lab.add(name, options({ core: true })))
    this.edges = [
      this.lab.add('hkg-1-a', options(all)),
      this.lab.add('hkg-1-b', options({ interest: ['tasks/hkg-1'], write: ['tasks/**'] })),
      this.lab.add('nrt-1-a', options(all)),
    ]
    this.linkAll()
  }

  get nodes(): readonly LabNode[] {
    return [...this.hubs, ...this.edges]
  }

  #skew(): number {
    return Math.floor((this.random.float() * 2 - 1) * SKEW_MS)
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[this.random.uint32() % items.length] as Item
  }

  linkAll(): void {
    for (let which = 0; which < 4; which++) this.#link(which, false)
  }

  /** Hubs are a mesh; two gateways, one of them with a member below. */
  #link(which: number, again: boolean): void {
    const [hub1, hub2, gateway1, member, gateway2] = this.nodes as [LabNode, LabNode, LabNode, LabNode, LabNode]
    const links = [
      [hub1, hub2, 'mesh'],
      [gateway1, hub1, 'up'],
      [member, gateway1, 'up'],
      [gateway2, hub2, 'up'],
    ] as const
    const [a, b, relation] = links[which] ?? links[0]
    if (again || !this.lab.connected(a, b)) this.lab.connect(a, b, relation)
  }

  step(): void {
    const what = this.#choose()
    this.happened[what] = (this.happened[what] ?? 0) + 1
    this.#do(what)
  }

  #choose(): string {
    const weights = { write: 14, once: 5, end: 4, steps: 8, tick: 8, second: 2, minute: 1, long: 0.4, cut: 4, link: 3, again: 0.7 }
    const rare = { crash: 2, stop: 0.7, disk: 0.3, backup: 0.3, clock: 0.5, interest: 0.5, isolate: 0.6 }
    const all = Object.entries({ ...weights, ...rare })
    let at = this.random.float() * all.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [what, weight] of all) if ((at -= weight) < 0) return what
    return 'steps'
  }

  #do(what: string): void {
    const { lab, random } = this
    switch (what) {
      case 'write':
        return this.#write(this.#pick(this.nodes))
      case 'once':
        return this.#ask(this.#pick(this.nodes), this.#pick(PARTITIONS), `once-${++this.#number}`, { type: 'put', value: this.#number })
      case 'end':
        return this.#end(this.#pick(this.nodes))
      case 'steps':
        for (let n = random.uint32() % 30; n > 0; n--) lab.step()
        return
      case 'tick':
        return lab.tick(5 + random.float() * 15)
      case 'second':
        return lab.run(random.float() * 1_000)
      case 'minute':
        return lab.run(40_000 + random.float() * 40_000)
      case 'long':
        return lab.run(HORIZON_MS * (0.5 + random.float() * 2))
      case 'cut': {
        const sessions = lab.sessions()
        if (sessions.length > 0) lab.cut(this.#pick(sessions))
        return
      }
      case 'isolate':
        return lab.cutAll(this.#pick(this.nodes))
      case 'link':
        return this.#link(random.uint32() % 4, false)
      case 'again':
        return this.#link(random.uint32() % 4, true)
      default:
        return this.#harm(what, this.#pick(what === 'disk' || what === 'backup' ? this.edges : this.nodes))
    }
  }

  #harm(what: string, node: LabNode): void {
    this.note()
    switch (what) {
      case 'crash':
        return node.crash(this.random.uint32() % 4)
      case 'stop':
        node.input({ type: 'flush' })
        while (!node.flushed) node.persistNext()
        this.note()
        return node.restart()
      case 'disk':
        return node.restart(new Map())
      case 'backup': {
        const copy = new Map(node.store)
        copy.delete('state/clean')
        this.lab.run(this.random.float() * 60_000)
        this.note()
        return node.restart(copy)
      }
      case 'clock':
        node.options = { ...node.options, skewMs: this.#skew() }
        return node.setClock()
      case 'interest':
        if (node.name === 'nrt-1-a') node.input({ type: 'interest', patterns: [this.#pick(['tasks/**', 'tasks/nrt-1', 'tasks/hkg-1'])] })
    }
  }

  #write(node: LabNode): void {
    const key = `k${this.random.uint32() % 6}`
    const value = { [`f${this.random.uint32() % 3}`]: ++this.#number, ...(this.#isLarge && { text: LARGE }) }
    const type = this.#pick(['put', 'put', 'patch', 'patch', 'delete'] as const)
    const partition = this.#pick(PARTITIONS)
    const known = this.random.float() < 0.5 ? node.replica.get('tasks', partition, key) : undefined
    const change: WriteChange = { key, operation: type === 'delete' ? { type, ...(known && { asOf: known.asOf }) } : { type, value } }
    const both: WriteChange[] =
      type === 'patch' && this.random.float() < 0.3 ? [{ key: 'k7', operation: { type: 'put', value } }, change] : [change]
    node.writeAll(partition, both)
  }

  #ask(node: LabNode, partition: string, key: string, operation: WriteChange['operation']): void {
    const request = node.writeAll(partition, [{ key, operation }], 'hub')
    this.#asked.push({ node, request, id: `${partition}|${key}`, gone: operation.type === 'delete' })
  }

  /** Deletes a record that is written once. */
  #end(node: LabNode): void {
    const partition = this.#pick(PARTITIONS)
    const records = node.replica.list('tasks', partition).filter(({ key }) => key.startsWith('once-'))
    if (records.length > 0) this.#ask(node, partition, this.#pick(records).key, { type: 'delete' })
  }

  /** Remembers what has been acknowledged. */
  note(): void {
    for (const { node, request, id, gone } of this.#asked) {
      if (node.answers.get(request)?.ok !== true) continue
      const state = this.once.get(id) ?? { put: false, gone: false }
      this.once.set(id, { put: state.put || !gone, gone: state.gone || gone })
    }
  }

  heal(): void {
    for (const node of this.nodes) node.options = { ...node.options, skewMs: 0 }
    for (const node of this.nodes) node.setClock()
    this.edges[2]?.input({ type: 'interest', patterns: ['tasks/**'] })
    this.linkAll()
    this.lab.run(HEAL_MS)
    this.note()
  }

  check(): string[] {
    return [
      ...PARTITIONS.flatMap((partition) => this.#checkEqual(partition)),
      ...this.nodes.flatMap((node) => this.#checkNode(node)),
      ...this.#checkOnce(),
    ]
  }

  #checkEqual(partition: string): string[] {
    const interested = this.nodes.filter(({ name }) => name !== 'hkg-1-b' || partition === 'hkg-1')
    const hashes = Map.groupBy(interested, ({ replica }) => replica.contentHash('tasks', partition))
    const camps = [...hashes].map(([hash, nodes]) => `${hash.slice(0, 8)} on ${nodes.map(({ name }) => name).join(', ')}`)
    return camps.length > 1 ? [`${partition} has not converged: ${camps.join('; ')}`] : []
  }

  #checkNode(node: LabNode): string[] {
    const accusations = node.violations().filter(({ code }) => code !== 'unexpected')
    const objections = accusations.map(({ peer, code, detail }) => `${node.name} accuses ${peer}: ${code}, ${detail}`)
    const shown = node.replica.list('tasks').map(({ partition, key, revision }) => `${partition}|${key} ${revision}`)
    const followed = [...node.followed].map(([id, { revision }]) => `${id} ${revision}`)
    if (shown.toSorted().join() !== followed.toSorted().join()) objections.push(`${node.name}: who follows does not know what is there`)
    if (!node.replica.complete()) objections.push(`${node.name} is not complete`)
    return objections
  }

  #checkOnce(): string[] {
    const lost = new Set(
      this.nodes.flatMap((node) => node.told('superseded').map(({ partition, key }) => `${String(partition)}|${String(key)}`)),
    )
    const [hub] = this.hubs
    return [...this.once].flatMap(([id, { put, gone }]) => {
      if (lost.has(id)) return []
      const [partition = '', key = ''] = id.split('|')
      const there = hub?.replica.get('tasks', partition, key) !== undefined
      if (there && gone) return [`${id} was deleted, and is back`]
      // Somebody who never heard that its delete was taken may have deleted it all the same.
      const mayBeGone = this.#asked.some((asked) => asked.id === id && asked.gone)
      return put && !there && !mayBeGone ? [`${id} was acknowledged at a hub, and is lost`] : []
    })
  }
}

export function runStorm(seed: number, steps = 150): StormReport {
  const storm = new Storm(seed)
  try {
    for (let n = 0; n < steps; n++) storm.step()
    storm.heal()
    const told = storm.nodes.flatMap((node) => node.told('writer-retired')).length
    const unsynced = storm.nodes.flatMap((node) => node.unsynced).length
    return { seed, objections: storm.check(), happened: { ...storm.happened, retired: told, unsynced } }
  } catch (error) {
    return { seed, objections: [error instanceof Error ? (error.stack ?? error.message) : String(error)], happened: storm.happened }
  }
}
