/** The vitals plane of a node, made to measure: who it is, what it tells, and whom it lets speak for which site. */
import { type Credential, nodeId } from '@causeway/protocol'
import type { Mesh } from '@causeway/mesh'
import { Vitals } from '@causeway/state'
import type { NodeConfig, NodeEnvironment } from './contract.ts'

export function ownVitals(self: Credential, config: NodeConfig, environment: NodeEnvironment, mesh: Pick<Mesh, 'link'>): Vitals {
  /** An edge node exchanges state with nodes that it has a link with, so that its credential has been checked here. */
  const siteOf = (peer: string): string | undefined => {
    const credential = mesh.link(nodeId(peer))?.peer.credential
    return credential?.role === 'edge' ? credential.site : undefined
  }
  return new Vitals({ self, incarnation: environment.incarnation, thresholds: config.vitalThresholds, siteOf })
}
