/**
 * End-to-end ping: numbered messages over an ordinary ordered channel to the echo service of another node, so that
 * what is measured is what programs get. The far end stamps and counts what it receives, which tells gaps, losses
 * and repetitions of the way there, apart from the way back.
 */
import { type Instant, type NodeId, type PingReply, after, decodeRecord, earliest, encodeRecord, nodeId } from '@causeway/protocol'
import type { ChannelHandle } from '@causeway/mesh'

export const ECHO_SERVICE = 'echo'
/** After the last message has gone out, stragglers are waited for so long. */
const DRAIN_MS = 60_000
const PING_BYTES_MAX = 16 * 1024

export interface PingOrder {
  readonly request: number
  readonly channel: ChannelHandle
  readonly count: number
  readonly intervalMs: number
  readonly bytes: number
}

/** Why this cannot be done, in words; `undefined` if it can. */
export function pingFault(self: NodeId, order: Omit<PingOrder, 'channel'> & { readonly to: string }): string | undefined {
  if (nodeId(order.to) === self) return 'a node does not ping itself; name another node'
  if (!(order.bytes >= 0 && order.bytes <= PING_BYTES_MAX)) return `a ping carries 0 to ${PING_BYTES_MAX} bytes`
  if (!(order.intervalMs >= 1 && order.count >= 1)) return 'a ping needs an interval of at least 1 ms and a count of at least 1'
  return undefined
}

export type PingStep =
  | { readonly type: 'write'; readonly channel: ChannelHandle; readonly message: Uint8Array }
  | { readonly type: 'finish'; readonly channel: ChannelHandle }
  | { readonly type: 'pinged'; readonly request: number; readonly reply: Omit<PingReply, 'path'>; readonly channel: ChannelHandle }
  | { readonly type: 'pingEnded'; readonly request: number; readonly error: string | null }

interface Running extends PingOrder {
  sent: number
  answered: number
  nextAt: Instant
  blocked: boolean
}

/**
 * The messages of the echo service: `[sequence, sentMs, padding]` there, `[sequence, sentMs, receivedMs, count, wallMs]`
 * back. The first two times are each on its own node's monotonic clock, the last on the far end's wall clock; an
 * older far end leaves it out.
 */
function numbers(message: Uint8Array, length: number): number[] | undefined {
  const record = decodeRecord(message)
  if (!Array.isArray(record) || record.length < length) return undefined
  const head: unknown[] = record.slice(0, length + 1)
  const known = head.findIndex((item) => typeof item !== 'number')
  const count = known < 0 ? head.length : known
  return count < length ? undefined : (head.slice(0, count) as number[])
}

/** Answers those that ping us, and counts what each has sent. */
export class EchoService {
  readonly #counts = new Map<ChannelHandle, number>()

  owns(channel: ChannelHandle): boolean {
    return this.#counts.has(channel)
  }

  accept(channel: ChannelHandle): void {
    this.#counts.set(channel, 0)
  }

  /** `undefined` if the message was none of ours. */
  reply(now: Instant, channel: ChannelHandle, message: Uint8Array, wallOffsetMs: number): Uint8Array | undefined {
    const count = (this.#counts.get(channel) ?? 0) + 1
    this.#counts.set(channel, count)
    const [sequence, sentMs] = numbers(message, 2) ?? []
    return sequence === undefined ? undefined : encodeRecord([sequence, sentMs, now, count, now + wallOffsetMs])
  }

  forget(channel: ChannelHandle): void {
    this.#counts.delete(channel)
  }
}

export class Pinger {
  readonly #running = new Map<ChannelHandle, Running>()

  owns(channel: ChannelHandle): boolean {
    return this.#running.has(channel)
  }

  channelOf(request: number): ChannelHandle | undefined {
    for (const [channel, ping] of this.#running) if (ping.request === request) return channel
    return undefined
  }

  start(now: Instant, order: PingOrder): PingStep[] {
    this.#running.set(order.channel, { ...order, sent: 0, answered: 0, nextAt: now, blocked: false })
    return this.wake(now)
  }

  cancel(channel: ChannelHandle): void {
    this.#running.delete(channel)
  }

  blocked(channel: ChannelHandle, blocked: boolean): void {
    const ping = this.#running.get(channel)
    if (ping) ping.blocked = blocked
  }

  message(now: Instant, channel: ChannelHandle, message: Uint8Array, wallOffsetMs: number): PingStep[] {
    const ping = this.#running.get(channel)
    const [sequence, sentMs, remoteMs, remoteCount, remoteAt = null] = numbers(message, 4) ?? []
    if (!ping || sequence === undefined || sentMs === undefined || remoteMs === undefined || remoteCount === undefined) return []
    ping.answered++
    const { request } = ping
    const times = { sentAt: sentMs + wallOffsetMs, remoteAt, arrivedAt: now + wallOffsetMs }
    const reply = { sequence, rttMs: now - sentMs, remoteMs, remoteCount, ...times }
    const steps: PingStep[] = [{ type: 'pinged', request, channel, reply }]
    if (ping.sent >= ping.count && ping.answered >= ping.count) {
      this.#running.delete(channel)
      steps.push({ type: 'finish', channel }, { type: 'pingEnded', request, error: null })
    }
    return steps
  }

  ended(channel: ChannelHandle, reason: string | null): PingStep[] {
    const ping = this.#running.get(channel)
    if (!ping) return []
    this.#running.delete(channel)
    return [{ type: 'pingEnded', request: ping.request, error: reason ?? 'the far end closed the channel' }]
  }

  wake(now: Instant): PingStep[] {
    const steps: PingStep[] = []
    for (const ping of [...this.#running.values()]) {
      while (!ping.blocked && ping.sent < ping.count && ping.nextAt <= now) {
        const message = encodeRecord([ping.sent, now, new Uint8Array(Math.max(0, ping.bytes - 16))])
        steps.push({ type: 'write', channel: ping.channel, message })
        ping.sent++
        ping.nextAt = after(ping.nextAt, ping.sent < ping.count ? ping.intervalMs : DRAIN_MS)
      }
      if (ping.sent >= ping.count && ping.nextAt <= now) {
        this.#running.delete(ping.channel)
        steps.push({ type: 'finish', channel: ping.channel })
        steps.push({
          type: 'pingEnded',
          request: ping.request,
          error: `${ping.count - ping.answered} of ${ping.count} messages were not answered within ${DRAIN_MS / 1000} s`,
        })
      }
    }
    return steps
  }

  nextWake(): Instant | undefined {
    let next: Instant | undefined
    for (const ping of this.#running.values()) if (!ping.blocked) next = earliest(next, ping.nextAt)
    return next
  }
}
