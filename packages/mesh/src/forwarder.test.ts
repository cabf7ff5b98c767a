import { type NodeId, frameHeaderBytes, nodeId, readFrameHeader, reverseRoute, writeFrameHeader } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { type ForwarderConfig, forward } from './forwarder.ts'

const [A, B, H1, H2, H3] = ['a', 'b', 'h1', 'h2', 'h3'].map((name) => nodeId(name)) as [NodeId, NodeId, NodeId, NodeId, NodeId]

function frame(route: NodeId[], position = 0, hopLimit = 8): Uint8Array {
  const bytes = new Uint8Array(frameHeaderBytes(route.length) + 3)
  writeFrameHeader(bytes, { source: A, route, position, hopLimit })
  bytes.set([1, 2, 3], frameHeaderBytes(route.length))
  return bytes
}

function hub(dead: NodeId[] = [], way?: NodeId[]): ForwarderConfig {
  return {
    self: H1,
    from: A,
    carries: () => true,
    reaches: (id) => !dead.includes(id),
    router: { wayTo: (_to, avoid) => (way?.some((id) => avoid.has(id)) ? undefined : way) },
  }
}

describe('forward', () => {
  it('passes a frame on in the same bytes', () => {
    const bytes = frame([H1, B])
    const verdict = forward(hub(), bytes)
    expect(verdict).toMatchObject({ type: 'relay', next: B })
    expect(verdict.type === 'relay' && verdict.frame).toBe(bytes)
    expect(readFrameHeader(bytes)).toMatchObject({ position: 1, hopLimit: 7 })
  })

  it('delivers what is for this node, with the way back', () => {
    const verdict = forward({ ...hub(), self: B }, frame([H1, H2, B], 2))
    expect(verdict).toMatchObject({ type: 'deliver', wayBack: [H2, H1, A] })
    expect(verdict.type === 'deliver' && [...verdict.body]).toEqual([1, 2, 3])
  })

  it('replaces the rest of a route whose next hop is dead, and keeps where the frame has been', () => {
    const verdict = forward(hub([H2, B], [H3, B]), frame([H1, H2, B]))
    expect(verdict).toMatchObject({ type: 'relay', next: H3 })
    if (verdict.type !== 'relay') return
    const header = readFrameHeader(verdict.frame)
    expect(header).toMatchObject({ route: [H1, H3, B], position: 1, patched: true, hopLimit: 7 })
    expect(header && reverseRoute({ ...header, position: 2 })).toEqual([H3, H1, A])
  })

  it('never sends a frame back to where it has been', () => {
    expect(forward(hub([B], [A, B]), frame([H1, B]))).toEqual({ type: 'drop', reason: 'no-way' })
  })

  it.each([
    ['malformed', hub(), new Uint8Array(5)],
    ['not-for-us', hub(), frame([H2, B])],
    ['hop-limit', hub(), frame([H1, B], 0, 1)],
    ['not-for-our-site', { ...hub(), carries: () => false }, frame([H1, B])],
    [
      'not-for-our-site',
      { ...hub([H2, B], [H3, B]), carries: (from: NodeId, next: NodeId) => from === B || next === B },
      frame([H1, H2, B]),
    ],
    ['no-way', { ...hub([B]), router: undefined }, frame([H1, B])],
  ] as const)('drops: %s', (reason, config, bytes) => {
    expect(forward(config, bytes)).toEqual({ type: 'drop', reason })
  })
})
