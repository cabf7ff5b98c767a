/**
 * Where programs meet the machine: their calls become its inputs, its effects their events.
 *
 *  1. What a program sends within one turn is one input; it does not wait for the end of the turn once it is much.
 *  2. A channel tells its program nothing after `ended`.
 *  3. While a program has paused a channel, what arrives waits here, and counts against the window of the peer.
 */
import { CausewayError, type FrameClass, type Limits, NAME_PATTERN } from '@causeway/protocol'
import type { NodeInput, ProgramEffect } from '@causeway/node'
import { countBulk } from './bulk-memory.ts'
import type { OpenOptions, ProgramChannel, ProgramChannelListener, Programs } from './program-channel.ts'

const UNSENT_BYTES_MAX = 256 * 1024
const SERVICE_CHARACTERS_MAX = 200

/** Gives the machine an input. False if it is busy, and will take it when it is done. */
export type GiveInput = (input: NodeInput) => boolean

export class ProgramPort implements Programs {
  readonly #give: GiveInput
  readonly #limits: Limits
  readonly #channels = new Map<number, PortChannel>()
  readonly #opening = new Map<number, PortChannel>()
  readonly #services = new Map<string, (channel: ProgramChannel) => void>()
  #lastRequest = 0

  constructor(give: GiveInput, limits: Limits) {
    this.#give = give
    this.#limits = limits
  }

