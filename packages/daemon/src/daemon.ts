/**
 * One node as a process: config, credential, store, machine, network and API put together, and taken apart again
 * in the opposite order. What has been started when a later step fails is stopped before the error is thrown.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Hub } from '@causeway/hub'
import { type AllocatorPlace, EdgeNode, type NodeConfig, type NodeEnvironment, type NodeMachine } from '@causeway/node'
import { type StoreEntry, instant } from '@causeway/protocol'
import { wallOffset } from './clockwork.ts'
import { type DaemonConfig, checkRole, expandInterest, loadConfig } from './config.ts'
import { ConfigReload, type Reloaded } from './config-reload.ts'
import { type LoadedCredential, loadCredential } from './credential-file.ts'
import { CredentialEnd } from './credential-end.ts'
import { startForwarding } from './forwarding/node-forwarding.ts'
import type { Report } from './forwarding/sparing-reports.ts'
import { nextIncarnation } from './incarnation.ts'
import { Inquiries } from './inquiries.ts'
import { Libp2pNetwork } from './libp2p-network.ts'
import { DrainMark } from './drain-mark.ts'
import { isLoopback } from './host-port.ts'
import { startHttpApi } from './http-api.ts'
import type { HttpServer } from './http-server.ts'
import { LmdbStore, type StoreRepair } from './lmdb-store.ts'
import { LocalApi } from './local-api.ts'
import { takeLeave } from './leave-taking.ts'
import { type Logger, createLogger } from './logger.ts'
import { MetricsExporter } from './metrics/metrics-exporter.ts'
import { startMetricsServer } from './metrics/metrics-server.ts'
import { readNodeMetrics } from './metrics/node-metrics.ts'
import { nearbyAddresses, reachableAddresses } from './nearby-addresses.ts'
import { NodeBackend } from './node-backend.ts'
import { createNodeCrypto } from './node-crypto.ts'
import { EXIT_BUG, NodeRuntime } from './node-runtime.ts'
import { OpenFiles } from './open-files.ts'
import { StampReflector } from './probing/stamp-reflector.ts'
import { guardProcess } from './process-guard.ts'
import type { Programs } from './program-channel.ts'
import { Pulse } from './pulse.ts'
import { LOG_PACKING } from './log-packing.ts'
import { SessionPacker } from './session-codec.ts'
import { SystemRandom } from './system-random.ts'
import { createLeaseDriver } from './tasks/lease-driver.ts'
import { NodeFleet } from './vitals/node-fleet.ts'
import { VitalsFeed } from './vitals/vitals-feed.ts'

/** EX_IOERR of sysexits. */
const EXIT_DISK = 74
/** For telling peers and flushing; then the process goes anyway. */
const STOP_MS_MAX = 2_000
/** Before that: for others to find ways that do not lead through here. */
const LEAVE_MS_MAX = 1_500

export interface DaemonOptions {
  /** @default to stderr */
  readonly log?: Logger
  readonly logLevel?: string
  /** Whether to catch SIGHUP, and what nobody else catches; off where another owner of the process does. @default true */
  readonly guardProcess?: boolean
  /** What to do when the node cannot go on; must not return. @default exits the process with that code */
  readonly onFatal?: (exitCode: number, error: unknown) => void
}

export interface Daemon {
  readonly name: string
  /** Absolute path of the socket of the local API. */
  readonly apiSocket: string
  /** Where it listens, with the ports that were chosen. */
  readonly addresses: {
    readonly tcp: string
    readonly udp: string | null
    readonly stream: string | null
    readonly http: string | null
    readonly metrics: string | null
  }
  /** Channels to and from programs in this process. */
  readonly programs: Programs
  /** Reads the config again, as at SIGHUP. Throws what is wrong with it, having changed nothing. */
  reload(): Promise<Reloaded>
  /** Leaves in good order, within some seconds; resolves when every file and socket is closed. */
  stop(): Promise<void>
}

