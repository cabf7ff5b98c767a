/**
 * The transport of a node: links, link state, plans, forwarding, channels. Nothing here does I/O.
 *
 * @example
 * const mesh = new Mesh(now, config)
 * mesh.network(now, { type: 'connected', ... })
 * const channel = mesh.open(now, nodeId('hkg-1-a'), 'echo')
 * mesh.write(now, channel, message)
 * for (const effect of mesh.takeEffects()) driver.carryOut(effect)
 */
export type { Peer } from './admission.ts'
export { type ChannelHandle } from './channels.ts'
export { Dialer, type Whereabouts } from './dialer.ts'
export { type Graph, type GraphPath, disjointPaths } from './disjoint-paths.ts'
export { type Router } from './forwarder.ts'
export { type Link } from './link.ts'
export { LinkState, UNMEASURED_COST_MS, costMoved } from './link-state.ts'
export { Mesh } from './mesh.ts'
export type { MeshConfig, MeshEffect } from './mesh-contract.ts'
