/**
 * What a link monitor takes and gives. Whoever owns the link (mesh) feeds it everything authentic that the peer
 * sends, and carries out its probes over the way they name.
 */
import type { LinkState, LinkView, Probe, ProbeReply, Wake } from '@causeway/protocol'

/** The way a probe takes: a datagram, or in-band on the control connection. */
export type Via = 'udp' | 'control'

export type MonitorInput =
  | Wake
  /** A reply from the peer; authenticated, but not yet matched to a probe. */
  | { readonly type: 'reply'; readonly via: Via; readonly reply: ProbeReply }
  /** Anything else authentic arrived from the peer: proof of life. */
  | { readonly type: 'heard'; readonly via: Via | 'stream' }
  /** The link carried data, in either direction. */
  | { readonly type: 'carried' }
  /** Our own event loop was late by this much. */
  | { readonly type: 'lag'; readonly lagMs: number }
  /** UDP is to be had, or not (any more). False at the start. */
  | { readonly type: 'datagrams'; readonly open: boolean }

export type MonitorEffect =
  | { readonly type: 'probe'; readonly via: Via; readonly probe: Probe }
  /** The state changed, or (with `state` equal to `previous`) the evidence it rests on. */
  | { readonly type: 'state'; readonly state: LinkState; readonly previous: LinkState; readonly reason: string }

/** The measured part of a `LinkView`. */
export type MonitorView = Pick<LinkView, 'rttMs' | 'jitterMs' | 'lossRatio'>
