/**
 * How a connection begins on its channel. The end that opens it says whose connection it is; the end that delivers it says
 * that it is connected, or resets the channel with the reason. After these two messages all is payload, its borders
 * mean nothing, and nothing is sent before the second: so another node can still be tried. (Of UDP every message is a datagram,
 * from the first on.)
 *
 *     opener:     a msgpack record `{from?: 'HOST:PORT', to?: 'HOST:PORT'}` of at most 1 KiB: the two ends of the client's socket
 *     deliverer:  a msgpack record, empty in this version; or a reset, `FAULT: sentence`
 */
import { z } from 'zod'
import { CausewayError, decodeRecord, encodeRecord } from '@causeway/protocol'
import { formatHostPort, type HostPort, parseListenAddress } from '../host-port.ts'

const OPENING_BYTES_MAX = 1024
/** Of a reason, on the wire. */
const REASON_CHARACTERS_MAX = 160

export interface Opening {
  /** IP addresses; `null` if not told. */
  readonly from: HostPort | null
  readonly to: HostPort | null
}

/** Why a connection was not delivered. */
const FAULTS = ['not-allowed', 'busy', 'connection-refused', 'misunderstood'] as const
export type DeliveryFault = (typeof FAULTS)[number]

const address = z.string().max(80).optional()
const openingSchema = z.object({ from: address, to: address })

export const CONNECTED: Uint8Array = encodeRecord({})

export function encodeOpening({ from, to }: Opening): Uint8Array {
  return encodeRecord({ ...(from && { from: formatHostPort(from) }), ...(to && { to: formatHostPort(to) }) })
}

/** `undefined` if it is none. */
export function decodeOpening(message: Uint8Array): Opening | undefined {
  if (message.length > OPENING_BYTES_MAX) return undefined
  const opening = openingSchema.safeParse(decodeRecord(message)).data
  const addressOf = (text: string | undefined): HostPort | null => (text === undefined ? null : (parseListenAddress(text) ?? null))
  return opening && { from: addressOf(opening.from), to: addressOf(opening.to) }
}

/** As the reason of a reset. */
export function deliveryReason(fault: DeliveryFault, sentence: string): string {
  return `${fault}: ${sentence}`.slice(0, REASON_CHARACTERS_MAX)
}

/** What the end of a channel means that never was connected. */
export function deliveryError(node: string, reason: string | null): CausewayError {
  const [, fault, sentence] = /^(?:reset by the peer: )?([a-z-]+): (.*)$/s.exec(reason ?? '') ?? []
  switch (FAULTS.find((each) => each === fault)) {
    case 'not-allowed':
      return new CausewayError('refused', `${node} refuses: ${sentence}`, 'ask whoever runs that service to allow this node')
    case 'connection-refused':
      return new CausewayError('unreachable', `${node} cannot connect: ${sentence}`, 'start the server behind that service')
    case 'busy':
      return new CausewayError('unreachable', `${node} takes no more: ${sentence}`, 'try again, or offer the service on more nodes')
    default:
      return new CausewayError('unreachable', `${node}: ${reason ?? 'it hung up'}`, `see: causeway paths ${node}`)
  }
}
