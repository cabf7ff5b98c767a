/** Why no hub can be reached, as far as this node can tell: how the links with hubs ended, or why none came to be. */
import { type Instant, nodeId } from '@causeway/protocol'
import type { Mesh } from '@causeway/mesh'

/** A sentence is read; a list of all hubs is in the status. */
const NAMED_MAX = 4

export function cutOffReason(now: Instant, mesh: Pick<Mesh, 'linkViews' | 'link' | 'unreached'>): string {
  const ended = mesh.linkViews(now).filter(({ to }) => mesh.link(nodeId(to))?.isHub)
  const faults = ended.length > 0 ? ended.map(({ to, reason }) => `${to}: ${reason}`) : mesh.unreached().map(named)
  if (faults.length === 0) return 'none is known: name some under hubs, or under peers nodes of the site that reach one'
  const more = faults.length - NAMED_MAX
  return `${faults.slice(0, NAMED_MAX).join('; ')}${more > 0 ? `; and ${more} more` : ''}`
}

function named({ address, reason }: { readonly address: string; readonly reason: string }): string {
  return `${address}: ${reason}`
}
