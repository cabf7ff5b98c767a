/**
 * What a node tells of services and forwards. Public shapes, like those of api.ts: names never change their meaning.
 */
import type { FrameClass } from './frame.ts'

/** Counted since the process started. */
export interface TrafficView {
  /** Connections, or flows of UDP: now, and ever. */
  readonly open: number
  readonly opened: number
  /** Turned away: too many at once, or not allowed. */
  readonly refused: number
  /** Could not be connected to where they were to go. */
  readonly failed: number
  /** Datagrams thrown away. */
  readonly dropped: number
  /** From the network, and to it. */
  readonly bytesIn: number
  readonly bytesOut: number
}

/** A port of this node that leads to services elsewhere. */
export interface ForwardView extends TrafficView {
  /** `PROTOCOL:ADDRESS` */
  readonly id: string
  readonly listen: string
  /** `SERVICE@SITE` or `SERVICE@SITE/NODE`; `null` of SOCKS, whose clients name their own. */
  readonly to: string | null
  readonly protocol: 'tcp' | 'udp' | 'socks'
  readonly class: FrameClass
  /** A flow of UDP ends when nothing was said for so long; `null` of connections. */
  readonly idleSeconds: number | null
  /** From the config, or from somebody who asked for it. */
  readonly origin: 'config' | 'request'
  /** `at`: wall clock, milliseconds since 1970. */
  readonly lastFailure: { readonly at: number; readonly reason: string } | null
}

/** What a program may ask for. */
export interface ForwardRequest {
  /** A port, which is one of loopback, or an IP address and a port. */
  readonly listen: string
  readonly to: string
  /** @default 'tcp' */
  readonly proto?: 'tcp' | 'udp'
  /** Of datagrams. @default 'latest' */
  readonly class?: 'latest' | 'twin'
  readonly idleSeconds?: number
}

/** A server of this node that the network may use. */
export interface ServiceView extends TrafficView {
  readonly service: string
  readonly protocol: 'tcp' | 'udp'
  /** Where the server listens. */
  readonly address: string
  /** `null`: everybody in the network. */
  readonly allow: readonly string[] | null
  readonly bytesPerSecondMax: number | null
  readonly proxyProtocol: boolean
}

/** That a node offers a service. */
export interface OfferView {
  readonly service: string
  readonly protocol: 'tcp' | 'udp'
  readonly site: string
  readonly node: string
}
