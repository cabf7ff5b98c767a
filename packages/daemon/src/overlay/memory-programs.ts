/**
 * Channels without a network, for tests of what stands on them: a few nodes in memory whose channels have windows,
 * backpressure, pauses, halves and faults as real ones do. A message arrives in a later turn, like everything else.
 *
 *  1. What is on the way, or waits at a paused end, never exceeds the window by more than one message (`heldBytesMax`).
 *  2. Nothing is told after `ended`; what came before it is.
 */
import type { FrameClass } from '@causeway/protocol'
import type { OpenOptions, ProgramChannel, ProgramChannelListener, Programs } from '../program-channel.ts'

const WINDOW_BYTES = 64 * 1024

export class MemoryNetwork {
  /** The most that any channel has held. */
  heldBytesMax = 0
  readonly #services = new Map<string, (channel: ProgramChannel) => void>()
  readonly #ends = new Set<MemoryChannel>()

  /** As the programs of that node see it. */
  programs(node: string): Programs {
    return {
      open: (to, service, { class: frameClass = 'ordered' }: OpenOptions = {}) => {
        const near = new MemoryChannel(this, to, service, frameClass)
        setImmediate(() => {
          const onChannel = this.#services.get(`${to} ${service}`)
          if (!onChannel) return near.end(`no service ${service} at ${to}`)
          const far = new MemoryChannel(this, node, service, frameClass)
          this.#ends.add(near).add(far)
          far.connect(near)
          near.connect(far)
          onChannel(far)
        })
        return near
      },
      serve: (service, onChannel) => {
        this.#services.set(`${node} ${service}`, onChannel)
        return () => this.#services.delete(`${node} ${service}`)
      },
    }
  }

  /** Every channel ends, as when the last path has been dead for too long. */
  breakAll(reason: string): void {
    for (const end of this.#ends) end.end(reason)
    this.#ends.clear()
  }
}

class MemoryChannel implements ProgramChannel {
  readonly peer: string
  readonly service: string
  readonly class: FrameClass
  readonly #network: MemoryNetwork
  #far: MemoryChannel | undefined
  #listener: ProgramChannelListener | undefined
  #unsent: Uint8Array[] = []
  #inFlightBytes = 0
  #refused = false
  #moving = false
  #paused = false
  #finished = false
  #finishTold = false
  #ended = false

  constructor(network: MemoryNetwork, peer: string, service: string, frameClass: FrameClass) {
    this.#network = network
    this.peer = peer
    this.service = service
    this.class = frameClass
  }

  connect(far: MemoryChannel): void {
    this.#far = far
    this.#moveSoon()
  }

  listen(listener: ProgramChannelListener): void {
    this.#listener = listener
  }

  send(message: Uint8Array): boolean {
    if (this.#ended || this.#finished) return false
    this.#unsent.push(message)
    this.#inFlightBytes += message.length
    this.#network.heldBytesMax = Math.max(this.#network.heldBytesMax, this.#inFlightBytes)
    this.#moveSoon()
    this.#refused ||= this.#inFlightBytes >= WINDOW_BYTES
    return this.#inFlightBytes < WINDOW_BYTES
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    if (this.#far) this.#far.#moveSoon()
  }

  finish(): void {
    this.#finished = true
    this.#moveSoon()
  }

  reset(reason: string): void {
    const far = this.#far
    this.end(`reset here: ${reason}`)
    setImmediate(() => far?.end(reason))
  }

  end(reason: string | null): void {
    if (this.#ended) return
    this.#ended = true
    this.#listener?.ended(reason)
  }

  #moveSoon(): void {
    if (this.#moving) return
    this.#moving = true
    setImmediate(() => this.#move())
  }

  #move(): void {
    this.#moving = false
    const far = this.#far
    if (!far || far.#paused || far.#ended) return
    const messages = this.#unsent
    this.#unsent = []
    this.#inFlightBytes = 0
    if (messages.length > 0) far.#listener?.messages(messages)
    if (this.#finished && !this.#finishTold) {
      this.#finishTold = true
      far.#listener?.finished?.()
      if (far.#finishTold) for (const end of [this, far]) end.end(null)
    }
    if (!this.#refused || this.#ended) return
    this.#refused = false
    this.#listener?.writable?.()
  }
}