/** Throws `CausewayError`: config, credential, store or port. */
export async function startDaemon(configPath: string, options: DaemonOptions = {}): Promise<Daemon> {
  const log = options.log ?? (await createLogger(options.logLevel))
  const undo: (() => unknown)[] = []
  const stop = async (): Promise<void> => {
    for (let step = undo.pop(); step; step = undo.pop()) await step()
  }
  try {
    if (options.guardProcess !== false) undo.push(guardProcess(log))
    return await assemble(configPath, options, log, undo, stop)
  } catch (error) {
    await stop()
    throw error
  }
}

async function assemble(
  configPath: string,
  options: DaemonOptions,
  log: Logger,
  undo: (() => unknown)[],
  stop: () => Promise<void>,
): Promise<Daemon> {
  const onFatal = options.onFatal ?? ((exitCode: number) => process.exit(exitCode))
  const config = loadConfig(configPath)
  const loaded = loadCredential(config.credential, Date.now())
  checkRole(config, loaded.credential)
  for (const warning of loaded.warnings) log.warn(warning)

  const store = await openStore(config, log, onFatal, () => runtime)
  undo.push(() => store.close())

  const machine = createMachine(config, loaded, store.load())
  const pulse = new Pulse()
  const runtime = new NodeRuntime({
    machine,
    limits: config.limits,
    log,
    pulse,
    ...(options.onFatal && { onFatal: (error: unknown) => onFatal(EXIT_BUG, error) }),
  })
  if (store.repair) reportRepair(store.repair, runtime, log)
  const network = await startNetwork(config, loaded, { pulse, runtime, log })
  undo.push(() => network.stop())
  runtime.start({ network, store, leases: createLeaseDriver(config, loaded.credential, runtime) })
  undo.push(() => runtime.stop(STOP_MS_MAX))
  const report: Report = (name, data) => runtime.report({ type: 'event', name, data })
  undo.push(new CredentialEnd(loaded.credential.notAfterMs, report).watch())
  undo.push(new OpenFiles(report).watch())
  const drainMark = new DrainMark(config.dataDir)
  if (config.role === 'hub' && drainMark.stands) runtime.input({ type: 'drain', draining: true })

  const reflector =
    config.stampReflector && (await StampReflector.start({ listen: config.stampReflector, setting: 'probe.stampReflector' }))
  if (reflector) undo.push(() => reflector.stop())
  const { credential } = loaded
  const inquiries = new Inquiries(runtime, credential)
  const forwarding = await startForwarding(config.forwarding, { runtime, credential, inquiries, limits: config.limits })
  undo.push(() => forwarding.stop())
  const exporter = new MetricsExporter(() => readNodeMetrics(runtime, network, reflector, forwarding))

  const feed = new VitalsFeed({
    dataDir: config.dataDir,
    system: config.vitals.system,
    onVitals: (values) => runtime.input({ type: 'vitals', values }),
  })
  feed.start()
  undo.push(() => feed.stop())
  const fleet = new NodeFleet(runtime, feed)
  const parts = { fleet, forwarding, inquiries, drainMark, limits: config.limits, allocator: allocatorOf(config) }
  const backend = new NodeBackend(runtime, credential, parts)
  undo.push(() => backend.records.close())
  const api = await LocalApi.start(config.apiSocket, backend, exporter, log)
  undo.push(() => api.stop())
  const http =
    config.apiHttp && (await startHttpApi(api.routes, { listen: config.apiHttp, tokenFile: join(config.dataDir, 'api.token'), log }))
  if (http) undo.push(() => http.stop())
  const metrics = await startMetrics(config, exporter, log)
  undo.push(() => metrics?.stop())
  const reload = new ConfigReload(config, credential, forwarding, report)
  if (options.guardProcess !== false) undo.push(reload.onHangup())
  undo.push(() => takeLeave(runtime, LEAVE_MS_MAX))
  const { name, site, region, role } = credential
  const addresses = { ...network.addresses, http: http?.address ?? null, metrics: metrics?.address ?? null }
  log.info({ node: name, site, region, role, ...addresses, stamp: reflector?.address ?? null, api: config.apiSocket }, 'node-started')
  return { name, apiSocket: config.apiSocket, addresses, programs: runtime.programs, reload: () => reload.reload(), stop }
}

