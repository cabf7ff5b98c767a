/**
 * The services that this node offers: serves their channels, and keeps the records that tell others of them. A service that
 * changes keeps its connections; one that is taken away takes no more, and those it has go on to their own end.
 */
import type { Limits, ServiceView } from '@causeway/protocol'
import type { WriteChange } from '@causeway/state'
import { formatHostPort } from '../host-port.ts'
import type { ProgramChannel, Programs } from '../program-channel.ts'
import { channelService } from './destination.ts'
import { type Offer, type OfferRecords, offerChanges } from './offers.ts'
import { type GateSurroundings, ServiceGate } from './service-gate.ts'
import { type ServiceSetting, protocolOf, serviceKey } from './settings.ts'
import { TcpDelivery } from './tcp-delivery.ts'
import { UdpDelivery } from './udp-delivery.ts'

/** A write that was refused, because the disk is full or the credential does not allow it, is tried again. */
const RETRY_MS = 30_000

export interface OfferSurroundings extends GateSurroundings {
  readonly self: string
  readonly site: string
  readonly programs: Programs
  readonly limits: Pick<Limits, 'datagramMessageBytesMax'>
  readonly records: OfferRecords
  /** Of this node's partition of `services`. */
  readonly writeOffers: (changes: readonly WriteChange[]) => Promise<unknown>
}

interface Offered {
  readonly gate: ServiceGate
  readonly delivery: { accept(channel: ProgramChannel): void; reset(reason: string): void }
  withdraw: () => void
}

export class OfferedServices {
  readonly #surroundings: OfferSurroundings
  readonly #offered = new Map<string, Offered>()
  /** Taken away; to be ended with the process. */
  readonly #former = new Set<Offered>()
  #publishing: Promise<void> = Promise.resolve()
  #retrying: NodeJS.Timeout | undefined

  constructor(surroundings: OfferSurroundings) {
    this.#surroundings = surroundings
  }

  /** Offers just these from now on. */
  offer(settings: readonly ServiceSetting[]): void {
    const wanted = new Map(settings.map((setting) => [serviceKey(setting), setting]))
    for (const [key, offered] of this.#offered) {
      if (wanted.has(key)) continue
      offered.withdraw()
      this.#offered.delete(key)
      this.#former.add(offered)
    }
    for (const [key, setting] of wanted) {
      const offered = this.#offered.get(key)
      if (offered) offered.gate.change(setting)
      else this.#offered.set(key, this.#serve(setting))
    }
    void this.#publish()
  }

  views(): ServiceView[] {
    return [...this.#offered.values()].map(({ gate: { setting, counts } }) => ({
      service: setting.name,
      protocol: protocolOf(setting),
      address: formatHostPort(setting.tcp ?? setting.udp ?? { host: '', port: 0 }),
      allow: setting.allow ?? null,
      bytesPerSecondMax: setting.rate ?? null,
      proxyProtocol: setting.proxyProtocol,
      ...counts,
    }))
  }

  /** Offers nothing more and ends all connections; resolves when the records are gone. */
  async stop(reason: string): Promise<void> {
    clearTimeout(this.#retrying)
    const all = [...this.#offered.values(), ...this.#former]
    this.#offered.clear()
    for (const { withdraw } of all) withdraw()
    await this.#publish()
    clearTimeout(this.#retrying)
    for (const { delivery } of all) delivery.reset(reason)
  }

  #serve(setting: ServiceSetting): Offered {
    const { programs, limits } = this.#surroundings
    const gate = new ServiceGate(setting, this.#surroundings)
    const delivery = setting.udp ? new UdpDelivery(gate, limits.datagramMessageBytesMax) : new TcpDelivery(gate)
    const service = channelService(protocolOf(setting), setting.name)
    return { gate, delivery, withdraw: programs.serve(service, (channel) => delivery.accept(channel)) }
  }

  /** One after the other: what a record says is only known when the write before is done. */
  #publish(): Promise<void> {
    this.#publishing = this.#publishing.then(() => this.#publishNow())
    return this.#publishing
  }

  async #publishNow(): Promise<void> {
    const { records, site, self, writeOffers, reports } = this.#surroundings
    clearTimeout(this.#retrying)
    const wanted = [...this.#offered.values()].map(({ gate: { setting } }): Offer => ({
      protocol: protocolOf(setting),
      service: setting.name,
      node: self,
    }))
    const changes = offerChanges(records, site, self, wanted)
    if (changes.length === 0) return
    try {
      await writeOffers(changes)
    } catch (error) {
      reports.tell('services-unpublished', '', { reason: error instanceof Error ? error.message : String(error) })
      this.#retrying = setTimeout(() => void this.#publish(), RETRY_MS)
      this.#retrying.unref()
    }
  }
}
