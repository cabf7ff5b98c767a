/**
 * Links with nodes of other sites. Two nodes that have had something to say to each other for a while agree, over the way
 * that they have, to link directly as well: each tells where it can be dialled, and who can dial does. What the link is worth
 * is then measured like any other, and the path over it is one of several, taken when it is better (`path-set.ts` in mesh).
 *
 * Only the two know of it, no hub: what goes over a link between edges is their own, so that nobody else could use it in a
 * plan, and hubs need not hear of links that come and go with traffic.
 *
 *  1. No more nodes than `directLinksMax` are linked with, or dialled, at a time. One more takes the place of the one with the
 *     least traffic if that has not half as much.
 *  2. Who is asked too much, or cannot link, says so; it is asked again after `RETRY_MS`. So is one that could not be reached.
 *  3. Only an edge node of another site is linked with: hubs and the nodes of one's own site are linked with anyway.
 *  4. Both ends dial, the one with the lower id first: one link remains. Either end gives it up, and the other does not insist.
 *
 * The question and its answer are one record each, `{addresses, refused?}`, on a channel of their own.
 */
import {
  type ConnectionId,
  type Credential,
  type Instant,
  type Limits,
  type NodeId,
  type Random,
  after,
  decodeRecord,
  encodeRecord,
  jittered,
} from '@causeway/protocol'
import type { ChannelHandle, Dialer, Mesh } from '@causeway/mesh'
import type { NodeService } from './services.ts'
import { addressesIn } from './site-members.ts'

const SERVICE = 'direct-link'
const WINDOW_MS = 10_000
/** Packets in a window, both ways: a message a second, and its acknowledgement. Less does not pay for the probes of a link. */
const STEADY_PACKETS = 20
const RETRY_MS = 600_000
const RETRY_JITTER = 0.2
/** Two that dial each other need one link: the one with the higher id waits for the other. */
const DIAL_SECOND_MS = 4_000
const REASON_CHARACTERS_MAX = 100
const UNREACHABLE = 'neither of the two can be dialled'
const FULL = 'it has direct links enough'

/** What the links and channels of this node tell and do. */
interface Adjacency extends Pick<Mesh, 'open' | 'write' | 'finish' | 'stop' | 'takeTraffic' | 'nameOf'> {
  credentialOf(peer: NodeId): Pick<Credential, 'role' | 'site'> | undefined
  link(peer: NodeId): { readonly connection: ConnectionId | undefined } | undefined
}

export interface DirectLinksParts {
  readonly self: NodeId
  readonly site: string
  /** Where nodes of other sites may dial this one. */
  readonly addresses: readonly string[]
  readonly limits: Pick<Limits, 'directLinksMax' | 'directAfterMs' | 'directIdleMs'>
  readonly mesh: Adjacency
  readonly dialer: Pick<Dialer, 'learn' | 'forget'>
  readonly random: Random
  readonly report: (event: string, data: Record<string, string>) => void
}

/** A node of another site, and what there is between us. */
interface Pair {
  /** In the last window. */
  packets: number
  /** Without a pause. */
  steadySince: Instant | undefined
  busyAt: Instant
  /** We have agreed on a link. */
  agreed: boolean
  /** There was a connection, or we began to look for one. */
  linkedAt: Instant
  askAt: Instant
  /** Why there was no link the last time. */
  refused: string | undefined
}

interface Said {
  readonly addresses: readonly string[]
  readonly refused?: string
}

export class DirectLinks implements NodeService {
  readonly #of: DirectLinksParts
  readonly #pairs = new Map<NodeId, Pair>()
  /** Channels on which we have asked, and were asked. */
  readonly #asking = new Map<ChannelHandle, NodeId>()
  readonly #asked = new Map<ChannelHandle, NodeId>()
  #lookedAt: Instant

  constructor(now: Instant, parts: DirectLinksParts) {
    this.#of = parts
    this.#lookedAt = now
  }

  /** A node has closed its connection; `stops`: since its process does. */
  saidGoodbye(now: Instant, peer: NodeId, stops: boolean): void {
    const pair = this.#pairs.get(peer)
    if (!pair?.agreed) return
    this.#recant(peer, pair)
    if (!stops) pair.askAt = this.#later(now)
  }