function startNetwork(
  { listen, limits }: DaemonConfig,
  { seed, authorityKey, credential }: LoadedCredential,
  { pulse, runtime, log }: { readonly pulse: Pulse; readonly runtime: NodeRuntime; readonly log: Logger },
): Promise<Libp2pNetwork> {
  return Libp2pNetwork.start({
    privateKey: Buffer.concat([seed, credential.key]),
    authorityKey,
    listen,
    limits,
    pulse,
    onInput: (input) => runtime.input(input),
    onStreamUnreachable: (address, reason) =>
      log.warn({ address, reason }, 'bulk shares the control connection, which is slow: let TCP through to the stream port of that node'),
    onDatagramsLost: (cause) =>
      log.error({ err: cause }, 'the datagram thread died; links go on over their control connections. Restart this node when it suits'),
  })
}

/** It speaks to a runtime that is made after it, from what it holds. */
function openStore(
  { dataDir }: DaemonConfig,
  log: Logger,
  onFatal: (exitCode: number, error: unknown) => void,
  runtime: () => NodeRuntime,
): Promise<LmdbStore> {
  return LmdbStore.open({
    dataDir,
    onPersisted: (ticket) => runtime().input({ type: 'persisted', ticket }),
    onFailure: (error) => {
      log.fatal({ err: error }, error.message)
      onFatal(EXIT_DISK, error)
    },
    onFull: (error) => {
      if (error) log.error({ err: error }, error.message)
      runtime().refuseWrites(error)
    },
  })
}

function reportRepair({ aside, damage, kept }: StoreRepair, runtime: NodeRuntime, log: Logger): void {
  log.error({ aside, damage, kept }, 'the store was damaged; what is whole of it is kept, and peers bring back what they hold')
  runtime.report({ type: 'event', name: 'store-repaired', data: { aside, kept, damage: damage[0] ?? '', damages: damage.length } })
}

async function startMetrics({ apiMetrics }: DaemonConfig, exporter: MetricsExporter, log: Logger): Promise<HttpServer | undefined> {
  if (!apiMetrics) return undefined
  const server = await startMetricsServer(apiMetrics, exporter, log)
  if (!isLoopback(apiMetrics.host)) log.warn({ metrics: server.address }, 'api.metrics is not on loopback: whoever reaches it can read it')
  return server
}

function createMachine(config: DaemonConfig, loaded: LoadedCredential, stored: Iterable<StoreEntry>): NodeMachine {
  const nearby = nearbyAddresses(config.listen.tcp, config.announce)
  const nodeConfig: NodeConfig = {
    credential: loaded.signed,
    authorityKey: loaded.authorityKey,
    announce: config.announce,
    nearby,
    reachable: reachableAddresses(nearby, config.announce),
    hubs: [...config.parents, ...config.hubs],
    parents: config.parents,
    peers: config.peers,
    uplinks: config.uplinks,
    bind: config.bind,
    interest: expandInterest(config, loaded.credential),
    limits: config.limits,
    allocator: allocatorOf(config),
    strictCollections: config.strictCollections,
    vitalThresholds: config.vitals.thresholds,
    version: packageVersion(),
  }
  const environment: NodeEnvironment = {
    crypto: createNodeCrypto(loaded.seed),
    random: new SystemRandom(),
    incarnation: nextIncarnation(config.dataDir, Date.now()),
    wallOffsetMs: wallOffset(),
    now: instant(performance.now()),
    sessionCodec: () => new SessionPacker(config.limits.messageBytesMax),
    logPacking: LOG_PACKING,
  }
  return config.role === 'hub' ? new Hub(nodeConfig, environment, stored) : new EdgeNode(nodeConfig, environment, stored)
}

/** Who grants tasks, as the machine needs to know it. */
function allocatorOf({ leases }: DaemonConfig): AllocatorPlace {
  if (!leases) return { engine: 'none' }
  return leases.engine === 'embedded' ? { engine: 'embedded', hub: leases.hub } : { engine: 'external' }
}

function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
  return version
}
