/** The datagrams of one client, to a service and back, over the channel to whichever node serves it now. */
import type { ProgramChannel } from '../program-channel.ts'
import { channelService } from './destination.ts'
import { deliveryError } from './opening.ts'
import type { ForwardSetting } from './settings.ts'
import type { TrafficCounts } from './traffic.ts'
import type { UdpSurroundings } from './udp-forward.ts'

/** Datagrams that wait while it is found out where they are to go. */
const WAITING_MAX = 64
/** A flow that fails again and again tries less and less often. */
const RETRY_MS = 100
const RETRY_MS_MAX = 5_000

type FlowSetting = Pick<ForwardSetting, 'to' | 'class' | 'idleSeconds'>

export interface FlowEvents {
  answer(datagram: Uint8Array): void
  failed(error: unknown): void
  ended(): void
}

export class UdpFlow {
  readonly #setting: FlowSetting
  readonly #surroundings: UdpSurroundings
  readonly #counts: TrafficCounts
  readonly #events: FlowEvents
  readonly #idle: NodeJS.Timeout
  #channel: ProgramChannel | undefined
  #waiting: Uint8Array[] = []
  #opening = false
  #failures = 0
  #retryAtMs = 0
  #ended = false

  constructor(setting: FlowSetting, surroundings: UdpSurroundings, counts: TrafficCounts, events: FlowEvents) {
    this.#setting = setting
    this.#surroundings = surroundings
    this.#counts = counts
    this.#events = events
    this.#idle = setTimeout(() => this.end('nothing was said for long'), setting.idleSeconds * 1000)
    this.#idle.unref()
  }

  send(datagram: Uint8Array): void {
    this.#idle.refresh()
    if (this.#channel) return this.#forward(this.#channel, datagram)
    if (this.#waiting.length >= WAITING_MAX || performance.now() < this.#retryAtMs) {
      this.#counts.dropped++
      return
    }
    this.#waiting.push(datagram)
    if (!this.#opening) void this.#open()
  }

  /** That serves it now. */
  get node(): string | undefined {
    return this.#channel?.peer
  }

  /** The next datagram goes to another node. */
  leave(): void {
    const channel = this.#channel
    if (!channel) return
    this.#channel = undefined
    this.#surroundings.directory.failed(channel.peer)
    channel.reset('there is no way there')
  }

  end(reason: string): void {
    if (this.#ended) return
    this.#ended = true
    clearTimeout(this.#idle)
    const channel = this.#channel
    this.#channel = undefined
    channel?.reset(reason)
    this.#counts.dropped += this.#waiting.length
    this.#waiting = []
    this.#events.ended()
  }

  async #open(): Promise<void> {
    const { directory, programs } = this.#surroundings
    this.#opening = true
    try {
      const [node] = await directory.nodesFor(this.#setting.to, 'udp', this.#failures > 0)
      if (node !== undefined && !this.#ended)
        this.#use(programs.open(node, channelService('udp', this.#setting.to.service), { class: this.#setting.class }))
    } catch (error) {
      this.#failed(error)
    }
    this.#opening = false
  }

  #use(channel: ProgramChannel): void {
    this.#channel = channel
    channel.listen({
      messages: (datagrams) => {
        if (channel !== this.#channel) return
        this.#idle.refresh()
        this.#failures = 0
        this.#surroundings.directory.worked(channel.peer)
        for (const datagram of datagrams) {
          this.#counts.bytesIn += datagram.length
          this.#events.answer(datagram)
        }
      },
      ended: (reason) => {
        if (channel !== this.#channel) return
        this.#channel = undefined
        // Both had fallen silent, and the other end noticed first.
        if (reason?.includes('nothing was said') === true) return this.end(reason)
        this.#surroundings.directory.failed(channel.peer)
        this.#failed(deliveryError(channel.peer, reason))
      },
    })
    const waiting = this.#waiting
    this.#waiting = []
    for (const datagram of waiting) this.#forward(channel, datagram)
  }

  #forward(channel: ProgramChannel, datagram: Uint8Array): void {
    this.#counts.bytesOut += datagram.length
    channel.send(datagram)
  }

  /** The first time the next node is tried at once. */
  #failed(error: unknown): void {
    if (this.#ended) return
    this.#counts.dropped += this.#waiting.length
    this.#waiting = []
    if (this.#failures > 0) this.#retryAtMs = performance.now() + Math.min(RETRY_MS * 2 ** this.#failures, RETRY_MS_MAX)
    this.#failures++
    this.#events.failed(error)
  }
}
