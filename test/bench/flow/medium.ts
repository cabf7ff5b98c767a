/**
 * What messages travel over from end `a` to end `b` of a bench, and back: UDP, one TCP connection, NATS subjects, a bare
 * libp2p stream, a channel of ours. Each is reduced to the same few verbs, so that what is compared is the medium. `b` is
 * opened first, then `a`, which dials.
 */
export type Side = 'a' | 'b'

/** Each has its own port, subject or service. */
export const FLOWS = ['small', 'bulk'] as const
export type FlowName = (typeof FLOWS)[number]

export interface Outlet {
  /** False: taken all the same, but the caller should wait for `writable`. */
  send(message: Uint8Array): boolean
}

export interface FlowListener {
  /** What came together, in order. */
  messages(messages: readonly Uint8Array[]): void
  writable(): void
}

export interface Medium {
  open(flow: FlowName, listener: FlowListener): Promise<Outlet>
}

/** `a` dials `host`, `b` listens on it. */
export interface AddressSpec {
  readonly side: Side
  readonly host: string
}

export interface UdpSpec extends AddressSpec {
  /** Where `a` sends from. */
  readonly source: string
}

/** The server that this end is a client of. */
export interface NatsSpec extends AddressSpec {
  readonly port: number
}

export interface CausewaySpec {
  readonly side: Side
  /** Of this end's daemon. */
  readonly config: string
  /** Name of the node at the other end. */
  readonly peer: string
  /** Of the small flow; bulk is ordered. */
  readonly class: 'ordered' | 'latest' | 'twin'
}

export type MediumSpec =
  | ({ readonly type: 'udp' } & UdpSpec)
  | ({ readonly type: 'tcp' } & AddressSpec)
  | ({ readonly type: 'libp2p' } & AddressSpec)
  | ({ readonly type: 'nats' } & NatsSpec)
  | ({ readonly type: 'causeway' } & CausewaySpec)

/** Loads no more than it needs: a sender of datagrams should not be a daemon as well. */
export async function openMedium(spec: MediumSpec): Promise<Medium> {
  switch (spec.type) {
    case 'udp':
      return (await import('./udp-medium.ts')).openUdpMedium(spec)
    case 'tcp':
      return (await import('./tcp-medium.ts')).openTcpMedium(spec)
    case 'libp2p':
      return (await import('./libp2p-medium.ts')).openLibp2pMedium(spec)
    case 'nats':
      return (await import('./nats-medium.ts')).openNatsMedium(spec)
    case 'causeway':
      return (await import('./causeway-medium.ts')).openCausewayMedium(spec)
  }
}

export function portOf(flow: FlowName): number {
  return 9000 + FLOWS.indexOf(flow)
}
