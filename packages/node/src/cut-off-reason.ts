/** Why no hub can be reached, as far as this node can tell: how the links with hubs ended, or why none came to be. */
import { type Instant, nodeId } from '@causeway/protocol'
import type { Mesh } from '@causeway/mesh'

/** Why a node of a site of many lets its links with hubs go; others hold them for it. */
export const SPARE = 'other nodes of its site hold uplinks enough'
/** Why a node that stops lets go of everybody: no fault of hubs. */
export const STOPS = 'the node stops'
/** A sentence is read; a list of all hubs is in the status. */
const NAMED_MAX = 4

/** `named`: the config tells where hubs are. `undefined`: it is this node that stops. */
export function cutOffReason(now: Instant, mesh: Pick<Mesh, 'linkViews' | 'link' | 'unreached'>, named: boolean): string | undefined {
  const ended = mesh.linkViews(now).filter(({ to }) => mesh.link(nodeId(to))?.isHub)
  if (ended.some(({ reason }) => reason === STOPS)) return undefined
  if (ended.length > 0 && ended.every(({ reason }) => reason === SPARE)) return 'the nodes of this site that hold its uplinks reach no hub'
  const faults = ended.length > 0 ? ended.map(({ to, reason }) => `${to}: ${reason}`) : mesh.unreached().map(faultText)
  if (faults.length === 0 && named) return 'none has answered since the start'
  if (faults.length === 0) return 'none is known: name some under hubs, or under peers nodes of the site that reach one'
  const more = faults.length - NAMED_MAX
  return `${faults.slice(0, NAMED_MAX).join('; ')}${more > 0 ? `; and ${more} more` : ''}`
}

function faultText({ address, reason }: { readonly address: string; readonly reason: string }): string {
  return `${address}: ${reason}`
}
