/**
 * What is forwarded, as people write it: the keys `services`, `forwards` and `socks` of the config, and the body of
 * `POST /v1/forwards`.
 */
import { isIP } from 'node:net'
import { z } from 'zod'
import { type HostPort, formatHostPort, parseHostPort } from '../host-port.ts'
import { type Destination, SERVICE_PATTERN, type ServiceProtocol, parseDestination } from './destination.ts'
import { isPeerRule } from './peer-rules.ts'

/** A server of this node that the network may use. */
export interface ServiceSetting {
  readonly name: string
  /** Where the server listens; one of the two. */
  readonly tcp?: HostPort | undefined
  readonly udp?: HostPort | undefined
  /** Rules, see `PeerRules`; unset: everybody. */
  readonly allow?: readonly string[] | undefined
  /** Bytes per second, in and out together, of all connections. */
  readonly rate?: number | undefined
  /** Whether connections begin with a header that tells whose they are. */
  readonly proxyProtocol: boolean
  /** Of a flow of UDP. */
  readonly idleSeconds: number
}

/** A port of this node that leads to a service elsewhere. */
export interface ForwardSetting {
  readonly listen: HostPort
  readonly to: Destination
  readonly proto: ServiceProtocol
  /** How datagrams travel. */
  readonly class: 'latest' | 'twin'
  /** Of a flow of UDP. */
  readonly idleSeconds: number
}

export interface ForwardingSettings {
  readonly services: readonly ServiceSetting[]
  readonly forwards: readonly ForwardSetting[]
  readonly socks: HostPort | null
}

const SERVICES_MAX = 256
const FORWARDS_MAX = 1024
const LOOPBACK = '127.0.0.1'
/** Most protocols over UDP say something within this, or begin anew. */
const IDLE_SECONDS = 60

const serverAddress = z.string().transform((text, context): HostPort => {
  const address = parseHostPort(text)
  if (address && address.port > 0) return address
  context.addIssue({ code: 'custom', message: `expected host:port of a server, got ${JSON.stringify(text)}` })
  return z.NEVER
})

/** A bare port is one of loopback: to listen elsewhere has to be said. */
const listenAddress = z.union([z.string(), z.number()]).transform((given, context): HostPort => {
  const text = String(given)
  const address = /^\d{1,5}$/.test(text) ? parseHostPort(`${LOOPBACK}:${text}`) : parseHostPort(text)
  if (address && isIP(address.host) !== 0) return address
  const message = `expected a port, or an IP address of this machine and a port, got ${JSON.stringify(text)}`
  context.addIssue({ code: 'custom', message })
  return z.NEVER
})

const destination = z.string().transform((text, context): Destination => {
  const parsed = parseDestination(text)
  if (parsed) return parsed
  context.addIssue({ code: 'custom', message: `expected SERVICE@SITE or SERVICE@SITE/NODE, got ${JSON.stringify(text)}` })
  return z.NEVER
})

const rule = z.string().refine(isPeerRule, { message: 'expected conditions like site=hkg-*, name=N, region=R, role=hub or label.K=V' })
const idleSeconds = z.number().positive().max(86_400).default(IDLE_SECONDS)

export const serviceSchema: z.ZodType<ServiceSetting> = z
  .strictObject({
    name: z
      .string()
      .regex(SERVICE_PATTERN, { message: 'expected lower-case letters, digits and hyphens' })
      .describe('the same name may be offered over tcp and udp, and by many nodes'),
    tcp: serverAddress.optional().describe('address of the server as this node reaches it; either this or `udp`'),
    udp: serverAddress.optional().describe('the same for datagrams'),
    allow: z
      .array(rule)
      .min(1)
      .max(256)
      .optional()
      .describe('who may use it, one rule is enough: `site=hkg-*`, `label.team=media`; unset: everybody'),
    rate: z.number().int().min(1_000).optional().describe('bytes per second, both ways and all connections together; unset: no cap'),
    proxyProtocol: z.boolean().default(false).describe('TCP connections begin with a PROXY protocol v2 header that tells whose they are'),
    idleSeconds: idleSeconds.describe('a flow of UDP ends when nothing was said for so long'),
  })
  .refine(({ tcp, udp }) => (tcp === undefined) !== (udp === undefined), { message: 'a service has either tcp or udp, its local address' })
  .refine(({ udp, proxyProtocol }) => udp === undefined || !proxyProtocol, { message: 'the PROXY protocol is for tcp only' })

export const forwardSchema: z.ZodType<ForwardSetting> = z
  .strictObject({
    listen: listenAddress.describe('a port of 127.0.0.1, or an IP address and a port. Whoever reaches it may use it'),
    to: destination.describe('`SERVICE@SITE`: the nearest node of the site that offers it; `SERVICE@SITE/NODE`: that node'),
    proto: z.enum(['tcp', 'udp']).default('tcp').describe('connections, or datagrams'),
    class: z
      .enum(['latest', 'twin'])
      .default('latest')
      .describe('of datagrams: `twin` sends each over two disjoint paths, for twice the bytes'),
    idleSeconds: idleSeconds.describe('a client of UDP that is silent for so long is forgotten'),
  })
  .refine(({ proto, class: of }) => proto === 'udp' || of === 'latest', {
    path: ['class'],
    message: '`twin` is for datagrams: set proto: udp',
  })

export const servicesSchema: z.ZodType<readonly ServiceSetting[]> = z
  .array(serviceSchema)
  .max(SERVICES_MAX)
  .prefault([])
  .superRefine((services, context) => {
    refuseRepetition(context, services.map(serviceKey), 'name')
  })

export const forwardsSchema: z.ZodType<readonly ForwardSetting[]> = z
  .array(forwardSchema)
  .max(FORWARDS_MAX)
  .prefault([])
  .superRefine((forwards, context) => {
    refuseRepetition(context, forwards.map(forwardId), 'listen')
  })

export const socksSchema: z.ZodType<HostPort | null | undefined> = listenAddress.nullish()

export function protocolOf({ udp }: ServiceSetting): ServiceProtocol {
  return udp === undefined ? 'tcp' : 'udp'
}

/** A service may be offered over both protocols. */
export function serviceKey(service: ServiceSetting): string {
  return `${protocolOf(service)}/${service.name}`
}

/** By where it listens: there is one at each place. */
export function forwardId({ proto, listen }: Pick<ForwardSetting, 'proto' | 'listen'>): string {
  return `${proto}:${formatHostPort(listen)}`
}

function refuseRepetition(context: z.RefinementCtx, keys: readonly string[], field: string): void {
  const again = keys.findIndex((key, index) => keys.indexOf(key) < index)
  if (again < 0) return
  context.addIssue({ code: 'custom', message: `${keys[again]} is there twice`, path: [again, field] })
}
