/**
 * The one schema of the config file, for both roles. Keys that this version does not act on yet are accepted only
 * with the value they have when they are left out: a setting is obeyed or refused, never ignored.
 */
import { isIP } from 'node:net'
import { z } from 'zod'
import { LIMITS, type Limits, NAME_PATTERN, VITAL_NAME_PATTERN } from '@causeway/protocol'
import { type ForwardSetting, type ServiceSetting, forwardsSchema, servicesSchema, socksSchema } from './forwarding/settings.ts'
import { type HostPort, isLoopback, parseHostPort } from './host-port.ts'

/** Unset, or as good as unset: the later versions of the config may be written already. */
function notYet(...allowed: readonly unknown[]): z.ZodOptional<z.ZodUnknown> {
  const texts = [null, undefined, ...allowed].map((value) => JSON.stringify(value))
  const unset = (value: unknown): boolean =>
    texts.includes(JSON.stringify(value)) || (typeof value === 'object' && Object.keys(value ?? {}).length === 0)
  return z.unknown().refine(unset, { message: 'is not supported by this version yet; leave it out' }).optional()
}

const hostPort = z.string().transform((text, context): HostPort => {
  const address = parseHostPort(text)
  if (address) return address
  context.addIssue({ code: 'custom', message: `expected host:port (IPv6 in brackets), got ${JSON.stringify(text)}` })
  return z.NEVER
})

function listenAddressLike(example: string): typeof hostPort {
  const message = `expected an IP address of this machine and a port, for instance ${example}`
  return hostPort.refine((address) => isIP(address.host) !== 0, { message })
}

const listenAddress = listenAddressLike('0.0.0.0:7400')

const dialAddress = z.string().refine((text) => (parseHostPort(text)?.port ?? 0) > 0, { message: 'expected host:port (IPv6 in brackets)' })

const pattern = z
  .string()
  .regex(/^[^\s/]+(?:\/[^\s/]+)*$/, { message: 'expected a pattern over collection/partition, for instance tasks/{site}' })

const etcdEndpoint = z.url({ protocol: /^https?$/, error: 'expected the address of a member, for instance http://10.0.0.9:2379' })

/** Who grants tasks. All nodes of a network must say the same; `endpoints` is for hubs, others need not reach them. */
const leases = z.discriminatedUnion(
  'engine',
  [
    z.strictObject({ engine: z.literal('embedded'), hub: z.string().regex(NAME_PATTERN, { error: 'expected the name of a hub' }) }),
    z.strictObject({ engine: z.literal('etcd'), endpoints: z.array(etcdEndpoint).max(16).default([]) }),
  ],
  { error: 'expected {engine: embedded, hub: NAME} or {engine: etcd, endpoints: [...]}' },
)

const limit = z.number().int().positive()
const limits = z.strictObject(
  Object.fromEntries(Object.keys(LIMITS).map((key) => [key, limit.optional()])) as Record<keyof Limits, z.ZodOptional<typeof limit>>,
)

/** Where peers open connections, and beside it the port for bulk. */
export const DEFAULT_LISTEN: HostPort = { host: '0.0.0.0', port: 7400 }
export const DEFAULT_STREAM_PORT = 7401
const DEFAULT_INTEREST: readonly string[] = ['config/**', 'tasks/{site}', 'nodes/{region}/**']

export interface ParsedConfig {
  readonly role: 'edge' | 'hub'
  readonly credential: string
  readonly dataDir: string
  readonly listen: { readonly tcp: HostPort; readonly udp?: HostPort | null | undefined; readonly stream?: HostPort | null | undefined }
  readonly api: { readonly socket: string; readonly http?: HostPort | null | undefined; readonly metrics?: HostPort | null | undefined }
  readonly announce: readonly string[]
  readonly hubs: readonly string[]
  readonly peers: readonly string[]
  readonly uplinks: number
  readonly services: readonly ServiceSetting[]
  readonly forwards: readonly ForwardSetting[]
  readonly socks?: HostPort | null | undefined
  readonly state: { readonly interest: readonly string[] }
  readonly leases?:
    | { readonly engine: 'embedded'; readonly hub: string }
    | { readonly engine: 'etcd'; readonly endpoints: readonly string[] }
    | null
    | undefined
  readonly vitals: { readonly system: boolean; readonly thresholds: Readonly<Record<string, number>> }
  readonly probe: { readonly stampReflector?: HostPort | null | undefined }
  readonly limits: { readonly [Key in keyof Limits]?: number | undefined }
}

export const configSchema: z.ZodType<ParsedConfig> = z.strictObject({
  role: z.enum(['edge', 'hub']),
  credential: z.string().min(1),
  dataDir: z.string().min(1).default('./data'),
  listen: z
    .strictObject({
      tcp: listenAddress.default(DEFAULT_LISTEN),
      /** `null`: no datagrams; probes and datagrams then travel on the control connection. */
      udp: listenAddress.nullish(),
      /** Bulk. Peers are told the port: unset, 7401 beside the default of `tcp`, else any. `null`: bulk shares the control connection. */
      stream: listenAddressLike('0.0.0.0:7401').nullish(),
    })
    .prefault({}),
  bind: notYet(),
  /** Where others may dial this node, if it has several addresses: they try all of them, and keep what works. */
  announce: z.array(dialAddress).max(16).default([]),
  api: z
    .strictObject({
      socket: z.string().min(1).default('./causeway.sock'),
      /** The same API over HTTP, on loopback, for who sends the token in `DATADIR/api.token`. */
      http: listenAddressLike('127.0.0.1:7480')
        .refine(({ host }) => isLoopback(host), { message: 'expected a loopback address: whoever has the token controls the node' })
        .nullish(),
      dashboard: notYet(),
      /** Where Prometheus finds /metrics. Everybody who reaches it may read it: keep it on loopback, or behind a firewall. */
      metrics: listenAddressLike('127.0.0.1:9464').nullish(),
    })
    .prefault({}),
  hubs: z.array(dialAddress).max(64).default([]),
  peers: z.array(dialAddress).max(64).default([]),
  /** Four hubs in distinct failure domains: any three may die. */
  uplinks: z.number().int().min(1).max(16).default(4),
  parents: notYet(),
  /** What this node offers to the network. */
  services: servicesSchema,
  /** Ports of this node that lead to services elsewhere. */
  forwards: forwardsSchema,
  /** Where a SOCKS5 proxy listens that leads to all services; `null`: nowhere. Whoever reaches it may use it. */
  socks: socksSchema,
  state: z
    .strictObject({
      interest: z
        .array(pattern)
        .max(256)
        .default([...DEFAULT_INTEREST]),
    })
    .prefault({}),
  leases: leases.nullish(),
  vitals: z
    .strictObject({
      /** Whether to read this machine's; off, only applications tell theirs. */
      system: z.boolean().default(true),
      /** The least change of a vital that is told. 0 tells everything; each costs some bytes a second at every hub. */
      thresholds: z.record(z.string().regex(VITAL_NAME_PATTERN), z.number().nonnegative()).default({}),
    })
    .prefault({}),
  /** Where to answer the test packets of anybody (RFC 8762); `null`: nowhere. It is not authenticated. */
  probe: z.strictObject({ stampReflector: listenAddress.nullish() }).prefault({}),
  limits: limits.prefault({}),
})
