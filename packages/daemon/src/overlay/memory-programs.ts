/**
 * Channels without a network: from a node to itself, and for tests of what stands on them between a few nodes in memory. They
 * have windows, backpressure, pauses, halves and faults as real ones do. A message arrives in a later turn, like everything
 * else; what was held comes with `resume`.
 *
 *  1. What is on the way, or waits at a paused end, never exceeds the window by more than one message (`heldBytesMax`).
 *  2. Nothing is told after `ended`; what came before it is, paused or not.
 *  3. That the peer has finished is told at once, also while messages are held, as a node tells it.
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
          if (near.ended) return
          const onChannel = this.#services.get(`${to} ${service}`)
          if (!onChannel) return near.end(`no service ${service} at ${to}`)
          const far = new MemoryChannel(this, node, service, frameClass)
          for (const end of [near, far]) {
            this.#ends.add(end)
            end.onEnd = () => this.#ends.delete(end)
          }
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
  }
}

class MemoryChannel implements ProgramChannel {
  readonly peer: string
  readonly service: string
  readonly class: FrameClass
  onEnd: () => void = () => {}
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
    if (!this.#far) return
    this.#far.#deliver(this)
    this.#far.#moveSoon()
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

  get ended(): boolean {
    return this.#ended
  }

  end(reason: string | null): void {
    if (this.#ended) return
    this.#ended = true
    this.onEnd()
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
    if (!far || far.#ended) return
    if (!far.#paused) this.#deliver(far)
    if (this.#finished && !this.#finishTold) {
      this.#finishTold = true
      far.#listener?.finished?.()
      if (far.#finishTold) this.#endBoth(far)
    }
    if (!this.#refused || this.#ended || this.#unsent.length > 0) return
    this.#refused = false
    this.#listener?.writable?.()
  }

  #deliver(far: MemoryChannel): void {
    const messages = this.#unsent
    this.#unsent = []
    this.#inFlightBytes = 0
    if (messages.length > 0) far.#listener?.messages(messages)
  }

  #endBoth(far: MemoryChannel): void {
    this.#deliver(far)
    far.#deliver(this)
    for (const end of [this, far]) end.end(null)
  }
}
