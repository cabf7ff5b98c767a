/**
 * A seeded world: virtual clock, network with measured delays, faults, checkers. It drives the same machines as the
 * daemon; same seed, same world, so that a failing seed is a bug report.
 *
 * @example
 * const { world } = makeFleet({ seed: 7, hubs: 3, sites: 6, nodesPerSite: 2 })
 * const cut = world.cut('site-1-a', 'core-1')
 * world.run(5_000)
 * expect(cut.dropped).toBeGreaterThan(0)
 */
export * from './checkers.ts'
export { Fault, type FaultKind } from './fault.ts'
export { type Fleet, type FleetNode, type FleetOptions, makeFleet } from './fleet.ts'
export { Observations, type PingFlow, type PingOrder, type WriteRecord } from './observations.ts'
export { type Placement, type RttMatrix, parseRttMatrix, placeNodes, planetlab, shuffle, tiledPlanetlab } from './planetlab.ts'
export { type ScenarioOptions, type ScenarioReport, runScenario } from './scenario.ts'
export {
  type CredentialSpec,
  SIMULATED_AUTHORITY,
  type SimulatedKeyPair,
  simulatorCredential,
  simulatorCrypto,
  simulatorKeyPair,
} from './simulated-crypto.ts'
export { type Host, type NetworkOptions, SimulatedNetwork } from './simulated-network.ts'
export { SimulatedStore, type StoreOptions } from './simulated-store.ts'
export { TaskRuns } from './task-runs.ts'
export { type TaskScenarioOptions, type TaskScenarioReport, runTaskScenario } from './task-scenario.ts'
export { Timeline } from './timeline.ts'
export { PERFECT_WIRE, Wire, type WireConditions } from './wire.ts'
export { type Group, type SimulatedMachine, type Watcher, World, type WorldOptions } from './world.ts'
export { type Boot, type NodeSpec, WorldNode } from './world-node.ts'
