/**
 * Channels as programs use them: messages in, messages out, over whatever paths the mesh finds. The library's users, the
 * overlay as a libp2p transport and the forwards all stand on this.
 */
import type { FrameClass } from '@causeway/protocol'

export interface ProgramChannelListener {
  /** What came in one turn, in order. The bytes are the listener's own. */
  messages(messages: readonly Uint8Array[]): void
  /** `send` was refused before; now it would not be. */
  writable?(): void
  /** The peer will send no more; we still may. */
  finished?(): void
  /** Once, last of all; `reason` is `null` if both sides had finished. */
  ended(reason: string | null): void
}

export interface ProgramChannel {
  /** Name of the node at the other end. */
  readonly peer: string
  readonly service: string
  readonly class: FrameClass
  /** Must be called before the current turn ends; what arrives earlier would be lost. */
  listen(listener: ProgramChannelListener): void
  /**
   * Takes a message; the caller must not change its bytes any more. False: taken all the same, but the channel is full,
   * and the caller should wait for `writable`. What is sent within one turn travels together. Throws `refused` for a message
   * of more than 4 MiB, of class `latest` or `twin` 64 KiB.
   */
  send(message: Uint8Array): boolean
  /** Stops the peer, after what is under way, until `resume`: its window stays full. */
  pause(): void
  resume(): void
  /** We send no more; what was sent still arrives. */
  finish(): void
  /** Ends both directions at once. */
  reset(reason: string): void
}

export interface OpenOptions {
  /** @default 'ordered' */
  readonly class?: FrameClass | undefined
}

export interface Programs {
  /** Opens a channel to a service of the node `to`. It may be used at once; if it cannot be opened it ends with the reason. */
  open(to: string, service: string, options?: OpenOptions): ProgramChannel
  /** Accepts the channels that nodes open to `service`, until the returned function is called. Throws `refused` if somebody else does. */
  serve(service: string, onChannel: (channel: ProgramChannel) => void): () => void
}
