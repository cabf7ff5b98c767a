/**
 * Where a task goes: among the nodes that can take it, the one that is nearest to where it is wanted, with load counted as
 * distance; so that a site which is full or busy overflows to the next one, and an idle one far away is no reason to go there.
 *
 *     score = cost of the path, ms + 20 · load          load: of the processor or of the slots, whichever is more, 0 to 1
 *
 * Nodes whose scores round to the same millisecond are the same; a hash of the task and the node chooses, against herds.
 */
import { type TaskRecord, type TaskWhyView, type Verdict, type VitalValues, nodeId } from '@causeway/protocol'
import { type Selector, parseSelector } from '@causeway/node'

const LOAD_MS = 20
const SAME_MS = 1
const NO_WORKER = 'has no worker'
const NO_SUCH_WORKER = 'none of its workers takes tasks with these labels'
/** Vitals that tell how much is in use, in percent; those of applications tell how much there is. */
const PERCENTAGES: ReadonlySet<string> = new Set(['cpu', 'mem', 'disk', 'gpu', 'gpuMem'])

type Amounts = Readonly<Record<string, number>>

export interface PoolWorker {
  readonly selects: Selector
  readonly slots: number
  readonly capacity: Amounts
}

export interface PoolNode {
  readonly node: string
  readonly site: string
  readonly labels: Readonly<Record<string, string>>
  readonly workers: readonly PoolWorker[]
  /** Tasks granted to it. */
  readonly granted: ReadonlyMap<string, GrantedTask>
  /** What that takes, of each worker; not given: it is counted when it is needed. */
  readonly usages?: readonly Usage[]
}

export interface Usage {
  readonly worker: PoolWorker
  tasks: number
  readonly amounts: Map<string, number>
}

export interface GrantedTask {
  readonly labels: Readonly<Record<string, string>>
  readonly needs: Amounts
}

export interface PlacementQuery {
  readonly id: string
  readonly task: TaskRecord
  readonly labels: Readonly<Record<string, string>>
  /** A node or a site that it has to go to. */
  readonly to: string | null
  /** A node that it must not go to. */
  readonly not: string | null
}

export interface PlacementKnowledge {
  readonly verdict: (node: string) => Verdict
  readonly vitals: (node: string) => VitalValues | undefined
  /** From the site where it is wanted to the node, one way; `null` if it is not known. */
  readonly costMs: (site: string, node: PoolNode) => number | null
}

export type Candidate = TaskWhyView['candidates'][number] & { readonly score: number; readonly possible: boolean }

/** All nodes of the pool, best first, those that cannot have it last. */
export function rank(query: PlacementQuery, pool: Iterable<PoolNode>, known: PlacementKnowledge): Candidate[] {
  const judge = judgeOf(query, known)
  const candidates = [...pool].map(judge)
  candidates.sort((a, b) => Number(b.possible) - Number(a.possible) || (a.possible ? better(query.id, a, b) : a.node < b.node ? -1 : 1))
  const [first] = candidates
  return candidates.map((each) => {
    if (!each.possible) return each
    if (each === first) return { ...each, chosen: true }
    const by = first ? Math.round((each.score - first.score) * 10) / 10 : 0
    return {
      ...each,
      rejected: by < SAME_MS ? `as good as ${first?.node}, which the hash prefers` : `${by} ms farther or busier than ${first?.node}`,
    }
  })
}

/** Why the node could never take it, however idle it is; `undefined`: it could. */
export function lastingFault(query: PlacementQuery, node: PoolNode, matches: Selector): string | undefined {
  const { labels, task } = query
  const fault = placeFault(query, node, matches)
  if (fault !== undefined) return fault
  if (node.workers.length === 0) return NO_WORKER
  const fitting = node.workers.filter(({ selects }) => selects(labels))
  if (fitting.length === 0) return NO_SUCH_WORKER
  const faults = fitting.map(({ capacity }) => {
    const what = lacks(task.needs, capacity)
    return what === undefined ? undefined : `has ${capacity[what]} ${what}, and it needs ${task.needs[what]}`
  })
  return faults.includes(undefined) ? undefined : faults[0]
}

/** Judges one node. */
export function judgeOf(query: PlacementQuery, known: PlacementKnowledge): (node: PoolNode) => Candidate {
  const matches = parseSelector(query.task.nodes)
  return (node) => candidate(query, node, known, matches)
}

/** Below 0: the first is better; both are possible. */
export function better(id: string, a: Candidate, b: Candidate): number {
  return (
    Math.round(a.score / SAME_MS) - Math.round(b.score / SAME_MS) ||
    nodeId(`${id}.${a.node}`) - nodeId(`${id}.${b.node}`) ||
    (a.node < b.node ? -1 : 1)
  )
}

