/**
 * The one schema of the config file, for both roles; the JSON Schema for editors, the reference and the variables of the
 * environment are made of it. Keys that this version does not act on yet are accepted only with the value they have when
 * they are left out: a setting is obeyed or refused, never ignored.
 */
import { isIP } from 'node:net'
import { z } from 'zod'
import { LIMITS, type Limits, NAME_PATTERN, VITAL_NAME_PATTERN } from '@causeway/protocol'
import { canMatch } from '@causeway/state'
import { type ForwardSetting, type ServiceSetting, forwardsSchema, servicesSchema, socksSchema } from './forwarding/settings.ts'
import { type HostPort, isLoopback, parseHostPort } from './host-port.ts'
import { LIMIT_LEAST, LIMIT_MEANINGS, limitFault, limitsOf } from './config-limits.ts'

/** Unset, or as good as unset: the later versions of the config may be written already. */
function notYet(...allowed: readonly unknown[]): z.ZodOptional<z.ZodUnknown> {
  const texts = [null, undefined, ...allowed].map((value) => JSON.stringify(value))
  const unset = (value: unknown): boolean =>
    texts.includes(JSON.stringify(value)) || (typeof value === 'object' && Object.keys(value ?? {}).length === 0)
  return z
    .unknown()
    .refine(unset, { message: 'is not supported by this version yet; leave it out' })
    .optional()
    .describe('not in this version yet')
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

const dialAddress = z.string().refine((text) => (parseHostPort(text)?.port ?? 0) > 0, {
  error: ({ input }) => `expected host:port (IPv6 in brackets), got ${JSON.stringify(input)}`,
})

const pattern = z.string().refine((text) => canMatch(text.replaceAll(/\{(?:site|region)\}/g, 'x')), {
  error: ({ input }) =>
    `expected a pattern over COLLECTION/PARTITION in lower case, where * stands for one part and a last ** for the rest, got ${JSON.stringify(input)}`,
})

const etcdEndpoint = z.url({ protocol: /^https?$/, error: 'expected the address of a member, for instance http://10.0.0.9:2379' })

const leases = z
  .discriminatedUnion(
    'engine',
    [
      z.strictObject({
        engine: z.literal('embedded').describe('`embedded`: a hub grants; `etcd`: a cluster of etcd does, through any hub'),
        hub: z
          .string()
          .regex(NAME_PATTERN, { error: 'expected the name of a hub' })
          .describe('which hub grants; while it is away, nothing new is granted, and `sticky` tasks go on'),
      }),
      z.strictObject({
        engine: z.literal('etcd'),
        endpoints: z.array(etcdEndpoint).max(16).default([]).describe('members of etcd, for hubs; other nodes need not reach them'),
      }),
    ],
    { error: 'expected {engine: embedded, hub: NAME} or {engine: etcd, endpoints: [...]}' },
  )
  .nullish()
  .describe(
    'who grants tasks and strict writes; `null`: nobody. All nodes of a network must say the same. `etcd` survives the loss of any one machine',
  )

const limits = z
  .strictObject(
    Object.fromEntries(
      (Object.keys(LIMITS) as (keyof Limits)[]).map((key) => {
        const limit = z
          .number()
          .int()
          .min(LIMIT_LEAST[key] ?? 1)
        return [key, limit.optional().describe(LIMIT_MEANINGS[key])]
      }),
    ) as Record<keyof Limits, z.ZodOptional<z.ZodNumber>>,
  )
  .check(({ value, issues }) => {
    const fault = limitFault(limitsOf(value))
    if (fault) issues.push({ code: 'custom', input: value, path: [fault.key], message: fault.message })
  })

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
  readonly bind: readonly string[]
  readonly announce: readonly string[]
  readonly hubs: readonly string[]
  readonly peers: readonly string[]
  readonly uplinks: number
  readonly parents: readonly string[]
  readonly services: readonly ServiceSetting[]
  readonly forwards: readonly ForwardSetting[]
  readonly socks?: HostPort | null | undefined
  readonly state: { readonly interest: readonly string[] }
  readonly collections: Readonly<Record<string, { readonly strict: boolean }>>
  readonly leases?:
    | { readonly engine: 'embedded'; readonly hub: string }
    | { readonly engine: 'etcd'; readonly endpoints: readonly string[] }
    | null
    | undefined
  readonly vitals: { readonly system: boolean; readonly thresholds: Readonly<Record<string, number>> }
  readonly probe: { readonly stampReflector?: HostPort | null | undefined }
  readonly limits: { readonly [Key in keyof Limits]?: number | undefined }
}

const listen = z.strictObject({
  tcp: listenAddress
    .prefault(`${DEFAULT_LISTEN.host}:${DEFAULT_LISTEN.port}`)
    .describe(
      'where peers connect. A hub must be reachable here, and nodes of one site by each other; a node that is alone at its site need not be, and may listen on loopback. `[::]:7400` takes IPv4 and IPv6',
    ),
  udp: listenAddress
    .nullish()
    .describe(
      'probes and datagrams; the address of `tcp` unless set. `null`: none, and they share the control connection: delays are then told less exactly',
    ),
  stream: listenAddressLike('0.0.0.0:7401')
    .nullish()
    .describe(
      'bulk. Peers are told the port: 7401 beside the default of `tcp`, else any. `null`: bulk shares the control connection, which is slower',
    ),
})

