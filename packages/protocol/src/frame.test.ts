import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  FRAME_CLASSES,
  FRAME_HOP_LIMIT,
  advanceFrame,
  frameBody,
  frameHeaderBytes,
  markFrame,
  readFrameHeader,
  readU32,
  reverseRoute,
  writeFrameHeader,
  writeU32,
} from './frame.ts'
import { LIMITS } from './limits.ts'
import { asNodeId, nodeId } from './node-id.ts'

const id = fc.integer({ min: 0, max: 0xffff_ffff }).map(asNodeId)
const header = fc
  .record({
    source: id,
    route: fc.array(id, { minLength: 1, maxLength: LIMITS.routeHopsMax }),
    position: fc.nat(LIMITS.routeHopsMax - 1),
    hopLimit: fc.nat(FRAME_HOP_LIMIT),
    patched: fc.boolean(),
    marked: fc.boolean(),
    class: fc.constantFrom(...FRAME_CLASSES),
    flow: fc.nat(2 ** 24 - 1),
  })
  .filter(({ route, position }) => position < route.length)

function frameOf(head: Parameters<typeof writeFrameHeader>[1], body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(frameHeaderBytes(head.route.length) + body.length)
  writeFrameHeader(frame, head)
  frame.set(body, frameHeaderBytes(head.route.length))
  return frame
}

describe('frame', () => {
  test('reads what was written, and the body is a view', () => {
    fc.assert(
      fc.property(header, fc.uint8Array({ maxLength: 64 }), (head, body) => {
        const frame = frameOf(head, body)
        expect(readFrameHeader(frame)).toEqual(head)
        expect(frameBody(frame)).toEqual(body)
        expect(frameBody(frame).buffer).toBe(frame.buffer)
      }),
    )
  })

  test('is marked in place, and nothing else changes', () => {
    fc.assert(
      fc.property(header, (head) => {
        const frame = frameOf(head, new Uint8Array(1))
        markFrame(frame)
        expect(readFrameHeader(frame)).toEqual({ ...head, marked: true })
      }),
    )
  })

  test('writes every header byte: a reused buffer leaves nothing behind', () => {
    const head = { source: nodeId('a'), route: [nodeId('b'), nodeId('c')] }
    const dirty = new Uint8Array(frameHeaderBytes(2)).fill(0xff)
    writeFrameHeader(dirty, head)
    expect(dirty).toEqual(frameOf(head, new Uint8Array()))
  })

  test('any bytes are a header or undefined, never a throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.boolean(), (bytes, versioned) => {
        if (versioned && bytes.length > 0) bytes[0] = 0x10
        const head = readFrameHeader(bytes)
        if (!head) return
        expect(head.route.length).toBeGreaterThan(0)
        expect(head.position).toBeLessThan(head.route.length)
        expect(head.hopLimit).toBeLessThanOrEqual(FRAME_HOP_LIMIT)
        expect(frameHeaderBytes(head.route.length) + frameBody(bytes).length).toBe(bytes.length)
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    ['an empty message', (_: Uint8Array) => new Uint8Array()],
    ['a cut header', (frame: Uint8Array) => frame.subarray(0, 19)],
    ['another version', (frame: Uint8Array) => frame.with(0, 0x20)],
    ['an empty route', (frame: Uint8Array) => frame.with(4, 0)],
    ['a route that is too long', (frame: Uint8Array) => frame.with(4, LIMITS.routeHopsMax + 1)],
    ['a position behind the route', (frame: Uint8Array) => frame.with(3, 2)],
    ['more hops than anybody may ask for', (frame: Uint8Array) => frame.with(2, FRAME_HOP_LIMIT + 1)],
  ])('refuses %s', (_, spoil) => {
    const frame = frameOf({ source: nodeId('a'), route: [nodeId('b'), nodeId('c')] }, new Uint8Array())
    expect(readFrameHeader(frame)).toBeDefined()
    expect(readFrameHeader(spoil(frame))).toBeUndefined()
  })

  test('advances hop by hop to the destination, and the way back is the way it came', () => {
    const nodes = ['a', 'h1', 'h2', 'b'].map(nodeId)
    const [source, ...route] = nodes
    if (source === undefined) throw new Error('no source')
    const frame = frameOf({ source, route }, Uint8Array.of(7))
    for (let position = 0; position < route.length; position++) {
      const head = readFrameHeader(frame)
      expect(head).toMatchObject({ source, route, position, hopLimit: FRAME_HOP_LIMIT - position })
      if (!head) return
      expect(reverseRoute(head)).toEqual(nodes.slice(0, position + 1).toReversed())
      if (position < route.length - 1) advanceFrame(frame, head)
    }
    expect(frameBody(frame)).toEqual(Uint8Array.of(7))
  })

  test('a spent hop limit stays spent: it never wraps to 255', () => {
    const frame = frameOf({ source: nodeId('a'), route: [nodeId('b'), nodeId('c')], hopLimit: 0 }, new Uint8Array())
    const head = readFrameHeader(frame)
    if (head) advanceFrame(frame, head)
    expect(readFrameHeader(frame)?.hopLimit).toBe(0)
  })

  test('u32 round trip at any offset', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), fc.nat(8), (value, offset) => {
        const bytes = new Uint8Array(12)
        writeU32(bytes, offset, value)
        expect(readU32(bytes, offset)).toBe(value)
        expect(new DataView(bytes.buffer).getUint32(offset)).toBe(value)
      }),
    )
  })
})
