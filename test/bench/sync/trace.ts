/**
 * The trace T64: what 64 sites of 8 nodes tell a core and are told by it in one minute. Every node has vitals once a second,
 * every site one change of a task each second, from the core or from one of its nodes, and the core rewrites one of ten
 * config records every ten seconds. All from one seed.
 */
import { type Random, SeededRandom } from '@causeway/protocol'

export type Kind = 'vital' | 'task' | 'config'
export type Fields = Readonly<Record<string, string | number>>

export interface Change {
  /** From the start; below 0: was there before, written by the core. */
  readonly atMs: number
  readonly kind: Kind
  /** Whose it is; config is everybody's. */
  readonly site: number | undefined
  /** Who of the site writes it; `undefined`: the core. */
  readonly node: number | undefined
  readonly key: string
  /** Always whole. */
  readonly value: Fields
  /** Names of the fields that differ from the value before. */
  readonly changed: readonly string[]
}

export interface TraceShape {
  readonly seed: number
  readonly sites: number
  readonly nodes: number
  readonly seconds: number
}

export const T64: TraceShape = { seed: 64, sites: 64, nodes: 8, seconds: 60 }

const TASKS_PER_SITE = 50
const CONFIG_RECORDS = 10
const CONFIG_PARAMETERS = 28
const CONFIG_INTERVAL_MS = 10_000
/** A task rests so long after a change. */
const TASK_REST_MS = 3_000
const WALL_MS = 1_760_000_000_000
const BEFORE = -1
const PHASES = ['pending', 'starting', 'running', 'draining', 'stopped', 'failed'] as const
const KINDS = ['ingest', 'transcode', 'package', 'record', 'relay'] as const
const REGIONS = ['eu-west-1', 'eu-north-1', 'us-east-1', 'us-west-2', 'ap-south-1'] as const

/** Sorted by time; what happens at one time is in the order in which it was made. */
export function makeTrace(shape: TraceShape): Change[] {
  const dice = new Dice(new SeededRandom(shape.seed))
  const sites = Array.from({ length: shape.sites }, (_, site) => site)
  const changes = [
    ...sites.flatMap((site) => Array.from({ length: shape.nodes }, (_, node) => vitalsOf(dice, shape, site, node)).flat()),
    ...sites.flatMap((site) => tasksOf(dice, shape, site)),
    ...configOf(dice, shape),
  ]
  return changes.toSorted((a, b) => a.atMs - b.atMs)
}

/** Names a change wherever it is seen; vitals, of which only the latest counts, have no number of their own. */
export function identityOf(kind: Kind, site: number | undefined, key: string, value: unknown): string {
  const { gen, rev } = value as { gen?: unknown; rev?: unknown }
  return `${kind} ${site ?? ''} ${key} ${String(gen ?? rev)}`
}

/** Chance, in the shapes that the trace needs. */
class Dice {
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  float(): number {
    return this.#random.float()
  }

