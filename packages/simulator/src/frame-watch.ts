/**
 * Follows every frame of a world: none comes to a node where it has been, and none is handed to a lane that has said that
 * it holds enough, so that no queue grows without bound.
 */
import { type ConnectionId, isFrame, readFrameHeader } from '@causeway/protocol'
import type { SimulatedMachine, World } from './world.ts'

const OBJECTIONS_MAX = 10

export class FrameWatch<M extends SimulatedMachine> {
  /** Frames that have been looked at. */
  seen = 0
  readonly #objections: string[] = []
  /** The connections of each process whose stream lane is full. */
  readonly #blocked = new Map<string, Set<ConnectionId>>()

  constructor(world: World<M>) {
    world.observe((node, input) => {
      if (input.type === 'received' && input.lane !== 'control') for (const message of input.messages) this.#arrived(node.name, message)
      else if (input.type === 'laneBlocked' && input.lane === 'stream') this.#lanesOf(node.name).add(input.connection)
      else if (input.type === 'laneDrained' || input.type === 'disconnected') this.#lanesOf(node.name).delete(input.connection)
      // The first input of a process: its connections are numbered from 1 again.
      else if (input.type === 'wall') this.#blocked.delete(node.name)
    })
    world.watch((node, effect) => {
      if (effect.type !== 'send' || effect.lane !== 'stream' || !isFrame(effect.message)) return
      if (this.#lanesOf(node.name).has(effect.connection)) this.#object(`${node.name} sends a frame on a lane that is full`)
    })
  }

  objections(): readonly string[] {
    return this.seen > 0 ? this.#objections : ['no frame was seen']
  }

  #arrived(node: string, message: Uint8Array): void {
    const header = isFrame(message) ? readFrameHeader(message) : undefined
    if (!header) return
    this.seen++
    const been = [header.source, ...header.route.slice(0, header.position + 1)]
    if (new Set(been).size < been.length)
      this.#object(`a frame comes to ${node} by ${been.map((id) => id.toString(16)).join(' > ')}: a loop`)
  }

  #lanesOf(node: string): Set<ConnectionId> {
    let lanes = this.#blocked.get(node)
    if (!lanes) this.#blocked.set(node, (lanes = new Set()))
    return lanes
  }

  #object(objection: string): void {
    if (this.#objections.length < OBJECTIONS_MAX) this.#objections.push(objection)
  }
}
