/**
 * The way in: finds the local daemon and offers its API as typed calls. Nothing is sent before the first call, so a
 * program may connect before its sidecar is up, and keeps working when the sidecar is restarted.
 */
import { readFile } from 'node:fs/promises'
import {
  CausewayError,
  type ChannelView,
  type DocumentsView,
  type EventView,
  type LinkView,
  type NodesView,
  type PathsView,
  type PingReply,
  type SitesView,
  type StatusView,
  type TraceView,
  type VitalValues,
  type WhyView,
} from '@causeway/protocol'
import { DEFAULT_SOCKET, describeAddress, parseApiAddress } from './api-address.ts'
import { type ChannelStream, type Datagrams, type DatagramsOptions, openDatagrams, openStream } from './channel.ts'
import { type Collection, type CollectionOptions, openCollection } from './collection.ts'
import { type Forwards, openForwards } from './forwards.ts'
import { type SharedDocument, openShared } from './shared.ts'
import { type Tasks, openTasks } from './tasks.ts'
import { Transport } from './transport.ts'

export interface ConnectOptions {
  /**
   * Socket path or `http://HOST:PORT`.
   * @default `CAUSEWAY_API`, else `./causeway.sock`
   */
  readonly api?: string | undefined
  /**
   * Bearer token of an `http://` API.
   * @default `CAUSEWAY_TOKEN`, else what is in the file that `CAUSEWAY_TOKEN_FILE` names
   */
  readonly token?: string | undefined
}

export interface StreamOptions {
  /** Aborting it ends an iteration quietly; a plain call then throws. */
  readonly signal?: AbortSignal | undefined
}

export interface EventsOptions extends StreamOptions {
  /**
   * Whether to go on after the recent ones.
   * @default true
   */
  readonly follow?: boolean | undefined
}

export interface PingOptions extends StreamOptions {
  /** @default the daemon's choice */
  readonly count?: number | undefined
  readonly intervalMs?: number | undefined
  readonly bytes?: number | undefined
}

export interface Causeway {
  /** Where the daemon is, for people. */
  readonly api: string
  status(): Promise<StatusView>
  links(options?: StreamOptions): Promise<readonly LinkView[]>
  channels(): Promise<readonly ChannelView[]>
  /** The documents that this node holds, and how far. */
  documents(): Promise<DocumentsView>
  /** All nodes of which this one has heard, with their vitals. */
  nodes(options?: StreamOptions): Promise<NodesView>
  /** The same by site. */
  sites(options?: StreamOptions): Promise<SitesView>
  /**
   * Tells numbers of this application (`{players: 12}`), which every hub then shows with those of the node. They hold for
   * a minute: repeat them. At most 32 names.
   */
  vitals(values: VitalValues): Promise<void>
  /** All metrics, as Prometheus reads them. */
  metrics(): Promise<string>
  paths(to: string): Promise<PathsView>
  /** Which ways lead from one node to another, and why they are taken or not. */
  why(from: string, to: string): Promise<WhyView>
  /** The hops of the path in use to a node, as their links are measured. */
  trace(to: string, options?: StreamOptions): Promise<TraceView>
  /** This hub wants to be left, or no longer. Throws `refused` on an edge node. */
  drain(draining: boolean): Promise<StatusView>
  /** With a schema (Standard Schema v1: Zod, Valibot, ArkType, …) values are checked when written and when read. */
  collection<Input = unknown, Output = Input>(name: string, options?: CollectionOptions<Input, Output>): Collection<Input, Output>
  /** A document that applications hold as a Y.Doc and edit together: `documents/NAME`. */
  shared(name: string): SharedDocument
  readonly tasks: Tasks
  readonly forwards: Forwards
  /**
   * A connection to a TCP service, `SERVICE@SITE` or `SERVICE@SITE/NODE`, as a stream: it ends cleanly only if all has come, and
   * breaks with an error otherwise. Throws `refused`, `not-found` or `unreachable`. Only on the Unix socket.
   */
  open(service: string, options?: StreamOptions): Promise<ChannelStream>
  /** Datagrams to a UDP service and back. Only on the Unix socket. */
  datagrams(service: string, options?: DatagramsOptions): Promise<Datagrams>
  /** Messages to another node and back over an ordered channel; one item per answer. */
  ping(to: string, options?: PingOptions): AsyncGenerator<PingReply, void, undefined>
  /** State changes with their reasons: recent ones, then as they happen. */
  events(options?: EventsOptions): AsyncGenerator<EventView, void, undefined>
}

export async function connect(options: ConnectOptions = {}): Promise<Causeway> {
  const where = options.api ?? (process.env['CAUSEWAY_API'] || DEFAULT_SOCKET)
  const address = parseApiAddress(
    where,
    options.token ?? process.env['CAUSEWAY_TOKEN'] ?? (await tokenOfFile(process.env['CAUSEWAY_TOKEN_FILE'])),
  )
  const transport = new Transport(address)
  const read = <Result>(...path: string[]): Promise<Result> => transport.json({ method: 'GET', path })
  return {
    api: describeAddress(address),
    status: () => read('status'),
    links: ({ signal } = {}) => transport.json({ method: 'GET', path: ['links'], signal }),
    channels: () => read('channels'),
    documents: () => read('docs'),
    nodes: ({ signal } = {}) => transport.json({ method: 'GET', path: ['nodes'], signal }),
    sites: ({ signal } = {}) => transport.json({ method: 'GET', path: ['sites'], signal }),
    vitals: (values) => transport.json({ method: 'PUT', path: ['vitals'], body: values }),
    metrics: () => transport.text('/metrics'),
    paths: (to) => read('paths', to),
    why: (from, to) => read('why', from, to),
    trace: (to, { signal } = {}) => transport.json({ method: 'GET', path: ['trace', to], signal }),
    drain: (draining) => transport.json({ method: draining ? 'POST' : 'DELETE', path: ['drain'] }),
    collection: (name, options) => openCollection(transport, name, options),
    shared: (name) => openShared(transport, name),
    tasks: openTasks(transport),
    forwards: openForwards(transport),
    open: (service, { signal } = {}) => openStream(transport, service, signal),
    datagrams: (service, options = {}) => openDatagrams(transport, service, options),
    ping: (to, { count, intervalMs, bytes, signal } = {}) =>
      transport.lines({ method: 'POST', path: ['ping', to], query: { count, intervalMs, bytes }, signal }),
    events: ({ follow, signal } = {}) => transport.lines({ method: 'GET', path: ['events'], query: { follow }, signal }),
  }
}

async function tokenOfFile(file: string | undefined): Promise<string | undefined> {
  if (!file) return undefined
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (cause) {
    const fault = `the token in ${file} cannot be read: ${(cause as Error).message}`
    throw new CausewayError('usage', fault, 'let CAUSEWAY_TOKEN_FILE name api.token of the data directory', { cause })
  }
}
