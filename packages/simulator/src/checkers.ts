/**
 * What must hold of a world, whatever was done to it. Each checker returns its objections in words; none is good.
 * They look at what programs at the edges saw, never into machines, so that they hold for any implementation.
 */
import type { Fault } from './fault.ts'
import type { PingFlow, WriteRecord } from './observations.ts'

/** What one replica holds of one partition. */
export interface ReplicaHolding {
  readonly node: string
  /** `collection/partition`. */
  readonly partition: string
  readonly contentHash: string
}

/** Replicas with an interest in a partition hold the same of it. */
export function checkConvergence(holdings: readonly ReplicaHolding[]): string[] {
  return [...Map.groupBy(holdings, ({ partition }) => partition)].flatMap(([partition, replicas]) => {
    const byHash = Map.groupBy(replicas, ({ contentHash }) => contentHash)
    if (byHash.size <= 1) return []
    const camps = [...byHash].map(([hash, camp]) => `${hash.slice(0, 8)} on ${camp.map(({ node }) => node).join(', ')}`)
    return [`${partition} has not converged: ${camps.join('; ')}`]
  })
}

/** What a node reads of a key; `undefined` where it has none. */
export type ReadValue = (node: string, partition: string, key: string) => unknown

/**
 * No acknowledged write is lost: whoever is interested reads, for every key, a value that is not older than the last
 * acknowledged one. Keys here have one writer each, who writes growing numbers.
 */
export function checkWrites(
  writes: readonly WriteRecord[],
  interested: (partition: string) => readonly string[],
  read: ReadValue,
): string[] {
  const last = new Map<string, WriteRecord>()
  for (const write of writes) if (write.acknowledged) last.set(`${write.partition} ${write.key}`, write)
  if (writes.length > 0 && last.size === 0) return [`none of ${writes.length} writes was acknowledged`]
  return [...last.values()].flatMap((write) =>
    interested(write.partition).flatMap((node) => {
      const value = read(node, write.partition, write.key)
      if (typeof value === 'number' && value >= write.value) return []
      return [
        `${node} reads ${JSON.stringify(value)} for ${write.partition}/${write.key}, but ${write.node} was acknowledged ${write.value}`,
      ]
    }),
  )
}

/** A disk keeps what it has called safe: a process that has just started reads, without any peer, all it was acknowledged. */
export function checkKept(node: string, writes: readonly WriteRecord[], read: ReadValue): string[] {
  const own = writes.filter((write) => write.node === node)
  return own.some(({ acknowledged }) => acknowledged) ? checkWrites(own, () => [node], read) : []
}

/** What one node says of its site. */
export interface SiteView {
  readonly node: string
  readonly site: string
  readonly gateway: string | null
  readonly cutOff: boolean
}

/** Once all is healed, the nodes of a site name one gateway, and none believes itself cut off. */
export function checkSites(views: readonly SiteView[]): string[] {
  const strayed = views.filter(({ cutOff }) => cutOff).map(({ node }) => `${node} still says that its site is cut off`)
  for (const [site, members] of Map.groupBy(views, (view) => view.site)) {
    if (new Set(members.map(({ gateway }) => gateway)).size <= 1) continue
    strayed.push(`${site} has not one gateway: ${members.map(({ node, gateway }) => `${node} names ${gateway}`).join(', ')}`)
  }
  return strayed
}

/** An ordered flow arrives in order, once, and whole, in both directions. */
export function checkPings(flows: readonly PingFlow[]): string[] {
  return flows.flatMap((flow) => {
    const what = `ping ${flow.from} → ${flow.to}`
    const objections: string[] = []
    for (const [index, reply] of flow.replies.entries()) {
      if (reply.sequence !== index) {
        objections.push(`${what}: answer ${index} carries number ${reply.sequence}: lost, repeated or out of order`)
        break
      }
      if (reply.remoteCount !== index + 1) {
        objections.push(`${what}: the far end counted ${reply.remoteCount} at number ${index}: lost or repeated on the way there`)
        break
      }
    }
    if (flow.replies.length !== flow.count) objections.push(`${what}: ${flow.replies.length} of ${flow.count} were answered`)
    if (flow.ended === undefined) objections.push(`${what}: has not ended`)
    else if (flow.ended !== null) objections.push(`${what}: ended with "${flow.ended}"`)
    return objections
  })
}

/** Honest nodes accuse nobody: a violation between our own machines is a bug of one of them. Loops show here, too. */
export function checkViolations(violations: readonly string[]): string[] {
  const counts = new Map<string, number>()
  for (const violation of violations) counts.set(violation, (counts.get(violation) ?? 0) + 1)
  return [...counts].map(([violation, count]) => (count === 1 ? violation : `${violation} (${count} times)`))
}

/** A fault that drops by chance, and should have dropped so many, has spared them all about once in e⁷ times. */
const SPARED_MAX = 7

/**
 * A small loss may meet too few packets to show: on a link that carries nothing but a probe now and then, or falls before it
 * carries anything.
 */
export function hasHit({ kind, dropped, expected, moot }: Fault): boolean {
  return dropped > 0 || moot || (kind === 'loss' && expected < SPARED_MAX)
}

/** Every fault that was ordered did happen. */
export function checkFaults(faults: readonly Fault[]): string[] {
  const idle = faults.filter((fault) => !hasHit(fault))
  return idle.map((fault) => `${fault.what} hit nothing: the scenario tested less than it says`)
}
