/**
 * The channels that belong to local programs: which services they offer, and which channels are theirs. What happens on
 * those goes to the driver as it is; everything else of a node's channels is its own business.
 *
 *  1. A program hears of a channel only between `channelOpened` or `channelAccepted` and `channelEnded`.
 *  2. A service has one program; channels to a service that nobody offers are reset.
 */
import { type Instant, type NodeId, nodeId } from '@causeway/protocol'
import type { ChannelHandle, Mesh, MeshEffect } from '@causeway/mesh'
import type { ProgramEffect, ProgramInput } from './contract.ts'

export class Programs {
  readonly #mesh: Mesh
  readonly #self: NodeId
  readonly #services = new Set<string>()
  readonly #channels = new Set<ChannelHandle>()

  constructor(mesh: Mesh, self: NodeId) {
    this.#mesh = mesh
    this.#self = self
  }

  serves(service: string): boolean {
    return this.#services.has(service)
  }

  owns(channel: ChannelHandle): boolean {
    return this.#channels.has(channel)
  }

  input(now: Instant, input: ProgramInput): ProgramEffect[] {
    if (input.type === 'openChannel') return [this.#open(now, input)]
    if (input.type === 'serve') {
      if (input.serving) this.#services.add(input.service)
      else this.#services.delete(input.service)
    } else if (this.#channels.has(input.channel)) {
      this.#use(now, input)
    }
    return []
  }

  #open(now: Instant, { request, to, service, class: frameClass }: Extract<ProgramInput, { type: 'openChannel' }>): ProgramEffect {
    const peer = nodeId(to)
    if (peer === this.#self) return { type: 'channelOpened', request, channel: null, error: 'a channel leads to another node' }
    this.#mesh.learnName(peer, to)
    const channel = this.#mesh.open(now, peer, service, frameClass)
    this.#channels.add(channel)
    return { type: 'channelOpened', request, channel, error: null }
  }

  #use(now: Instant, input: Exclude<ProgramInput, { type: 'openChannel' | 'serve' }>): void {
    switch (input.type) {
      case 'channelWrite':
        this.#mesh.write(now, input.channel, input.messages)
        break
      case 'channelUnread':
        this.#mesh.unread(now, input.channel, input.bytes)
        break
      case 'channelFinish':
        this.#mesh.finish(now, input.channel)
        break
      case 'channelReset':
        this.#mesh.reset(now, input.channel, input.reason)
    }
  }

  /** A peer opened a channel to a service that is served here. */
  accepted({ channel, peer, service, class: frameClass }: Extract<MeshEffect, { type: 'channelAccepted' }>): ProgramEffect {
    this.#channels.add(channel)
    return { type: 'channelAccepted', channel, peer: this.#mesh.nameOf(peer), service, class: frameClass }
  }

  ended(channel: ChannelHandle): void {
    this.#channels.delete(channel)
  }
}
