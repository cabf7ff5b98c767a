import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CHANNEL_FRAME_BYTES_MAX, type ChannelFrame, ChannelFrameReader, channelFrameHead } from './channel-api.ts'

const frame = fc.record({
  kind: fc.constantFrom('data' as const, 'finish' as const, 'reset' as const),
  bytes: fc.uint8Array({ maxLength: 300 }),
})

test('frames are the same however their bytes arrive', () => {
  fc.assert(
    fc.property(fc.array(frame), fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (frames, sizes) => {
      const bytes = frames.flatMap(({ kind, bytes: each }) => [...channelFrameHead(kind, each.length), ...each])
      const reader = new ChannelFrameReader()
      const read: ChannelFrame[] = []
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const size = sizes[turn % sizes.length] ?? 1
        read.push(...(reader.push(Uint8Array.from(bytes.slice(at, at + size))) ?? []))
        at += size
      }
      expect(read.map(({ kind, bytes: each }) => [kind, [...each]])).toEqual(frames.map(({ kind, bytes: each }) => [kind, [...each]]))
    }),
  )
})

test('what is no frame is refused', () => {
  expect(new ChannelFrameReader().push(Uint8Array.of(3, 0, 0, 0))).toBeUndefined()
  expect(new ChannelFrameReader().push(channelFrameHead('data', CHANNEL_FRAME_BYTES_MAX + 1))).toBeUndefined()
  expect(new ChannelFrameReader().push(channelFrameHead('data', CHANNEL_FRAME_BYTES_MAX))).toEqual([])
})
