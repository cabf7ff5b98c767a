/**
 * An edge node: the machine that a sidecar runs. `NodeBase` is what hubs share with it; `contract.ts` is what drivers
 * and the local API talk to.
 *
 * @example
 * const node = new EdgeNode(config, environment, store.load())
 * for (const effect of node.handle(now, { type: 'wake' })) driver.carryOut(effect)
 */
export * from './contract.ts'
export { EdgeNode } from './edge-node.ts'
export { NodeBase, type NodeTraits } from './node-base.ts'