  // ---- NodeService

  serves(service: string): boolean {
    return service === SERVICE
  }

  owns(channel: ChannelHandle): boolean {
    return this.#asking.has(channel) || this.#asked.has(channel)
  }

  accepted(channel: ChannelHandle, peer: NodeId): void {
    this.#asked.set(channel, peer)
  }

  message(now: Instant, channel: ChannelHandle, message: Uint8Array): boolean {
    const { mesh } = this.#of
    const said = readSaid(message)
    const [answers, asks] = [this.#asking.get(channel), this.#asked.get(channel)]
    if (said && answers !== undefined) {
      this.#answered(now, answers, said)
      mesh.finish(now, channel)
    } else if (said && asks !== undefined) {
      mesh.write(now, channel, [encodeRecord(this.#answer(now, asks, said))])
    }
    return said !== undefined
  }

  blocked(): void {
    // Neither says more than one thing.
  }

  ended(now: Instant, channel: ChannelHandle, reason: string | null): void {
    const peer = this.#asking.get(channel)
    this.#asking.delete(channel)
    this.#asked.delete(channel)
    const pair = peer === undefined ? undefined : this.#pairs.get(peer)
    if (peer !== undefined && pair && reason !== null) this.#refused(now, peer, pair, reason)
  }

  wake(now: Instant): void {
    if (now - this.#lookedAt >= WINDOW_MS) this.#look(now)
  }

  nextWake(): Instant | undefined {
    // Without a pair there is no hurry: any other wake will do to find one.
    return this.#pairs.size > 0 ? after(this.#lookedAt, WINDOW_MS) : undefined
  }

  // ---- who has much to say

  #look(now: Instant): void {
    const share = WINDOW_MS / (now - this.#lookedAt)
    this.#lookedAt = now
    const traffic = this.#of.mesh.takeTraffic()
    if (this.#of.limits.directLinksMax === 0) return
    for (const peer of traffic.keys()) if (this.#isFar(peer)) this.#pairOf(now, peer)
    for (const [peer, pair] of this.#pairs) this.#judge(now, peer, pair, (traffic.get(peer) ?? 0) * share)
  }

  #judge(now: Instant, peer: NodeId, pair: Pair, packets: number): void {
    const { directAfterMs, directIdleMs } = this.#of.limits
    const linked = this.#of.mesh.link(peer)?.connection !== undefined
    const steady = packets >= STEADY_PACKETS
    pair.packets = packets
    if (linked) pair.linkedAt = now
    if (steady) pair.busyAt = now
    pair.steadySince = steady ? (pair.steadySince ?? after(now, -WINDOW_MS)) : undefined
    if (pair.agreed && now - pair.busyAt >= directIdleMs) {
      this.#end(peer, pair, 'it has carried little for long enough')
    } else if (pair.agreed && now - pair.linkedAt >= RETRY_MS) {
      this.#end(peer, pair, 'it could not be had for too long')
      pair.askAt = this.#later(now)
    } else if (pair.steadySince !== undefined && now - pair.steadySince >= directAfterMs) {
      if (linked) this.#adopt(now, peer, pair)
      else if (!pair.agreed && now >= pair.askAt) this.#ask(now, peer, pair)
    } else if (!pair.agreed && !steady && now >= pair.askAt) {
      this.#pairs.delete(peer)
    }
  }

  // ---- to agree

  /** Linked without having agreed: our process is a new one, which the peer has dialled as it did the old one. */
  #adopt(now: Instant, peer: NodeId, pair: Pair): void {
    if (this.#hasRoom(pair)) this.#agree(now, peer, pair, [])
    else this.#of.mesh.stop(FULL, peer)
  }

  #ask(now: Instant, peer: NodeId, pair: Pair): void {
    pair.askAt = this.#later(now)
    if (!this.#hasRoom(pair)) return
    const { mesh, addresses } = this.#of
    const channel = mesh.open(now, peer, SERVICE)
    this.#asking.set(channel, peer)
    mesh.write(now, channel, [encodeRecord({ addresses })])
  }

  #answer(now: Instant, peer: NodeId, { addresses }: Said): Said {
    const own = this.#of.addresses
    if (!this.#isFar(peer)) return { addresses: [], refused: 'it is no edge node of another site' }
    const pair = this.#pairOf(now, peer)
    if (!this.#hasRoom(pair)) return { addresses: [], refused: FULL }
    if (addresses.length + own.length === 0) return { addresses: [], refused: UNREACHABLE }
    this.#agree(now, peer, pair, addresses)
    return { addresses: own }
  }

  #answered(now: Instant, peer: NodeId, { addresses, refused }: Said): void {
    const pair = this.#pairOf(now, peer)
    const reason = refused ?? (this.#hasRoom(pair) ? undefined : FULL)
    if (reason === undefined) this.#agree(now, peer, pair, addresses)
    else this.#refused(now, peer, pair, reason)
  }

  #refused(now: Instant, peer: NodeId, pair: Pair, reason: string): void {
    pair.askAt = this.#later(now)
    if (pair.refused !== reason) this.#of.report('direct-link-refused', { peer: this.#of.mesh.nameOf(peer), reason })
    pair.refused = reason
  }

  #agree(now: Instant, peer: NodeId, pair: Pair, addresses: readonly string[]): void {
    const { self, dialer, report, mesh } = this.#of
    if (!pair.agreed) {
      const least = this.#least()
      if (least) {
        this.#end(...least, 'another node has more to say')
        least[1].askAt = this.#later(now)
      }
      report('direct-link-wanted', { peer: mesh.nameOf(peer) })
    }
    Object.assign(pair, { agreed: true, linkedAt: now, busyAt: now, askAt: now, refused: undefined })
    const first = self < peer || this.#of.addresses.length === 0
    dialer.learn(first ? now : after(now, DIAL_SECOND_MS), peer, addresses, 'direct')
  }

  /** Invariant 1. */
  #hasRoom(pair: Pair): boolean {
    const least = this.#least()
    return this.#of.limits.directLinksMax > 0 && (pair.agreed || !least || least[1].packets * 2 < pair.packets)
  }

  /** Which goes if another comes; `undefined` if there is room for all. */
  #least(): [NodeId, Pair] | undefined {
    const agreed = [...this.#pairs].filter(([, pair]) => pair.agreed)
    return agreed.length < this.#of.limits.directLinksMax ? undefined : agreed.toSorted(([, a], [, b]) => a.packets - b.packets)[0]
  }

  #end(peer: NodeId, pair: Pair, reason: string): void {
    const { mesh, report } = this.#of
    this.#recant(peer, pair)
    if (mesh.link(peer)?.connection !== undefined) mesh.stop(reason, peer)
    report('direct-link-ended', { peer: mesh.nameOf(peer), reason })
  }

  #recant(peer: NodeId, pair: Pair): void {
    pair.agreed = false
    pair.steadySince = undefined
    this.#of.dialer.forget(peer)
  }

  #isFar(peer: NodeId): boolean {
    const credential = this.#of.mesh.credentialOf(peer)
    return credential?.role === 'edge' && credential.site !== this.#of.site
  }

  #pairOf(now: Instant, peer: NodeId): Pair {
    const fresh = { packets: 0, steadySince: undefined, busyAt: now, agreed: false, linkedAt: now, askAt: now, refused: undefined }
    const pair: Pair = this.#pairs.get(peer) ?? fresh
    this.#pairs.set(peer, pair)
    return pair
  }

  /** Not all at once: what has ended them may have ended many. */
  #later(now: Instant): Instant {
    return after(now, jittered(this.#of.random, RETRY_MS, RETRY_JITTER))
  }
}

function readSaid(message: Uint8Array): Said | undefined {
  const record = decodeRecord(message)
  if (typeof record !== 'object' || record === null || !('addresses' in record)) return undefined
  const refused = 'refused' in record && typeof record.refused === 'string' ? record.refused.slice(0, REASON_CHARACTERS_MAX) : undefined
  return { addresses: addressesIn(record), ...(refused !== undefined && { refused }) }
}
