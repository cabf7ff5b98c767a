/**
 * Services, forwards and SOCKS of one node, put together, changed while they run, and taken apart.
 *
 *  1. A change is made whole or not at all: what has to listen anew does so first, and if one of them cannot, all stays as it is.
 *  2. A change ends no connection that is open: forwards that go away only take no more. (Flows of UDP begin anew.)
 *  3. What a program has asked for is its own: a reload leaves it alone.
 */
import { CausewayError, type ForwardView, type OfferView, type ServiceView } from '@causeway/protocol'
import { formatHostPort, type HostPort } from '../host-port.ts'
import type { ChannelBackend, DatagramFlow } from '../api/channel-upgrade.ts'
import type { ChannelSocket } from '../api/channel-socket.ts'
import { type Destination, formatDestination } from './destination.ts'
import type { Forward } from './forward.ts'
import { withOwnServices } from './own-programs.ts'
import { type OfferSurroundings, OfferedServices } from './offered-services.ts'
import { OpenConnections } from './open-connections.ts'
import { ServiceConnector } from './service-connector.ts'
import { ServiceDirectory, type Surroundings as DirectorySurroundings } from './service-directory.ts'
import { type ForwardSetting, type ForwardingSettings, type ServiceSetting, forwardId, serviceKey } from './settings.ts'
import { SocksForward } from './socks-forward.ts'
import { type Report, SparingReports } from './sparing-reports.ts'
import { TcpForward } from './tcp-forward.ts'
import { noTraffic } from './traffic.ts'
import { UdpFlow } from './udp-flow.ts'
import { UdpForward } from './udp-forward.ts'

/** bound: forwards that programs have asked for. */
const REQUESTED_MAX = 256
/** A program that wants to be silent for longer says something now and then. */
const FLOW_IDLE_SECONDS = 86_400

export interface ForwardingSurroundings extends Omit<OfferSurroundings, 'reports'>, DirectorySurroundings {
  readonly report: Report
}

interface Running {
  readonly forward: Forward
  /** `undefined` of SOCKS. */
  setting: ForwardSetting | undefined
}

/** What is read of it elsewhere. */
export interface ForwardingBackend extends ChannelBackend {
  forwards(): ForwardView[]
  services(): ServiceView[]
  /** What is offered at a site. */
  offersAt(site: string): Promise<OfferView[]>
  /** Throws `port-in-use`, `config-invalid` or `refused`. */
  open(setting: ForwardSetting): Promise<ForwardView>
  /** Ends a forward that was asked for, and its connections. Throws `not-found` or `refused`. */
  remove(id: string): void
}

export class Forwarding implements ForwardingBackend {
  readonly #reports: SparingReports
  readonly #surroundings: ForwardingSurroundings
  readonly #directory: ServiceDirectory
  readonly #connector: ServiceConnector
  readonly #services: OfferedServices
  /** Of programs that have channels of their own. */
  readonly #channels: OpenConnections
  #offered: readonly ServiceSetting[] = []
  readonly #configured = new Map<string, Running>()
  readonly #requested = new Map<string, Running>()
  /** No longer listening; to be ended with the process. */
  readonly #former = new Set<Forward>()

  private constructor(surroundings: ForwardingSurroundings) {
    const programs = withOwnServices(surroundings.programs, surroundings.self)
    this.#reports = new SparingReports(surroundings.report)
    this.#surroundings = { ...surroundings, programs }
    this.#directory = new ServiceDirectory(surroundings)
    this.#connector = new ServiceConnector(programs, this.#directory)
    this.#channels = new OpenConnections(this.#connector, noTraffic())
    this.#services = new OfferedServices({ ...this.#surroundings, reports: this.#reports })
  }

  /** Throws `port-in-use` or `config-invalid`. */
  static async start(settings: ForwardingSettings, surroundings: ForwardingSurroundings): Promise<Forwarding> {
    const forwarding = new Forwarding(surroundings)
    await forwarding.change(settings)
    return forwarding
  }

