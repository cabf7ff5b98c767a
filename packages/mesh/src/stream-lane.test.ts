import { describe, expect, it } from 'vitest'
import { DATAGRAM_BYTES_MAX, after, frameHeaderBytes, instant, nodeId, writeFrameHeader } from '@causeway/protocol'
import { encodeHopMessage } from './hop-credit.ts'
import { StreamLane } from './stream-lane.ts'

const T0 = instant(0)
const LONG = 20_000
const [BULK, TINY] = [1, 2]

function frame(flow: number, bytes: number): Uint8Array {
  const it = new Uint8Array(bytes)
  writeFrameHeader(it, { source: nodeId('a'), route: [nodeId('b'), nodeId('c')], flow })
  return it
}

const tiny = (flow = TINY): Uint8Array => frame(flow, frameHeaderBytes(2) + 30)

function makeLane(): { readonly lane: StreamLane; readonly sent: Uint8Array[] } {
  const sent: Uint8Array[] = []
  const lane = new StreamLane(T0, { self: nodeId('r'), queueBytesMax: 1e6, onDrop: () => {}, send: (message) => sent.push(message) })
  return { lane, sent }
}

/** Sends as whoever has the lane does, until much is under way. */
function busyLane(): { readonly lane: StreamLane; readonly sent: Uint8Array[] } {
  const made = makeLane()
  for (let n = 0; n < 4; n++) {
    expect(made.lane.passes(T0, frame(BULK, LONG))).toBe(false)
    made.lane.send(T0, frame(BULK, LONG))
  }
  return made
}

describe('a short frame', () => {
  it('stays on a lane that is free, and passes one that is busy with others', () => {
    expect(makeLane().lane.passes(T0, tiny())).toBe(false)
    const { lane, sent } = busyLane()
    expect(lane.passes(T0, tiny())).toBe(true)
    const bytes = sent.reduce((sum, { length }) => sum + length, 0)
    lane.receive(T0, [encodeHopMessage({ type: 'credit', bytes })])
    expect(sent.length).toBe(4)
    lane.receive(T0, [encodeHopMessage({ type: 'credit', bytes: 4 * LONG })])
    expect(lane.passes(T0, tiny())).toBe(false)
  })

  it('does not pass what is of its own flow, before that has been quiet for a while; nor does a long one, or what is no frame', () => {
    const { lane } = busyLane()
    expect(lane.passes(T0, tiny(BULK))).toBe(false)
    expect(lane.passes(after(T0, 499), tiny(BULK))).toBe(false)
    expect(lane.passes(after(T0, 501), tiny(BULK))).toBe(true)
    expect(lane.passes(T0, frame(TINY, DATAGRAM_BYTES_MAX + 1))).toBe(false)
    expect(lane.passes(T0, encodeHopMessage({ type: 'credit', bytes: 0 }))).toBe(false)
  })

  it('passes no more often than a line can bear', () => {
    const { lane } = busyLane()
    const passed = (at: number): number => Array.from({ length: 200 }, () => lane.passes(after(T0, at), tiny())).filter(Boolean).length
    expect(passed(0)).toBe(50)
    expect(passed(10)).toBe(10)
  })
})
