import { expect, test } from 'vitest'
import { type Instant, LIMITS, SeededRandom, after, encodeRecord, instant, nodeId } from '@causeway/protocol'
import type { ChannelPacket } from './channel-packet.ts'
import { Channels } from './channels.ts'
import { PathSet } from './path-set.ts'

const START = instant(1_000)
const [SELF, PEER] = [nodeId('b'), nodeId('a')]
const COMMON = { channel: 5, fromOpener: true } as const

/** The end that channels are opened to, as packets of the peer arrive. */
class Acceptor {
  readonly #channels: Channels

  constructor() {
    this.#channels = new Channels({
      ...{ self: SELF, limits: LIMITS, random: new SeededRandom(1), nameOf: String, pathsTo: (peer) => new PathSet(peer) },
      sealer: { ready: () => true, want: () => {}, seal: () => true },
    })
  }

  /** What programs hear then, and how many channels there are. */
  hear(now: Instant, packet: ChannelPacket): [string[], number] {
    this.#channels.packet(now, PEER, packet, { wayBack: [PEER], marked: false })
    this.#channels.flush(now)
    return this.#told()
  }

  restarted(now: Instant, incarnation: number): [string[], number] {
    this.#channels.peerRestarted(now, PEER, incarnation)
    return this.#told()
  }

  #told(): [string[], number] {
    const heard = this.#channels.takeEffects().flatMap(({ type }) => (type === 'frame' ? [] : [type]))
    return [heard, this.#channels.size]
  }

  traffic(): [number, number][] {
    return [...this.#channels.takeTraffic()]
  }
}

function data(sequence: number, opening: boolean): ChannelPacket {
  const name = encodeRecord({ service: 'echo', class: 'ordered' })
  // A message is preceded by its length.
  const payload = sequence === 0 ? [Uint8Array.of(name.length), name] : [Uint8Array.of(1, 7)]
  return { kind: 'data', ...COMMON, opening, packet: sequence, sequence, payload, endOfStream: false }
}

test('a channel that a late packet brings back, and that nobody names any more, is given up', () => {
  const acceptor = new Acceptor()
  expect(acceptor.hear(START, { kind: 'trial', ...COMMON, opening: true, packet: 3 })).toEqual([[], 1])
  // Its name may still be on the way.
  expect(acceptor.hear(after(START, 9_000), data(9, false))).toEqual([[], 1])
  // The opener says that it knows: it has been named, to the one that ended here.
  expect(acceptor.hear(after(START, 11_000), data(10, false))).toEqual([[], 0])
  expect(acceptor.hear(after(START, 11_100), data(11, false))).toEqual([[], 0])
})

test('a channel whose name is long on its way stays', () => {
  const acceptor = new Acceptor()
  expect(acceptor.hear(START, data(1, true))).toEqual([[], 1])
  expect(acceptor.hear(after(START, 30_000), data(2, true))).toEqual([[], 1])
  expect(acceptor.hear(after(START, 30_001), data(0, true))[0]).toContain('channelAccepted')
})

test('all channels end with the process of the peer, once', () => {
  const acceptor = new Acceptor()
  acceptor.hear(START, data(0, true))
  expect(acceptor.restarted(after(START, 1), 7)).toEqual([['channelEnded'], 0])
  acceptor.hear(after(START, 2), data(0, true))
  // Another one says so too.
  expect(acceptor.restarted(after(START, 3), 7)).toEqual([[], 1])
  expect(acceptor.restarted(after(START, 4), 8)).toEqual([['channelEnded'], 0])
})

test('packets to and from a peer are counted until somebody asks', () => {
  const acceptor = new Acceptor()
  acceptor.hear(START, data(0, true))
  acceptor.hear(after(START, 1), data(1, false))
  // An acknowledgement has left.
  expect(acceptor.traffic()).toEqual([[PEER, 3]])
  expect(acceptor.traffic()).toEqual([])
})
