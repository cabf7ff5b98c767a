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
export { HomeHub } from './home-hub.ts'
export { NodeBase, type NodeTraits } from './node-base.ts'
export * from './task-contract.ts'
export type { Orderer, Renew, Renewed, StrictAuthority, TaskAuthority, TaskHost, Write } from './tasks/task-host.ts'
export { TaskIndex } from './tasks/task-index.ts'
export { changeRefusal, mayWrite, placeRefusal, siteWanted, submissionRefusal } from './tasks/order-rights.ts'
export { orderFault } from './tasks/task-orders.ts'
export { refusal, updateFault, updateTask } from './tasks/task-update.ts'
export { TaskParts } from './tasks/task-parts.ts'
export type { Authority, AuthorityParts, Granting } from './tasks/task-service.ts'
export { type NodeVerdict, type VerdictSource, describeSighting, doubtMs, verdictOfSighting } from './verdict.ts'
export { MEMBERS } from './site-members.ts'
export { VERDICTS, gistOf, verdictIn, verdictPartition, verdictValue } from './verdict-record.ts'
export { type Selector, parseSelector } from '@causeway/state'
