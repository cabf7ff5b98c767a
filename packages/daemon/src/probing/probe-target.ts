/** What people write behind `causeway probe`: `stamp://host[:862]`, `tcp://host:port`, or the name of a node. */
import { CausewayError, NAME_PATTERN } from '@causeway/protocol'
import { STAMP_PORT } from '@causeway/probe/probe-tool'
import { type HostPort, formatHostPort, parseHostPort } from '../host-port.ts'

export type ProbeTarget =
  | ({ readonly kind: 'stamp'; readonly text: string } & HostPort)
  | ({ readonly kind: 'tcp'; readonly text: string } & HostPort)
  | { readonly kind: 'node'; readonly text: string; readonly name: string }

const SCHEME = /^(?<scheme>[a-z][a-z0-9+.-]*):\/\/(?<rest>.*)$/i

/** Throws `usage`. */
export function parseProbeTarget(text: string): ProbeTarget {
  const { scheme, rest = '' } = SCHEME.exec(text)?.groups ?? {}
  if (scheme === undefined) return nodeTarget(text)
  const where = rest.replace(/\/$/, '')
  if (scheme.toLowerCase() === 'stamp') return addressTarget('stamp', text, parseHostPort(where) ?? parseHostPort(`${where}:${STAMP_PORT}`))
  if (scheme.toLowerCase() === 'tcp') return addressTarget('tcp', text, parseHostPort(where))
  throw wrong(text, `nothing here speaks ${scheme}`, 'use stamp://HOST[:862], tcp://HOST:PORT, or the name of a node')
}

/** The target as its reports name it. */
export function formatTarget(target: ProbeTarget): string {
  return target.kind === 'node' ? target.name : `${target.kind}://${formatHostPort(target)}`
}

function addressTarget(kind: 'stamp' | 'tcp', text: string, address: HostPort | undefined): ProbeTarget {
  if (address && address.port > 0) return { kind, text, ...address }
  const form = kind === 'stamp' ? 'stamp://HOST or stamp://HOST:PORT' : 'tcp://HOST:PORT'
  throw wrong(text, 'host and port cannot be told', `write ${form}, an IPv6 address in brackets`)
}

function nodeTarget(text: string): ProbeTarget {
  if (NAME_PATTERN.test(text)) return { kind: 'node', text, name: text }
  const address = parseHostPort(text)
  const remedy = address ? `write tcp://${text} or stamp://${text}` : 'use stamp://HOST[:862], tcp://HOST:PORT, or the name of a node'
  throw wrong(text, 'it is no name of a node', remedy)
}

function wrong(text: string, why: string, remedy: string): CausewayError {
  return new CausewayError('usage', `"${text}" is no target: ${why}`, remedy)
}