  /** Does what the config says now. Tells what has changed; throws, and has changed nothing, if a port cannot be had. */
  async change({ services, forwards, socks }: ForwardingSettings): Promise<string[]> {
    const wanted = new Map<string, ForwardSetting | undefined>(forwards.map((setting) => [forwardId(setting), setting]))
    if (socks) wanted.set(`socks:${formatHostPort(socks)}`, undefined)
    const additions = [...wanted].filter(([id]) => !this.#configured.has(id))
    const started = await this.#startAll(additions.map(([, setting]) => setting ?? (socks as HostPort)))
    const told = additions.map(([id, setting]) => `forward ${describe(id, setting)} added`)
    for (const [id, running] of this.#configured) {
      if (!wanted.has(id)) told.push(this.#retire(id, running))
      else told.push(...this.#retarget(id, running, wanted.get(id)))
    }
    for (const [index, [id, setting]] of additions.entries()) {
      const forward = started[index]
      if (forward) this.#configured.set(id, { forward, setting })
    }
    told.push(...serviceChanges(this.#offered, services))
    this.#offered = services
    this.#services.offer(services)
    return told
  }

  forwards(): ForwardView[] {
    const views = (running: ReadonlyMap<string, Running>, origin: ForwardView['origin']): ForwardView[] =>
      [...running.values()].map(({ forward }) => ({ ...forward.view(), origin }))
    return [...views(this.#configured, 'config'), ...views(this.#requested, 'request')]
  }

  services(): ServiceView[] {
    return this.#services.views()
  }

  async offersAt(site: string): Promise<OfferView[]> {
    return (await this.#directory.offersAt(site, true)).map((offer) => ({ ...offer, site }))
  }

  async open(setting: ForwardSetting): Promise<ForwardView> {
    if (this.#requested.size >= REQUESTED_MAX)
      throw new CausewayError(
        'refused',
        `${REQUESTED_MAX} forwards have been asked for already`,
        'remove some, or write them into the config',
      )
    const forward = await this.#start(setting)
    this.#requested.set(forward.id, { forward, setting })
    this.#surroundings.report('forward-added', { forward: forward.id, to: formatDestination(setting.to) })
    return { ...forward.view(), origin: 'request' }
  }

  async joinStream(to: Destination, socket: ChannelSocket, connected: () => void): Promise<void> {
    const splice = await this.#channels.connect(socket, to)
    if (!splice) return
    connected()
    splice.join(socket)
  }

  openFlow(to: Destination, frameClass: 'latest' | 'twin', onDatagram: (bytes: Uint8Array) => void): DatagramFlow {
    const { programs, limits } = this.#surroundings
    const surroundings = { programs, limits, directory: this.#directory, reports: this.#reports }
    const report = (error: unknown): void => {
      const reason = error instanceof Error ? error.message : String(error)
      this.#reports.tell('forward-failed', `open:${formatDestination(to)}`, { to: formatDestination(to), reason })
    }
    const events = { answer: onDatagram, failed: report, ended: () => undefined }
    return new UdpFlow({ to, class: frameClass, idleSeconds: FLOW_IDLE_SECONDS }, surroundings, noTraffic(), events)
  }

  remove(id: string): void {
    const running = this.#requested.get(id)
    if (!running) {
      if (this.#configured.has(id))
        throw new CausewayError('refused', `the forward ${id} is from the config`, 'remove it there, and send the node SIGHUP')
      throw new CausewayError('not-found', `there is no forward ${id}`, 'see: causeway forward list')
    }
    this.#requested.delete(id)
    running.forward.close()
    running.forward.reset('the forward was removed')
    this.#surroundings.report('forward-removed', { forward: id })
  }

  async stop(): Promise<void> {
    const forwards = [...this.#configured.values(), ...this.#requested.values()].map(({ forward }) => forward)
    this.#configured.clear()
    this.#requested.clear()
    for (const forward of forwards) forward.close()
    this.#channels.reset('this node stops')
    await this.#services.stop('this node stops')
    for (const forward of [...forwards, ...this.#former]) forward.reset('this node stops')
  }

  #start(setting: ForwardSetting): Promise<Forward> {
    if (setting.proto === 'tcp') return TcpForward.start(setting, this.#connector, this.#reports)
    const { programs, limits } = this.#surroundings
    return UdpForward.start(setting, { programs, limits, directory: this.#directory, reports: this.#reports })
  }

  /** All of them, or none. */
  async #startAll(settings: readonly (ForwardSetting | HostPort)[]): Promise<Forward[]> {
    const started: Forward[] = []
    try {
      for (const setting of settings) {
        started.push(await ('listen' in setting ? this.#start(setting) : SocksForward.start(setting, this.#connector, this.#reports)))
      }
      return started
    } catch (error) {
      for (const forward of started) forward.close()
      throw error
    }
  }

  #retire(id: string, { forward, setting }: Running): string {
    this.#configured.delete(id)
    forward.close()
    this.#former.add(forward)
    return `forward ${describe(id, setting)} removed`
  }

  #retarget(id: string, running: Running, setting: ForwardSetting | undefined): string[] {
    if (!setting || JSON.stringify(setting) === JSON.stringify(running.setting)) return []
    const before = running.setting
    running.setting = setting
    running.forward.retarget?.(setting)
    return [`forward ${describe(id, before)} now ${describe(id, setting)}`]
  }
}

function describe(id: string, setting: ForwardSetting | undefined): string {
  if (!setting) return id
  const datagrams = setting.proto === 'udp' ? ` (${setting.class}, ${setting.idleSeconds} s)` : ''
  return `${id} → ${formatDestination(setting.to)}${datagrams}`
}

function serviceChanges(before: readonly ServiceSetting[], after: readonly ServiceSetting[]): string[] {
  const [were, are] = [before, after].map((settings) => new Map(settings.map((setting) => [serviceKey(setting), JSON.stringify(setting)])))
  const removed = [...(were?.keys() ?? [])].filter((key) => !are?.has(key)).map((key) => `service ${key} removed`)
  const others = [...(are ?? [])].flatMap(([key, text]) => {
    const past = were?.get(key)
    return past === text ? [] : [`service ${key} ${past === undefined ? 'added' : 'changed'}`]
  })
  return [...removed, ...others]
}
