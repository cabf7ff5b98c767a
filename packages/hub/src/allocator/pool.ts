/**
 * The nodes that offer to run tasks, and what they have: offers from their records, grants as we know them, which is sooner
 * than any vital tells.
 */
import { type Credential, type RecordView, type WorkersRecord, workersRecordSchema } from '@causeway/protocol'
import { type TaskParts, parseSelector } from '@causeway/node'
import type { GrantedTask, PoolNode, PoolWorker } from './placement.ts'

interface Member extends PoolNode {
  readonly granted: Map<string, GrantedTask>
  workers: readonly PoolWorker[]
  labels: Readonly<Record<string, string>>
  site: string
}

export class Pool {
  readonly #members = new Map<string, Member>()
  /** Task → the node that it counts for. */
  readonly #counted = new Map<string, string>()
  /** Raised when somebody offers more than before, or has something free again. */
  version = 0

  nodes(): Iterable<PoolNode> {
    return this.#members.values()
  }

  has(node: string): boolean {
    return this.#members.has(node)
  }

  hasSite(site: string): boolean {
    for (const member of this.#members.values()) if (member.site === site) return true
    return false
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
    member.site = site
    member.workers = offer ? workersOf(offer) : []
    member.labels = credential?.labels ?? {}
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
      this.#members.get(before)?.granted.delete(id)
      this.#counted.delete(id)
      this.version += 1
    }
    if (node === null) return
    this.#counted.set(id, node)
    this.#member(node, '').granted.set(id, { labels: task?.labels ?? {}, needs: task?.value.needs ?? {} })
  }

  #member(node: string, site: string): Member {
    let member = this.#members.get(node)
    if (!member) this.#members.set(node, (member = { node, site, labels: {}, workers: [], granted: new Map() }))
    return member
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
