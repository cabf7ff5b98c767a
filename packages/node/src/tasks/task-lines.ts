/**
 * Channels of the service `tasks`: one to each node there is something to say to, whoever opened it. What is written to a
 * node that cannot be reached waits in the channel; who needs an answer has a time limit of its own.
 *
 *  1. What the two ends say on a line arrives in order, or the line ends and both hear of it.
 */
import { type Instant, type NodeId, type TaskAnswer, type TaskQuestion, TASK_SERVICE, encodeTaskMessage } from '@causeway/protocol'
import type { ChannelHandle, Mesh } from '@causeway/mesh'

export class TaskLines {
  readonly #mesh: Mesh
  readonly #peers = new Map<ChannelHandle, NodeId>()
  readonly #byPeer = new Map<NodeId, ChannelHandle>()

  constructor(mesh: Mesh) {
    this.#mesh = mesh
  }

  owns(channel: ChannelHandle): boolean {
    return this.#peers.has(channel)
  }

  peerOf(channel: ChannelHandle): NodeId | undefined {
    return this.#peers.get(channel)
  }

  accepted(channel: ChannelHandle, peer: NodeId): void {
    this.#peers.set(channel, peer)
    // The newest is the one that the peer knows of.
    this.#byPeer.set(peer, channel)
  }

  /** On the line to the node, which is opened if there is none. */
  ask(now: Instant, peer: NodeId, message: TaskQuestion | TaskAnswer): void {
    let channel = this.#byPeer.get(peer)
    if (channel === undefined) {
      channel = this.#mesh.open(now, peer, TASK_SERVICE)
      this.accepted(channel, peer)
    }
    this.#mesh.write(now, channel, [encodeTaskMessage(message)])
  }

  /** On the line that the question came by; nothing if it has ended: who asked asks again. */
  answer(now: Instant, channel: ChannelHandle, message: TaskAnswer): void {
    if (this.#peers.has(channel)) this.#mesh.write(now, channel, [encodeTaskMessage(message)])
  }

  /** Drops what still waits to be sent to the node. */
  reset(now: Instant, peer: NodeId, reason: string): void {
    const channel = this.#byPeer.get(peer)
    if (channel === undefined) return
    this.ended(channel)
    this.#mesh.reset(now, channel, reason)
  }

  ended(channel: ChannelHandle): void {
    const peer = this.#peers.get(channel)
    this.#peers.delete(channel)
    if (peer !== undefined && this.#byPeer.get(peer) === channel) this.#byPeer.delete(peer)
  }
}
