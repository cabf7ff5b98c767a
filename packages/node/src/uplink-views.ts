/** The links to hubs as the status shows them. */
import { type Instant, type UplinkView, nodeId } from '@causeway/protocol'
import type { Mesh } from '@causeway/mesh'

/** `homes` are the peers that hold our state session. */
export function uplinkViews(now: Instant, mesh: Mesh, homes: readonly number[]): UplinkView[] {
  return mesh
    .linkViews(now)
    .flatMap((view): UplinkView[] => {
      const link = mesh.link(nodeId(view.to))
      if (link?.peer.credential.role !== 'hub') return []
      const { forward, backward } = view.lossRatio
      const lossRatio = forward === null || backward === null ? null : 1 - (1 - forward) * (1 - backward)
      const { id } = link.peer
      const [home, draining] = [homes.includes(id), mesh.isDraining(id)]
      return [{ hub: view.to, state: view.state, rttMs: view.rttMs.smoothed, lossRatio, home, draining }]
    })
    .toSorted((a, b) => a.hub.localeCompare(b.hub))
}
