/**
 * A hub: an edge node's base that also relays, floods link state, computes plans and passes state on.
 *
 * @example
 * const hub = new Hub(config, environment, store.load())
 */
export { Hub } from './hub.ts'
export { Planner } from './planner.ts'
export { publisherOf } from './verdict-publisher.ts'