function candidate(query: PlacementQuery, node: PoolNode, known: PlacementKnowledge, matches: Selector): Candidate {
  const { near } = query.task
  const vitals = known.vitals(node.node)
  const costMs = near === null || near === node.site ? 0 : known.costMs(near, node)
  const slots = node.workers.reduce((sum, worker) => sum + worker.slots, 0)
  const load = Math.min(1, Math.max((vitals?.['cpu'] ?? 0) / 100, slots === 0 ? 1 : node.granted.size / slots))
  const fault = placeFault(query, node, matches) ?? stateFault(known.verdict(node.node), node) ?? roomFault(query, node, vitals)
  // An unknown way is worse than any known one, and better than none.
  const score = (costMs ?? 10_000) + LOAD_MS * load
  const view = { node: node.node, site: node.site, costMs, load: Math.round(load * 100) / 100 }
  return { ...view, chosen: false, rejected: fault ?? '', score, possible: fault === undefined }
}

function placeFault({ task, to, not }: PlacementQuery, { node, site, labels }: PoolNode, matches: Selector): string | undefined {
  if (task.site !== null && task.site !== site) return `is not of site ${task.site}`
  if (to !== null && to !== site && to !== node) return `is not ${to}, where it is to go`
  if (not === node) return 'is the one that it is to leave'
  if (!matches(labels)) return `its labels are not ${task.nodes}`
  return undefined
}

function stateFault(verdict: Verdict, { workers }: PoolNode): string | undefined {
  if (workers.length === 0) return NO_WORKER
  return verdict === 'alive' ? undefined : `is ${verdict}`
}

/** What the tasks of a node take of its workers, and of which each. `except`: as if that one were not there. */
export function usageOf(
  { workers, granted }: Pick<PoolNode, 'workers' | 'granted'>,
  except?: string,
): { readonly usages: readonly Usage[]; readonly assigned: Map<string, Usage | undefined> } {
  const usages = workers.map((worker): Usage => ({ worker, tasks: 0, amounts: new Map() }))
  const assigned = new Map<string, Usage | undefined>()
  for (const [id, task] of granted) if (id !== except) assigned.set(id, assign(usages, task))
  return { usages, assigned }
}

/** A task goes to the first worker that has its labels and a slot, as on the node itself. */
export function assign(usages: readonly Usage[], { labels, needs }: GrantedTask): Usage | undefined {
  const fitting = usages.filter(({ worker }) => worker.selects(labels))
  const usage = fitting.find(({ worker, tasks }) => tasks < worker.slots) ?? fitting[0]
  if (!usage) return undefined
  usage.tasks += 1
  for (const [what, amount] of Object.entries(needs)) usage.amounts.set(what, (usage.amounts.get(what) ?? 0) + amount)
  return usage
}

function roomFault({ labels, task, id }: PlacementQuery, node: PoolNode, vitals: VitalValues | undefined): string | undefined {
  const usages = node.usages && !node.granted.has(id) ? node.usages : usageOf(node, id).usages
  const fitting = usages.filter(({ worker }) => worker.selects(labels))
  if (fitting.length === 0) return NO_SUCH_WORKER
  const open = fitting.filter(({ worker, tasks }) => tasks < worker.slots)
  if (open.length === 0) {
    const [tasks, slots] = [sum(fitting, (each) => each.tasks), sum(fitting, ({ worker }) => worker.slots)]
    return `is full: ${tasks} tasks for ${slots} slots`
  }
  const faults = open.map((usage) => needsFault(task.needs, usage, node, vitals))
  return faults.includes(undefined) ? undefined : faults[0]
}

function needsFault(needs: Amounts, { worker, amounts }: Usage, node: PoolNode, vitals: VitalValues | undefined): string | undefined {
  for (const [what, amount] of Object.entries(needs)) {
    const capacity = worker.capacity[what]
    const free = capacity === undefined ? freeByVitals(what, node, vitals) : capacity - (amounts.get(what) ?? 0)
    if (free === undefined) return `tells nothing of ${what}`
    if (free < amount) return `has ${Math.max(0, Math.round(free * 100) / 100)} ${what} free, and it needs ${amount}`
  }
  return undefined
}

function freeByVitals(what: string, { granted }: PoolNode, vitals: VitalValues | undefined): number | undefined {
  const value = vitals?.[what]
  if (value === undefined) return undefined
  return PERCENTAGES.has(what) ? 100 - value : value - sum([...granted.values()], ({ needs }) => needs[what] ?? 0)
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0)
}

/** What of these needs a capacity that is told does not cover. */
function lacks(needs: Amounts, capacity: Amounts): string | undefined {
  return Object.keys(needs).find((what) => (capacity[what] ?? Number.POSITIVE_INFINITY) < (needs[what] ?? 0))
}