  open(to: string, service: string, options: OpenOptions = {}): ProgramChannel {
    if (!NAME_PATTERN.test(to)) throw new CausewayError('refused', `"${to}" is not the name of a node`, 'use lower case, digits and dashes')
    checkService(service)
    const channel = new PortChannel(this.#give, this.#limits, { peer: to, service, class: options.class ?? 'ordered' })
    const request = ++this.#lastRequest
    this.#opening.set(request, channel)
    this.#give({ type: 'openChannel', request, to, service, class: channel.class })
    return channel
  }

  serve(service: string, onChannel: (channel: ProgramChannel) => void): () => void {
    checkService(service)
    if (this.#services.has(service)) throw new CausewayError('refused', `the service ${service} is offered already`, 'choose another name')
    this.#services.set(service, onChannel)
    this.#give({ type: 'serve', service, serving: true })
    return () => {
      if (this.#services.get(service) !== onChannel) return
      this.#services.delete(service)
      this.#give({ type: 'serve', service, serving: false })
    }
  }

  effect(effect: ProgramEffect): void {
    if (effect.type === 'channelOpened') this.#opened(effect)
    else if (effect.type === 'channelAccepted') this.#accepted(effect)
    else {
      this.#channels.get(effect.channel)?.effect(effect)
      if (effect.type === 'channelEnded') this.#channels.delete(effect.channel)
    }
  }

  /** The node stops: no channel has a future. */
  stop(): void {
    for (const channel of [...this.#channels.values(), ...this.#opening.values()]) channel.end('this node stops')
    this.#channels.clear()
    this.#opening.clear()
  }

  #opened({ request, channel: handle, error }: Extract<ProgramEffect, { type: 'channelOpened' }>): void {
    const channel = this.#opening.get(request)
    this.#opening.delete(request)
    if (!channel) return
    if (handle === null) return channel.end(error)
    this.#channels.set(handle, channel)
    channel.opened(handle)
  }

  #accepted({ channel: handle, ...identity }: Extract<ProgramEffect, { type: 'channelAccepted' }>): void {
    const onChannel = this.#services.get(identity.service)
    const channel = new PortChannel(this.#give, this.#limits, identity)
    channel.opened(handle)
    if (!onChannel) return channel.reset(`the service ${identity.service} is not offered any more`)
    this.#channels.set(handle, channel)
    onChannel(channel)
  }
}

function checkService(service: string): void {
  if (service.length > 0 && service.length <= SERVICE_CHARACTERS_MAX) return
  throw new CausewayError('refused', `a service has a name of 1 to ${SERVICE_CHARACTERS_MAX} characters`, 'choose another name')
}

class PortChannel implements ProgramChannel {
  readonly peer: string
  readonly service: string
  readonly class: FrameClass
  readonly #give: GiveInput
  readonly #messageBytesMax: number
  #handle: number | undefined
  #listener: ProgramChannelListener | undefined
  #unsent: Uint8Array[] = []
  #unsentBytes = 0
  #flushing = false
  /** The machine asked for a pause, or has not had the time to look at what we gave it. */
  #blocked = false
  #busy = false
  /** What was refused since may be sent when `writable` is told. */
  #refused = false
  #held: Uint8Array[] | undefined
  #heldBytes = 0
  #ended = false
  /** What the program said of its end before the machine had numbered the channel. */
  #last: 'finish' | { readonly reset: string } | undefined

  constructor(give: GiveInput, limits: Limits, { peer, service, class: frameClass }: Pick<ProgramChannel, 'peer' | 'service' | 'class'>) {
    this.#give = give
    this.#messageBytesMax = frameClass === 'ordered' ? limits.messageBytesMax : limits.datagramMessageBytesMax
    this.peer = peer
    this.service = service
    this.class = frameClass
  }

  listen(listener: ProgramChannelListener): void {
    this.#listener = listener
  }

  send(message: Uint8Array): boolean {
    if (this.#ended) return false
    this.#check(message)
    this.#unsent.push(message)
    this.#unsentBytes += message.length
    countBulk(message.length)
    if (this.#unsentBytes >= UNSENT_BYTES_MAX) this.#flush()
    else this.#flushSoon()
    const free = !this.#blocked && !this.#busy && this.#unsentBytes < UNSENT_BYTES_MAX
    this.#refused ||= !free
    return free
  }

  /** The peer would reset the channel, or never get the message. */
  #check({ length }: Uint8Array): void {
    if (length <= this.#messageBytesMax) return
    const fault = `a message of ${length} bytes is longer than a channel of class ${this.class} takes, ${this.#messageBytesMax}`
    throw new CausewayError('refused', fault, 'send it in parts')
  }

  pause(): void {
    this.#held ??= []
  }

  resume(): void {
    const held = this.#held
    const bytes = this.#heldBytes
    this.#held = undefined
    this.#heldBytes = 0
    if (!held || held.length === 0 || this.#ended) return
    if (this.#handle !== undefined) this.#give({ type: 'channelUnread', channel: this.#handle, bytes: -bytes })
    this.#listener?.messages(held)
  }

  finish(): void {
    if (this.#ended) return
    this.#flush()
    if (this.#handle === undefined) this.#last = 'finish'
    else this.#give({ type: 'channelFinish', channel: this.#handle })
  }

  reset(reason: string): void {
    if (this.#ended) return
    if (this.#handle === undefined) this.#last = { reset: reason }
    else this.#give({ type: 'channelReset', channel: this.#handle, reason })
  }

  // ---- what the machine says

  opened(handle: number): void {
    this.#handle = handle
    this.#flush()
    if (this.#last === 'finish') this.#give({ type: 'channelFinish', channel: handle })
    else if (this.#last) this.#give({ type: 'channelReset', channel: handle, reason: this.#last.reset })
  }

  effect(effect: Exclude<ProgramEffect, { type: 'channelOpened' | 'channelAccepted' }>): void {
    switch (effect.type) {
      case 'channelMessages':
        this.#received(effect.messages)
        break
      case 'channelBlocked':
        this.#blocked = true
        break
      case 'channelWritable':
        this.#blocked = false
        this.#tellWritable()
        break
      case 'channelFinished':
        if (!this.#ended) this.#listener?.finished?.()
        break
      case 'channelEnded':
        this.end(effect.reason)
    }
  }

  end(reason: string | null): void {
    if (this.#ended) return
    // What came before the end is the program's, paused or not.
    if (this.#held && this.#held.length > 0) this.#listener?.messages(this.#held)
    this.#ended = true
    this.#unsent = []
    this.#held = undefined
    this.#listener?.ended(reason)
  }

  #received(messages: readonly Uint8Array[]): void {
    if (this.#ended) return
    if (!this.#held) return this.#listener?.messages(messages)
    let bytes = 0
    for (const message of messages) bytes += message.length
    this.#held.push(...messages)
    this.#heldBytes += bytes
    if (this.#handle !== undefined) this.#give({ type: 'channelUnread', channel: this.#handle, bytes })
  }

  #flushSoon(): void {
    if (this.#flushing) return
    this.#flushing = true
    queueMicrotask(() => this.#flush())
  }

  #flush(): void {
    this.#flushing = false
    if (this.#handle === undefined || this.#unsent.length === 0) return
    const messages = this.#unsent
    this.#unsent = []
    this.#unsentBytes = 0
    if (this.#give({ type: 'channelWrite', channel: this.#handle, messages })) {
      this.#tellWritable()
      return
    }
    this.#busy = true
    queueMicrotask(() => {
      this.#busy = false
      this.#tellWritable()
    })
  }

  #tellWritable(): void {
    if (!this.#refused || this.#blocked || this.#busy || this.#ended) return
    this.#refused = false
    this.#listener?.writable?.()
  }
}
