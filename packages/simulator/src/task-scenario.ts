/**
 * One seed, one story of tasks: a fleet with workers on every edge, orders at random nodes, and faults that last longer than
 * leases: cuts, pauses, crashes of nodes, programs and hubs. Then all heals, and every task must be somewhere, once.
 */
import { type Random, SeededRandom, type TaskView } from '@causeway/protocol'
import type { NodeMachine } from '@causeway/node'
import { checkViolations } from './checkers.ts'
import type { Fault } from './fault.ts'
import { type Fleet, type FleetOptions, makeFleet } from './fleet.ts'
import { Observations } from './observations.ts'
import { SimulatedLeases } from './simulated-leases.ts'
import { TaskPrograms } from './task-programs.ts'
import { followTask } from './task-story.ts'
import { TaskRuns } from './task-runs.ts'
import { TaskTraffic } from './task-traffic.ts'

export interface TaskScenarioOptions {
  readonly seed: number
  /** @default by the seed */
  readonly engine?: 'embedded' | 'external'
  /** How long faults are ordered for, in virtual seconds. @default 60 */
  readonly seconds?: number
  readonly fleet?: Partial<FleetOptions>
  /** A task whose story is told. */
  readonly follow?: string
}

export interface TaskScenarioReport {
  readonly seed: number
  readonly engine: string
  readonly nodes: number
  readonly faults: readonly string[]
  readonly orders: number
  readonly tasks: number
  readonly runs: number
  /** Empty if all held. */
  readonly objections: readonly string[]
  readonly happened: number
  /** Of the task that was followed. */
  readonly story: readonly string[]
}

const WARM_UP_MS = 8_000
/** Redials are up to 30 s apart; then a lease, and a place. */
const SETTLE_MS = 150_000
const SLOTS = 40

