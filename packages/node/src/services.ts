/**
 * Services inside the machine: those that end channels here and are neither programs nor state sessions. Each knows which
 * channels are its own, and writes to the mesh by itself; the base only routes what happens.
 */
import type { Instant, NodeId } from '@causeway/protocol'
import type { ChannelHandle, MeshEffect } from '@causeway/mesh'

export interface NodeService {
  /** Channels that a peer opens to this name end here. */
  serves(service: string): boolean
  owns(channel: ChannelHandle): boolean
  accepted(channel: ChannelHandle, peer: NodeId): void
  /** False if the peer does not keep to the rules: the channel is reset. */
  message(now: Instant, channel: ChannelHandle, message: Uint8Array): boolean
  blocked(channel: ChannelHandle, blocked: boolean): void
  /** Nothing else comes from this channel. */
  ended(now: Instant, channel: ChannelHandle, reason: string | null): void
  wake(now: Instant): void
  nextWake(): Instant | undefined
}

export type ChannelNews = Extract<
  MeshEffect,
  { type: 'channelMessages' | 'channelBlocked' | 'channelWritable' | 'channelFinished' | 'channelEnded' }
>

/** Tells a service what has happened on its channel; returns what is to be done with the channel. */
export function tellService(service: NodeService, now: Instant, news: ChannelNews): 'finish' | 'reset' | undefined {
  const { channel } = news
  switch (news.type) {
    case 'channelMessages':
      return news.messages.every((message) => service.message(now, channel, message)) ? undefined : 'reset'
    case 'channelBlocked':
    case 'channelWritable':
      service.blocked(channel, news.type === 'channelBlocked')
      return undefined
    case 'channelFinished':
      // The far end has had enough.
      return 'finish'
    case 'channelEnded':
      service.ended(now, channel, news.reason)
      return undefined
  }
}