const api = z.strictObject({
  socket: z.string().min(1).default('./causeway.sock').describe('the local API, for its owner only; at most 107 bytes long'),
  http: listenAddressLike('127.0.0.1:7480')
    .refine(({ host }) => isLoopback(host), { message: 'expected a loopback address: whoever has the token controls the node' })
    .nullish()
    .describe('the same API over HTTP, on loopback, for who sends the token in `DATADIR/api.token`'),
  dashboard: notYet(),
  metrics: listenAddressLike('127.0.0.1:9464')
    .nullish()
    .describe('where Prometheus finds `/metrics`. Whoever reaches it may read it: keep it on loopback, or behind a firewall'),
})

const vitals = z.strictObject({
  system: z.boolean().default(true).describe("whether to read this machine's; off, only applications tell theirs"),
  thresholds: z
    .record(z.string().regex(VITAL_NAME_PATTERN), z.number().nonnegative())
    .default({})
    .describe('the least change of a vital that is told, by its name. 0 tells everything; each costs some bytes a second at every hub'),
})

export const configSchema: z.ZodType<ParsedConfig> = z.strictObject({
  role: z.enum(['edge', 'hub']).describe('`edge` beside programs, `hub` in the core: it relays for others. As the credential says'),
  credential: z
    .string()
    .min(1)
    .describe('the file that `causeway issue` or `renew` made: name, site and region, and the private key. Mode 0600'),
  dataDir: z
    .string()
    .min(1)
    .default('./data')
    .describe('records, what is known of hubs, the token of the API. A local disk that honours fsync; made if missing'),
  listen: listen.prefault({}).describe('addresses of this machine; port 0 takes a free one'),
  bind: z
    .array(z.string().refine((text) => isIP(text) !== 0, { message: 'expected an IP address of this machine' }))
    .max(8)
    .default([])
    .describe(
      'addresses of this machine to dial hubs from, one for each of its lines: each has a set of `uplinks` hubs of its own, which go over to the next line when it fails, and come back. What leaves from an address must leave over its line: on Linux that takes `ip rule`. Unset, the routing table decides',
    ),
  announce: z
    .array(dialAddress)
    .max(16)
    .default([])
    .describe(
      'where others may dial this node, if not where it listens (NAT, several addresses): they try all of them, and keep what works. Of an edge node: its site, and nodes of other sites that link with it directly, which otherwise dial what it has of public addresses',
    ),
  api: api.prefault({}).describe('how programs on this machine reach the node'),
  hubs: z
    .array(dialAddress)
    .max(64)
    .default([])
    .describe('where to start; the rest is learned and remembered. Name two or three, so that one may be down at the first start'),
  peers: z
    .array(dialAddress)
    .max(64)
    .default([])
    .describe('nodes of the same site, if hubs may be unreachable at the first start, or this node has no way out'),
  uplinks: z
    .number()
    .int()
    .min(1)
    .max(16)
    .default(4)
    .describe(
      'hubs that the gateway of a site keeps links with; a hub does with all that it is told of. Four in distinct failure domains: any three may die. Each costs about 1 kbit/s',
    ),
  parents: z
    .array(dialAddress)
    .max(64)
    .default([])
    .describe(
      'of a hub of a lower tier: hubs of the core to hold links with. It exchanges state with one of them, for all sites below it, and holds what these and its own `state.interest` ask for; its `hubs` are others to carry frames through',
    ),
  services: servicesSchema.describe('what this node offers to the network'),
  forwards: forwardsSchema.describe('ports of this node that lead to services elsewhere'),
  socks: socksSchema.describe('where a SOCKS5 proxy listens that leads to all services, such as `1080`. Whoever reaches it may use it'),
  state: z
    .strictObject({
      interest: z
        .array(pattern)
        .max(256)
        .default([...DEFAULT_INTEREST])
        .describe(
          "which collections and partitions to hold, beside this site's own: COLLECTION/PARTITION, where `*` stands for one part and a last `**` for the rest; `{site}` and `{region}` stand for this node's. A hub holds everything",
        ),
    })
    .prefault({})
    .describe('records'),
  collections: z
    .record(
      z.string().regex(NAME_PATTERN, { error: 'expected the name of a collection' }),
      z.strictObject({ strict: z.boolean().default(false) }),
    )
    .default({})
    .describe(
      '`NAME: {strict: true}`: every write to the collection is strict: the hub that grants `leases` compares and makes it, or it is refused. All nodes must say the same',
    ),
  leases,
  vitals: vitals.prefault({}).describe('what this node tells of its load'),
  probe: z
    .strictObject({
      stampReflector: listenAddress
        .nullish()
        .describe(
          'where to answer the test packets of anybody (RFC 8762), such as `0.0.0.0:862`; they are not authenticated, and an answer is never longer',
        ),
    })
    .prefault({})
    .describe('measurement for others'),
  limits: limits.prefault({}).describe('bounds of the protocol; all nodes of a network should agree on the first seven'),
})
