/**
 * The nodes that offer to run tasks, and what they have: offers from their records, grants as we know them, which is sooner
 * than any vital tells. What is in use is counted as it changes, so that a task is placed without a look at all others.
 */
import { type Credential, type RecordView, type WorkersRecord, workersRecordSchema } from '@causeway/protocol'
import { type TaskParts, parseSelector } from '@causeway/node'
import { type GrantedTask, type PoolNode, type PoolWorker, type Usage, assign, usageOf } from './placement.ts'

class Member implements PoolNode {
  readonly node: string
  site: string
  labels: Readonly<Record<string, string>> = {}
  workers: readonly PoolWorker[] = []
  readonly granted: Map<string, GrantedTask> = new Map()
  usages: readonly Usage[] = []
  /** Task → where it counts. */
  #assigned = new Map<string, Usage | undefined>()

  constructor(node: string, site: string) {
    this.node = node
    this.site = site
  }

  get hasSlot(): boolean {
    return this.usages.some(({ worker, tasks }) => tasks < worker.slots)
  }

  offer(workers: readonly PoolWorker[]): void {
    this.workers = workers
    ;({ usages: this.usages, assigned: this.#assigned } = usageOf(this))
  }

  add(id: string, task: GrantedTask): void {
    const before = this.granted.get(id)
    if (before?.labels === task.labels && before.needs === task.needs) return
    this.delete(id)
    this.granted.set(id, task)
    this.#assigned.set(id, assign(this.usages, task))
  }

  delete(id: string): void {
    const usage = this.#assigned.get(id)
    if (usage) {
      usage.tasks -= 1
      for (const [what, amount] of Object.entries(this.granted.get(id)?.needs ?? {}))
        usage.amounts.set(what, (usage.amounts.get(what) ?? 0) - amount)
    }
    this.#assigned.delete(id)
    this.granted.delete(id)
  }
}

interface Site {
  readonly all: Set<Member>
  /** Those that have a slot. */
  readonly open: Set<Member>
}

const NOBODY: ReadonlySet<PoolNode> = new Set()
const NOTHING = {}

export class Pool {
  readonly #members = new Map<string, Member>()
  readonly #sites = new Map<string, Site>()
  readonly #openSites = new Set<string>()
  /** Task → the node that it counts for. */
  readonly #counted = new Map<string, string>()
  /** Raised when somebody offers more than before, or has something free again. */
  version = 0

  /** All, or those of a site. */
  nodes(site?: string): Iterable<PoolNode> {
    return site === undefined ? this.#members.values() : (this.#sites.get(site)?.all ?? NOBODY)
  }

  /** The nodes of a site that have a slot. */
  open(site: string): ReadonlySet<PoolNode> {
    return this.#sites.get(site)?.open ?? NOBODY
  }

  /** The sites that have such nodes. */
  get openSites(): ReadonlySet<string> {
    return this.#openSites
  }

  get size(): number {
    return this.#members.size
  }

  has(node: string): boolean {
    return this.#members.has(node)
  }

  hasSite(site: string): boolean {
    return this.#sites.has(site)
  }

  /** `undefined` if the node has never offered anything. */
  siteOf(node: string): string | undefined {
    return this.#members.get(node)?.site || undefined
  }

  /** What a node says that it offers; `undefined`: nothing any more. Where it is, and its labels, the authority has signed. */
  offered(node: string, site: string, record: RecordView | undefined, credential: Credential | undefined): void {
    const isOwn = record?.writer === node && credential?.site === site
    // Who writes in the name of another node, or at a site that it is not of, is not heard.
    if (!isOwn && this.siteOf(node) !== site) return
    const offer = isOwn ? workersRecordSchema.safeParse(record.value).data : undefined
    const member = this.#member(node, site)
    if (member.site !== site) this.#moves(member, site)
    member.offer(offer ? workersOf(offer) : [])
    member.labels = credential?.labels ?? {}
    this.#changed(member)
    this.version += 1
  }

  /** The task is, or is no longer, with the node that its grant names. */
  count({ id, grant, task }: TaskParts): void {
    const has = grant?.phase === 'allocated' || grant?.phase === 'tombstone'
    this.reserve(id, has ? grant.node : null, task)
  }

  /** It is as good as granted. */
  reserve(id: string, node: string | null, task: TaskParts['task']): void {
    const before = this.#counted.get(id)
    if (before !== undefined && before !== node) {
      const member = this.#members.get(before)
      member?.delete(id)
      if (member) this.#changed(member)
      this.#counted.delete(id)
      this.version += 1
    }
    if (node === null) return
    this.#counted.set(id, node)
    const member = this.#member(node, '')
    member.add(id, { labels: task?.labels ?? NOTHING, needs: task?.value.needs ?? NOTHING })
    this.#changed(member)
  }

  #member(node: string, site: string): Member {
    let member = this.#members.get(node)
    if (!member) {
      member = new Member(node, site)
      this.#members.set(node, member)
      this.#moves(member, site)
    }
    return member
  }

  #moves(member: Member, to: string): void {
    const from = this.#sites.get(member.site)
    from?.all.delete(member)
    from?.open.delete(member)
    this.#look(member.site)
    member.site = to
    const site = this.#sites.get(to)
    if (site) site.all.add(member)
    // Of a node that never offered anything the site is not known.
    else if (to !== '') this.#sites.set(to, { all: new Set([member]), open: new Set() })
  }

  #changed(member: Member): void {
    const site = this.#sites.get(member.site)
    if (member.hasSlot) site?.open.add(member)
    else site?.open.delete(member)
    this.#look(member.site)
  }

  #look(site: string): void {
    const { all, open } = this.#sites.get(site) ?? { all: NOBODY, open: NOBODY }
    if (open.size > 0) this.#openSites.add(site)
    else this.#openSites.delete(site)
    if (all.size === 0) this.#sites.delete(site)
  }
}

function workersOf({ workers }: WorkersRecord): PoolWorker[] {
  return workers.flatMap(({ selector, slots, capacity }) => {
    try {
      return [{ selects: parseSelector(selector), slots, capacity }]
    } catch {
      // It says what we cannot understand; it gets nothing.
      return []
    }
  })
}
