/** The pings of local programs, on channels of their own, and the echo service that answers those of other nodes. */
import { type Instant, type NodeId, nodeId } from '@causeway/protocol'
import type { ChannelHandle, Mesh } from '@causeway/mesh'
import type { RequestInput, ResponseEffect } from './contract.ts'
import { ECHO_SERVICE, EchoService, type PingStep, Pinger, pingFault } from './pinger.ts'
import type { NodeService } from './services.ts'

export interface PingSurroundings {
  readonly mesh: Mesh
  readonly self: NodeId
  readonly wallMs: (now: Instant) => number
  readonly emit: (effect: ResponseEffect) => void
}

export class Pings implements NodeService {
  readonly #around: PingSurroundings
  readonly #pinger = new Pinger()
  readonly #echo = new EchoService()

  constructor(surroundings: PingSurroundings) {
    this.#around = surroundings
  }

  start(now: Instant, order: Extract<RequestInput, { type: 'ping' }>): void {
    const { mesh, self, emit } = this.#around
    const to = nodeId(order.to)
    mesh.learnName(to, order.to)
    const fault = pingFault(self, order)
    if (fault) emit({ type: 'pingEnded', request: order.request, error: fault })
    else this.#carryOut(now, this.#pinger.start(now, { ...order, channel: mesh.open(now, to, ECHO_SERVICE) }))
  }

  cancel(now: Instant, request: number): void {
    const channel = this.#pinger.channelOf(request)
    if (channel === undefined) return
    this.#pinger.cancel(channel)
    this.#around.mesh.finish(now, channel)
  }

  // ---- NodeService

  serves(service: string): boolean {
    return service === ECHO_SERVICE
  }

  owns(channel: ChannelHandle): boolean {
    return this.#echo.owns(channel) || this.#pinger.owns(channel)
  }

  accepted(channel: ChannelHandle): void {
    this.#echo.accept(channel)
  }

  message(now: Instant, channel: ChannelHandle, message: Uint8Array): boolean {
    const { mesh, wallMs } = this.#around
    const wallOffsetMs = wallMs(now) - now
    if (this.#echo.owns(channel)) {
      const reply = this.#echo.reply(now, channel, message, wallOffsetMs)
      if (reply) mesh.write(now, channel, [reply])
    } else {
      this.#carryOut(now, this.#pinger.message(now, channel, message, wallOffsetMs))
    }
    return true
  }

  blocked(channel: ChannelHandle, blocked: boolean): void {
    this.#pinger.blocked(channel, blocked)
  }

  ended(now: Instant, channel: ChannelHandle, reason: string | null): void {
    this.#echo.forget(channel)
    this.#carryOut(now, this.#pinger.ended(channel, reason))
  }

  wake(now: Instant): void {
    this.#carryOut(now, this.#pinger.wake(now))
  }

  nextWake(): Instant | undefined {
    return this.#pinger.nextWake()
  }

  #carryOut(now: Instant, steps: readonly PingStep[]): void {
    const { mesh, emit } = this.#around
    for (const step of steps) {
      switch (step.type) {
        case 'write':
          mesh.write(now, step.channel, [step.message])
          break
        case 'finish':
          mesh.finish(now, step.channel)
          break
        case 'pinged': {
          const { request, reply, channel } = step
          emit({ type: 'pinged', request, reply: { ...reply, path: mesh.channelPath(channel) } })
          break
        }
        case 'pingEnded':
          emit(step)
      }
    }
  }
}
