/**
 * What the bench of state needs of a system that keeps sites and a core in step: it is started in a lab whose host `h1` is
 * the core, and whose hosts `s0`, `s1`, … stand for a site each, with one link to the core.
 */
import type { Lab } from '../../netlab/lab.ts'
import type { Participant } from './participant.ts'

export const CORE = 'h1'
/** One way between a site and the core. */
export const DELAY_MS = 20

export interface FleetShape {
  readonly sites: number
  /** Nodes of a site that are processes of their own, where the system has such. */
  readonly nodes: number
}

export interface SyncSystem {
  readonly name: string
  readonly mode: string
  /** Of the core, if the state has sockets of its own. @default it has none, and everything counts as state */
  readonly statePort?: number
  /** Why it cannot run here and what to do about it. */
  missing?(): string | undefined
  /** Links besides those between each site and the core. */
  links?(shape: FleetShape): string[]
  start(lab: Lab, directory: string, shape: FleetShape): Promise<StartedSystem>
}

export interface StartedSystem {
  /** The first is the core's. */
  readonly participants: readonly Participant[]
  stop(): Promise<void>
}

export function siteHost(site: number): string {
  return `s${site}`
}