export function runTaskScenario(options: TaskScenarioOptions): TaskScenarioReport {
  const random = new SeededRandom(options.seed)
  const between = (from: number, to: number): number => from + (random.uint32() % (to - from + 1))
  const engine = options.engine ?? (random.float() < 0.5 ? 'embedded' : 'external')
  const fleet = makeFleet({
    seed: options.seed,
    hubs: between(1, 3),
    sites: between(2, 4),
    nodesPerSite: between(1, 3),
    wide: { lossRatio: 0.001 },
    write: ['tasks/**'],
    allocator: engine === 'embedded' ? { engine, hub: 'core-1' } : { engine },
    ...options.fleet,
  })
  const { world } = fleet
  const runs = new TaskRuns()
  const observations = new Observations<NodeMachine>(world)
  const leases = new SimulatedLeases(world, world.fork())
  const programs = new TaskPrograms(fleet, runs, world.fork(), SLOTS)
  const traffic = new TaskTraffic(fleet, runs, world.fork())
  world.watch((node, effect) => {
    if (effect.type === 'change' && TaskRuns.isGrant(effect.collection) && effect.record.key.endsWith(`@${node.name}`))
      runs.granted(effect.record, effect.previous)
  })
  const story: string[] = []
  if (options.follow !== undefined) followTask(world, options.follow, (line) => story.push(line))
  const objections: string[] = []
  try {
    world.run(WARM_UP_MS)
    const storm = new TaskStorm(fleet, random, { leases, programs, traffic })
    for (const endsAt = world.now + (options.seconds ?? 60) * 1000; world.now < endsAt;) {
      traffic.next()
      if (random.float() < 0.35) storm.next()
      world.run(random.float() * 3_000)
    }
    world.healAll()
    leases.unreachable.clear()
    objections.push(...settle(fleet, () => checkTasks(fleet, runs, traffic)), ...runs.check(world.now))
    objections.push(...checkViolations(observations.violations))
    const late = traffic
      .unanswered(5_100)
      .filter(({ node, answeredAt }) => answeredAt !== undefined && world.node(node).incarnation === 1 && !storm.stalled.has(node))
    for (const { node, order, at } of late) objections.push(`${order.type} at ${node}, given at ${at}, was not answered within 5 s`)
  } catch (error) {
    objections.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  return {
    ...{ seed: options.seed, engine, nodes: world.nodes.length, faults: world.faults.map(({ what }) => what) },
    ...{ orders: traffic.orders.length, tasks: traffic.promised.size, runs: runs.runs.length, objections, happened: world.happened, story },
  }
}

function settle({ world }: Fleet, check: () => string[]): string[] {
  let objections = check()
  for (const until = world.now + SETTLE_MS; objections.length > 0 && world.now < until; objections = check()) world.run(1_000)
  return objections
}

/** Every task that was promised is running at one place, or says why not; the same to every hub. */
function checkTasks({ world, hubs }: Fleet, runs: TaskRuns, traffic: TaskTraffic): string[] {
  const objections: string[] = []
  for (const { name } of hubs) {
    const { tasks } = world.node(name).machine
    for (const id of traffic.promised.keys()) {
      const view = tasks.get(id)
      const fault = view ? faultOf(view, runs) : 'is not known'
      if (fault !== undefined) objections.push(`${id} at ${name}: ${fault}`)
    }
    for (const view of tasks.list({ phase: 'pending' })) objections.push(`${view.id} at ${name} is still pending`)
    const keys = Map.groupBy(
      tasks.list({}).filter(({ convergeKey }) => convergeKey !== null),
      ({ convergeKey }) => convergeKey,
    )
    for (const [key, views] of keys) if (views.length > 1) objections.push(`${key} at ${name}: ${views.length} tasks`)
  }
  return objections
}

function faultOf(view: TaskView, runs: TaskRuns): string | undefined {
  const running = runs.running(view.id)
  const where = running.map(({ program, token }) => `${program} under ${token}`).join(', ')
  switch (view.phase) {
    case 'allocated':
      if (running.length !== 1 || running[0]?.program !== view.node)
        return `is granted to ${view.node} under ${view.token}, and runs at: ${where || 'no place'}`
      return view.running ? undefined : 'runs, and is not shown as running'
    case 'initialised':
      return view.reason === ''
        ? 'waits, and does not say why'
        : running.length > 0
          ? `waits (${view.reason}), and runs at ${where}`
          : undefined
    case 'tombstone':
      return `still drains at ${where || 'no place'}: ${view.reason}`
    default:
      return running.length > 0 ? `is ${view.phase}, and runs at ${where}` : undefined
  }
}

interface Acted {
  readonly leases: SimulatedLeases<NodeMachine>
  readonly programs: TaskPrograms
  readonly traffic: TaskTraffic
}

/** Orders faults that last from a moment to twice a lease. */
class TaskStorm {
  readonly stalled: Set<string> = new Set()
  readonly #fleet: Fleet
  readonly #random: Random
  readonly #acted: Acted

  constructor(fleet: Fleet, random: Random, acted: Acted) {
    this.#fleet = fleet
    this.#random = random
    this.#acted = acted
  }

  next(): void {
    const fault = this.#order()
    if (fault && fault.kind !== 'stall') this.#fleet.world.timeline.after(500 + this.#random.float() * 35_000, () => fault.heal())
  }

  #order(): Fault | undefined {
    const { world, hubs, edges, sites } = this.#fleet
    const { leases, programs, traffic } = this.#acted
    const hubNames = hubs.map(({ name }) => name)
    const edge = this.#pick(edges)?.name ?? ''
    const hub = this.#pick(hubNames) ?? ''
    const site = this.#pick([...sites.values()]) ?? []
    switch (this.#random.uint32() % 11) {
      case 0:
      case 1:
        return world.cut(site, hubNames)
      case 2:
        return world.cut(site, hub, { oneWay: this.#random.float() < 0.3 })
      case 3:
        return world.node(edge).alive && !world.node(edge).stalled ? world.crash(edge) : undefined
      case 4:
        return world.node(hub).alive && !world.node(hub).stalled ? world.crash(hub) : undefined
      case 5:
        return this.#stall(edge)
      case 6:
        return this.#stall(hub)
      case 7:
        programs.crash(edge)
        return undefined
      case 8: {
        const task = this.#pick([...traffic.promised.keys()])
        if (task !== undefined) {
          const how = this.#pick(['done', 'failed', 'stopped'] as const) ?? 'done'
          if (programs.finish(task, how) && how === 'done') traffic.ended.add(task)
        }
        return undefined
      }
      case 9:
        leases.unreachable.add(hub)
        world.timeline.after(500 + this.#random.float() * 20_000, () => leases.unreachable.delete(hub))
        return undefined
      default:
        return hubNames.length > 1
          ? world.cut(
              hub,
              hubNames.filter((name) => name !== hub),
            )
          : undefined
    }
  }

  #stall(name: string): Fault | undefined {
    const { world } = this.#fleet
    if (!world.node(name).alive || world.node(name).stalled) return undefined
    this.stalled.add(name)
    return world.stall(name, 500 + this.#random.float() * 30_000, { whole: this.#random.float() < 0.7 })
  }

  #pick<Item>(items: readonly Item[]): Item | undefined {
    return items.length === 0 ? undefined : items[this.#random.uint32() % items.length]
  }
}