  below(limit: number): number {
    return Math.floor(this.#random.float() * limit)
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new Error('nothing to pick from')
    return item
  }

  /** Another one than `now`. */
  pickOther<Item>(items: readonly Item[], now: Item): Item {
    return this.pick(items.filter((item) => item !== now))
  }

  /** Normal, mean 0, deviation 1 (Box and Muller, 1958). */
  gauss(): number {
    return Math.sqrt(-2 * Math.log(1 - this.float())) * Math.cos(2 * Math.PI * this.float())
  }

  hex(digits: number): string {
    return Array.from({ length: digits }, () => this.below(16).toString(16)).join('')
  }
}

/** A walk that is drawn back to its mean, in CPU and bandwidth; memory drifts, disk hardly moves, the GPU is mostly idle. */
function vitalsOf(dice: Dice, { seconds }: TraceShape, site: number, node: number): Change[] {
  const phaseMs = dice.below(1000)
  const [cpuMean, bandwidthMean] = [15 + 50 * dice.float(), 200 + dice.below(9000)]
  let [cpu, memory, disk, bandwidth] = [cpuMean, 30 + 50 * dice.float(), 20 + 60 * dice.float(), bandwidthMean]
  const hasGpu = dice.float() < 0.25
  let gpuBusy = false
  const value = (): Fields => ({
    cpu: tenths(cpu),
    mem: tenths(memory),
    gpu: gpuBusy ? 20 + dice.below(60) : 0,
    disk: tenths(disk),
    bw: Math.round(bandwidth),
  })
  const record = new History('vital', site, `n${node}`, value())
  for (let second = 0; second < seconds; second++) {
    cpu = clamp(cpu + 0.05 * (cpuMean - cpu) + 1.5 * dice.gauss(), 0, 100)
    memory = clamp(memory + 0.15 * dice.gauss(), 5, 98)
    bandwidth = Math.max(0, bandwidth + 0.05 * (bandwidthMean - bandwidth) + 0.03 * bandwidthMean * dice.gauss())
    if (dice.float() < 0.03) disk = clamp(disk + 0.1, 0, 100)
    if (hasGpu && dice.float() < 0.05) gpuBusy = !gpuBusy
    record.write(clamp(phaseMs + 1000 * second + dice.below(7) - 3, 0, 1000 * seconds - 1), node, value())
  }
  return record.changes
}

function tasksOf(dice: Dice, { seconds, nodes }: TraceShape, site: number): Change[] {
  const region = dice.pick(REGIONS)
  const worker = (): string => `s${site}-n${dice.below(nodes)}`
  const tasks = Array.from({ length: TASKS_PER_SITE }, (_, index) => {
    const first = { kind: dice.pick(KINDS), channel: `ch-${dice.hex(8)}`, worker: worker(), phase: 'running', gen: 1 }
    const rest = { fps: dice.pick([25, 30, 50, 60]), region, updatedAt: WALL_MS - dice.below(3_600_000) }
    return new History('task', site, `t${index}`, { ...first, ...rest })
  })
  const workers = Array.from({ length: nodes }, (_, node) => `s${site}-n${node}`)
  for (let second = 0; second < seconds; second++) {
    const atMs = 1000 * second + dice.below(1000)
    const task = dice.pick(tasks.filter(({ lastMs }) => atMs - lastMs >= TASK_REST_MS))
    const { phase, worker: now, gen } = task.value
    const moved =
      dice.float() < 0.6 || nodes === 1
        ? { phase: dice.pickOther<unknown>(PHASES, phase) }
        : { worker: dice.pickOther<unknown>(workers, now) }
    const value = { ...task.value, ...(moved as Fields), gen: Number(gen) + 1, updatedAt: WALL_MS + atMs }
    task.write(atMs, dice.float() < 0.5 ? undefined : dice.below(nodes), value)
  }
  return tasks.flatMap(({ changes }) => changes)
}

/** 1 kB each, of which a push changes 20 characters. */
function configOf(dice: Dice, { seconds }: TraceShape): Change[] {
  const records = Array.from({ length: CONFIG_RECORDS }, (_, index) => {
    const parameters = Array.from({ length: CONFIG_PARAMETERS }, (_, at) => {
      const name = `param_${at}_${dice.hex(4)}`
      return [name, at % 3 === 0 ? dice.below(1_000_000) : dice.hex(24)] as const
    })
    return new History('config', undefined, `c${index}`, { name: `config-${index}`, rev: 1, ...Object.fromEntries(parameters) })
  })
  for (let atMs = CONFIG_INTERVAL_MS / 2; atMs < 1000 * seconds; atMs += CONFIG_INTERVAL_MS) {
    const record = dice.pick(records)
    const field = dice.pick(Object.keys(record.value).filter((name) => name !== 'name' && typeof record.value[name] === 'string'))
    const text = dice.hex(20) + String(record.value[field]).slice(20)
    record.write(atMs, undefined, { ...record.value, [field]: text, rev: Number(record.value['rev']) + 1 })
  }
  return records.flatMap(({ changes }) => changes)
}

/** One record through time. */
class History {
  readonly changes: Change[]
  value: Fields
  lastMs = -Infinity

  constructor(kind: Kind, site: number | undefined, key: string, value: Fields) {
    this.value = value
    this.changes = [{ atMs: BEFORE, kind, site, node: undefined, key, value, changed: Object.keys(value) }]
  }

  write(atMs: number, node: number | undefined, value: Fields): void {
    const [{ kind, site, key } = missing()] = this.changes
    const changed = Object.keys(value).filter((name) => value[name] !== this.value[name])
    this.changes.push({ atMs, kind, site, node, key, value, changed })
    this.value = value
    this.lastMs = atMs
  }
}

function missing(): never {
  throw new Error('a record begins with a change')
}

function tenths(value: number): number {
  return Math.round(10 * value) / 10
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value))
}
