/**
 * What a link monitor takes and gives. Whoever owns the link (mesh) feeds it everything authentic that concerns its
 * probes, and carries out those that it wants over the way they name.
 */
import type { Instant, LinkState, LinkView, Probe, ProbeReply, Wake } from '@causeway/protocol'
import type { FlapHold } from './flap-hold.ts'
import type { IdleBeat } from './idle-beat.ts'
import type { MonitorConfig } from './monitor-config.ts'

/** The way a probe takes: a datagram, or in-band on the control connection. */
export type Via = 'udp' | 'control'

export type MonitorInput =
  | Wake
  /** A reply from the peer came at `at`; authenticated, but not yet matched to a probe. */
  | { readonly type: 'reply'; readonly via: Via; readonly at: Instant; readonly reply: ProbeReply }
  /** A probe of the peer came at `at`, and has been answered. */
  | { readonly type: 'probed'; readonly via: Via; readonly at: Instant; readonly probe: Probe }
  /** The link carried data, in either direction. */
  | { readonly type: 'carried' }
  /** Our own event loop was late by this much. */
  | { readonly type: 'lag'; readonly lagMs: number }
  /** UDP is to be had, or not (any more). False at the start. */
  | { readonly type: 'datagrams'; readonly open: boolean }
  /** One end can reach no hub without this link, or could: better a doubtful link than none. */
  | { readonly type: 'needed'; readonly needed: boolean }
  /** How often to probe while the link carries nothing, ms. */
  | { readonly type: 'pace'; readonly idleMs: number }

export type MonitorEffect =
  | { readonly type: 'probe'; readonly via: Via; readonly probe: Probe }
  /** The state changed, or (with `state` equal to `previous`) the evidence it rests on. */
  | { readonly type: 'state'; readonly state: LinkState; readonly previous: LinkState; readonly reason: string }
  /** The peer answers datagrams but nothing on the connection: it is half open, and only a new one helps. */
  | { readonly type: 'halfOpen'; readonly reason: string }

/** The measured part of a `LinkView`. */
export type MonitorView = Pick<LinkView, 'rttMs' | 'jitterMs' | 'lossRatio' | 'queueMs' | 'oneWayMs'>

/** What an earlier connection of the same link has left. */
export interface LinkPast {
  /** Shared by all connections of a link, so that falls add up. */
  readonly hold?: FlapHold
  /** Begin as `down`: come up only after recovery replies and the hold. */
  readonly held?: boolean
}

export interface MonitorOptions {
  /** Of the two ends the one that probes; the other is told what that one measures, and only probes in doubt. */
  readonly probes: boolean
  readonly config?: Partial<MonitorConfig>
  readonly past?: LinkPast
  /** Shared by all links of a node. @default one of its own */
  readonly beat?: IdleBeat
}
