/**
 * What stands before a service that this node offers: who may use it, how many at once, how much per second. Every channel
 * of a peer passes here first; one that may not is reset with the reason, and counted.
 */
import type { Credential } from '@causeway/protocol'
import type { ProgramChannel } from '../program-channel.ts'
import { type DeliveryFault, deliveryReason } from './opening.ts'
import { PeerRules } from './peer-rules.ts'
import { RateCap } from './rate-cap.ts'
import { type ServiceSetting, serviceKey } from './settings.ts'
import type { SparingReports } from './sparing-reports.ts'
import { type TrafficCounts, noTraffic } from './traffic.ts'

/** bound: each takes a file descriptor. */
const CONNECTIONS_MAX = 4_096

export interface GateSurroundings {
  /** What the authority has signed about a peer that has opened a channel. */
  readonly credentialOf: (node: string) => Credential | undefined
  readonly reports: SparingReports
}

export class ServiceGate {
  readonly key: string
  readonly counts: TrafficCounts = noTraffic()
  readonly #surroundings: GateSurroundings
  #setting: ServiceSetting
  #rules: PeerRules
  #cap: RateCap | undefined

  constructor(setting: ServiceSetting, surroundings: GateSurroundings) {
    this.key = serviceKey(setting)
    this.#surroundings = surroundings
    this.#setting = setting
    this.#rules = new PeerRules(setting.allow)
    this.#cap = setting.rate === undefined ? undefined : new RateCap(setting.rate)
  }

  get setting(): ServiceSetting {
    return this.#setting
  }

  /** Of all connections together. */
  get cap(): RateCap | undefined {
    return this.#cap
  }

  /** For connections from now on. */
  change(setting: ServiceSetting): void {
    if (setting.rate !== this.#setting.rate) this.#cap = setting.rate === undefined ? undefined : new RateCap(setting.rate)
    this.#setting = setting
    this.#rules = new PeerRules(setting.allow)
  }

  /** False if the channel may not pass: then it has been reset. */
  admit(channel: ProgramChannel): boolean {
    const credential = this.#surroundings.credentialOf(channel.peer)
    const { name } = this.#setting
    if (!credential || !this.#rules.admits(credential)) return this.refuse(channel, 'not-allowed', `${name} is not for ${channel.peer}`)
    if (this.counts.open < CONNECTIONS_MAX) return true
    return this.refuse(channel, 'busy', `${name} has ${CONNECTIONS_MAX} connections`)
  }

  refuse(channel: ProgramChannel, fault: DeliveryFault, sentence: string): false {
    this.counts.refused++
    this.#surroundings.reports.tell('service-refused', this.key, { service: this.key, peer: channel.peer, reason: sentence })
    channel.reset(deliveryReason(fault, sentence))
    return false
  }

  /** The server behind the service cannot be used. */
  fail(channel: ProgramChannel, sentence: string): void {
    this.counts.failed++
    this.#surroundings.reports.tell('service-failed', this.key, { service: this.key, peer: channel.peer, reason: sentence })
    channel.reset(deliveryReason('connection-refused', sentence))
  }
}
