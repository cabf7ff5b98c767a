/**
 * Reads the config file: YAML, checked against one schema, paths made absolute. Every fault names the file, the
 * line, the key, what was expected and what to do.
 */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type Document, LineCounter, isNode, parseDocument } from 'yaml'
import type { z } from 'zod'
import { CausewayError, type Credential, type Limits, type Role } from '@causeway/protocol'
import { DEFAULT_LISTEN, DEFAULT_STREAM_PORT, type ParsedConfig, configSchema } from './config-schema.ts'
import { limitsOf } from './config-limits.ts'
import { loadCredential } from './credential-file.ts'
import { type Environment, type Override, overridesOf, withOverrides } from './config-environment.ts'
import { nearest } from './edit-distance.ts'
import type { ForwardingSettings } from './forwarding/settings.ts'
import type { HostPort } from './host-port.ts'
import { checkSocketPath } from './unix-socket.ts'

export interface DaemonConfig {
  /** The file it was read from. */
  readonly path: string
  readonly role: Role
  /** Absolute, as all paths here. */
  readonly credential: string
  readonly dataDir: string
  readonly listen: { readonly tcp: HostPort; readonly udp: HostPort | null; readonly stream: HostPort | null }
  readonly apiSocket: string
  /** Where the API is served over HTTP too, on loopback and with a token; `null`: nowhere. */
  readonly apiHttp: HostPort | null
  /** Where /metrics is served over TCP too; `null`: nowhere. */
  readonly apiMetrics: HostPort | null
  /** Addresses of this machine to dial hubs from. */
  readonly bind: readonly string[]
  readonly announce: readonly string[]
  readonly hubs: readonly string[]
  readonly peers: readonly string[]
  readonly uplinks: number
  /** Of a hub of a lower tier; else empty. */
  readonly parents: readonly string[]
  readonly forwarding: ForwardingSettings
  /** As written, with `{site}` and `{region}` in place. */
  readonly interest: readonly string[]
  /** Collections that are only written strictly. */
  readonly strictCollections: readonly string[]
  /** Who grants tasks; `null`: nobody. */
  readonly leases: NonNullable<ParsedConfig['leases']> | null
  readonly vitals: ParsedConfig['vitals']
  readonly stampReflector: HostPort | null
  readonly limits: Limits
}

export interface ConfigReport {
  readonly config: DaemonConfig
  readonly credential: Credential
  readonly warnings: readonly string[]
}

/** Reads config and credential as `run` would, and starts nothing. Throws `config-invalid` or `credential-invalid`. */
export function checkConfig(path: string): ConfigReport {
  const config = loadConfig(path)
  const { credential, warnings } = loadCredential(config.credential, Date.now())
  checkRole(config, credential)
  checkSocketPath(config.apiSocket)
  return { config, credential, warnings }
}

export function checkRole(config: DaemonConfig, credential: Credential): void {
  if (config.role === credential.role) return
  throw new CausewayError(
    'config-invalid',
    `${config.path}: role is ${config.role}, but ${config.credential} was issued for role ${credential.role}`,
    `set role: ${credential.role}, or issue another credential`,
  )
}

/** Throws `config-invalid`. */
export function loadConfig(path: string, environment: Environment = process.env): DaemonConfig {
  const file = resolve(path)
  const lines = new LineCounter()
  const document = parseDocument(readText(file), { lineCounter: lines })
  const fault = document.errors[0]
  if (fault) {
    const what = fault.message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '')
    throw invalid(file, fault.linePos?.[0].line, `it is not YAML: ${what}`, 'correct that line')
  }
  const overrides = overridesOf(environment)
  const written = withOverrides(document.toJS() ?? {}, overrides)
  const parsed = configSchema.safeParse(written)
  if (!parsed.success) throw overrideFault(overrides, written, parsed.error.issues) ?? faultOf(file, document, lines, parsed.error.issues)
  const { role, leases, collections, parents } = parsed.data
  if (role === 'edge' && parents.length > 0)
    throw invalid(file, lineOf(document, lines, ['parents']), 'parents: only a hub has any', 'name the hubs of an edge node under hubs')
  const strict = Object.keys(collections).find((name) => collections[name]?.strict)
  if (strict !== undefined && !leases)
    throw invalid(
      file,
      lineOf(document, lines, ['collections', strict]),
      `collections.${strict}: nobody grants strict writes`,
      'set leases',
    )
  if (role === 'hub' && leases?.engine === 'etcd' && leases.endpoints.length === 0)
    throw invalid(file, lineOf(document, lines, ['leases']), 'leases.endpoints: a hub needs them', 'name the members of etcd')
  return absolute(file, parsed.data)
}

/** What a hub of a lower tier works with: who is where, what is concluded of them, what they offer, where hubs are. */
const LOWER_HUB_INTEREST: readonly string[] = ['nodes/**', 'members/**', 'services/**', 'hubs/*']

/** Patterns with the node's own site and region filled in, and what every node of its role wants anyway; whoever grants, everything. */
export function expandInterest(
  { interest, parents, leases }: Pick<DaemonConfig, 'interest' | 'parents' | 'leases'>,
  self: Credential,
): string[] {
  const { role, site, region, name } = self
  const grants = leases?.engine === 'etcd' || leases?.hub === name
  const ofHub = parents.length > 0 && !grants ? LOWER_HUB_INTEREST : ['**']
  const own = role === 'hub' ? ofHub : [`*/${site}`, `*/${site}/**`, 'hubs/*']
  const written = interest.map((pattern) => pattern.replaceAll('{site}', site).replaceAll('{region}', region))
  return [...new Set([...own, ...written])]
}

