import { LIMITS, after, instant, nodeId } from '@causeway/protocol'
import { expect, test } from 'vitest'
import { PathSet } from './path-set.ts'
import type { Segment } from './segment.ts'
import { Sender } from './sender.ts'

const [RELAY, PEER] = [nodeId('h1'), nodeId('b')]
const NOW = instant(1_000)

test('what is acknowledged is let go of at once, though its copies are remembered for a while', () => {
  const segments: Segment[] = []
  const sender = senderTo((segment) => segments.push(segment))
  for (let message = 0; message < 4; message++) {
    sender.write(NOW, [new Uint8Array(2_000).fill(message)])
    sender.pump(NOW)
  }
  expect(segments).toHaveLength(4)
  const ack = { kind: 'ack', channel: 1, fromOpener: false, windowBytes: LIMITS.channelWindowBytes, delayMs: 0, marked: false } as const
  sender.acknowledged(after(NOW, 20), { ...ack, cumulative: 2, ranges: [{ first: 3, end: 4 }], echo: 3 })
  const held = segments.map(({ payload }) => payload.reduce((sum, { length }) => sum + length, 0))
  expect(held).toEqual([0, 0, segments[2]?.bytes, 0])
})

function senderTo(data: (segment: Segment) => void): Sender {
  const paths = new PathSet(PEER)
  paths.plan(NOW, [{ route: [RELAY, PEER], costMs: 20, impaired: false }], {
    ...{ costTo: () => 20, impaired: () => false, ways: () => [], mayMove: () => true },
  })
  const out = { data: (_path: unknown, _packet: number, segment: Segment) => data(segment), trial: () => {}, ready: () => true }
  return new Sender(NOW, paths, { ...out, heardAt: () => undefined }, true, LIMITS)
}
