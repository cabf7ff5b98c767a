/** What the processes of the reflecting part say to each other. */
import type { DatagramKey } from '@causeway/protocol'

export const LOOPBACK = '127.0.0.1'

export type HubOrder =
  /** The keys with which to send to each link's other end; the place in the list is the connection. */
  { readonly type: 'associate'; readonly remotes: readonly DatagramKey[] } | { readonly type: 'count' }

export type HubAnswer =
  | { readonly type: 'ready' }
  | { readonly type: 'associated'; readonly port: number; readonly keys: readonly DatagramKey[] }
  | ({ readonly type: 'counted' } & HubCounts)

export interface HubCounts {
  /** ms, on the hub's clock. */
  readonly at: number
  /** Of all threads, since the start. */
  readonly cpuMs: number
  /** Probes that the hub has heard of. */
  readonly probes: number
  /** Links whose monitors find them up or degraded. */
  readonly alive: number
}

export type CrowdOrder =
  | { readonly type: 'prepare'; readonly links: number }
  | { readonly type: 'probe'; readonly port: number; readonly keys: readonly DatagramKey[] }

export type CrowdAnswer = { readonly type: 'ready' } | { readonly type: 'prepared'; readonly keys: readonly DatagramKey[] }