/** Where it is not said: datagrams beside the connections, bulk at its own default or wherever there is room. */
function listenOf({ tcp, udp, stream }: ParsedConfig['listen']): DaemonConfig['listen'] {
  const streamPort = tcp.port === DEFAULT_LISTEN.port ? DEFAULT_STREAM_PORT : 0
  return { tcp, udp: udp === undefined ? tcp : udp, stream: stream === undefined ? { host: tcp.host, port: streamPort } : stream }
}

function absolute(file: string, parsed: ParsedConfig): DaemonConfig {
  const from = (path: string): string => resolve(dirname(file), path)
  return {
    path: file,
    role: parsed.role,
    credential: from(parsed.credential),
    dataDir: from(parsed.dataDir),
    listen: listenOf(parsed.listen),
    apiSocket: from(parsed.api.socket),
    apiHttp: parsed.api.http ?? null,
    apiMetrics: parsed.api.metrics ?? null,
    bind: parsed.bind,
    announce: parsed.announce,
    hubs: parsed.hubs,
    peers: parsed.peers,
    uplinks: parsed.uplinks,
    parents: parsed.parents,
    forwarding: { services: parsed.services, forwards: parsed.forwards, socks: parsed.socks ?? null },
    interest: parsed.state.interest,
    strictCollections: Object.entries(parsed.collections).flatMap(([name, { strict }]) => (strict ? [name] : [])),
    leases: parsed.leases ?? null,
    vitals: parsed.vitals,
    stampReflector: parsed.probe.stampReflector ?? null,
    limits: limitsOf(parsed.limits),
  }
}

/** If the fault is in what the environment gave. */
function overrideFault(overrides: readonly Override[], written: unknown, [issue]: readonly z.core.$ZodIssue[]): CausewayError | undefined {
  const path = issue?.path.map(String) ?? []
  const given = overrides.find((each) => path.length > 0 && each.path.every((step, index) => step === path[index]))
  if (!issue || !given) return undefined
  const remedy = `correct it, or unset ${given.variable}`
  return new CausewayError('config-invalid', `${given.variable}: ${messageOf(written, issue, issue.path)}`, remedy)
}

function faultOf(file: string, document: Document, lines: LineCounter, issues: readonly z.core.$ZodIssue[]): CausewayError {
  const [issue] = issues
  if (!issue) return invalid(file, undefined, 'it is not valid', 'see the documentation of the config')
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const path = unknown === undefined ? issue.path : [...issue.path, unknown]
  const key = path.map(String).join('.')
  const line = lineOf(document, lines, path)
  if (unknown !== undefined) {
    const meant = nearest(unknown, knownKeys(issue.path))
    return invalid(file, line, `unknown key ${key}`, meant === undefined ? 'remove it' : `did you mean ${meant}?`)
  }
  const remedy = issue.code === 'custom' ? 'correct it' : 'see the documentation of the config'
  return invalid(file, line, `${key || 'the config'}: ${messageOf(document.toJS(), issue, path)}`, remedy)
}

function messageOf(written: unknown, issue: z.core.$ZodIssue, path: readonly PropertyKey[]): string {
  const value = valueAt(written, path)
  if (issue.code === 'custom') return issue.message
  if (value === undefined) return 'is required'
  const given = JSON.stringify(value)
  if (issue.code === 'invalid_type') return `expected ${issue.expected}, got ${given}`
  if (issue.code === 'invalid_value') return `expected ${issue.values.map(String).join(' or ')}, got ${given}`
  return `${issue.message}, got ${given}`
}

/** The keys that the schema knows at `path`. */
function knownKeys(path: readonly PropertyKey[]): string[] {
  let known: unknown = configSchema
  for (const step of path) {
    const { element, valueType, shape } = bareSchema(known)
    known = element ?? valueType ?? shape?.[String(step)]
  }
  return Object.keys(bareSchema(known).shape ?? {})
}

interface BareSchema {
  /** Of a list. */
  readonly element?: unknown
  /** Of a record. */
  readonly valueType?: unknown
  /** Of an object. */
  readonly shape?: Readonly<Record<string, unknown>>
}

/** Under its defaults. */
function bareSchema(schema: unknown): BareSchema {
  const { innerType } = (schema as { def?: { innerType?: unknown } } | undefined)?.def ?? {}
  return innerType === undefined ? ((schema as BareSchema | undefined) ?? {}) : bareSchema(innerType)
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, step) => (value as Record<PropertyKey, unknown> | null | undefined)?.[step], root)
}

/** The line of the key, or of the nearest thing around it that is there. */
function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number | undefined {
  for (let length = path.length; length > 0; length--) {
    const node: unknown = document.getIn(path.slice(0, length), true)
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line
  }
  return undefined
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    throw new CausewayError(
      'config-invalid',
      code === 'ENOENT' ? `the config ${file} does not exist` : `the config ${file} cannot be read: ${message}`,
      'name the file with --config',
      { cause },
    )
  }
}

function invalid(file: string, line: number | undefined, message: string, remedy: string): CausewayError {
  return new CausewayError('config-invalid', `${file}${line === undefined ? '' : `:${line}`}: ${message}`, remedy)
}
