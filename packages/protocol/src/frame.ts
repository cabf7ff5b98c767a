/**
 * A frame: what nodes hand to each other on the `stream` lane, on behalf of channels. It carries its own route,
 * so a relay needs no table: it looks at the header, moves the position on, and passes the same bytes along.
 *
 * Layout, big-endian; n = route length, 1 to `routeHopsMax`:
 *
 *     0   u8        version (1) in the high half, the class of the channel in the low half (see `FRAME_CLASSES`)
 *     1   u8        flags: 1 patched (a relay replaced the rest of the route), 2 marked (it waited long at some relay)
 *     2   u8        hop limit: hops this frame may still make
 *     3   u8        position: index in the route of the node the frame is on its way to
 *     4   u8        n
 *     5   u24       flow: the source's number for what should share a queue; means nothing but that
 *     8   u32       source
 *     12  n × u32   route: the nodes after the source, the last one is the destination
 *     12+4n         body, opaque to relays
 */
import { LIMITS } from './limits.ts'
import { asNodeId, type NodeId } from './node-id.ts'

export const FRAME_VERSION = 1
export const FRAME_HOP_LIMIT = 8
export const FRAME_PATCHED = 1
export const FRAME_MARKED = 2

/**
 * What a frame wants of the network: `ordered` to arrive, however late; `latest` to be in time or not at all; `twin` the
 * same, sent over two paths at once. Frames of the last two travel as datagrams where a link has them.
 */
export const FRAME_CLASSES = ['ordered', 'latest', 'twin'] as const
export type FrameClass = (typeof FRAME_CLASSES)[number]

const OFFSET_FLAGS = 1
const OFFSET_HOP_LIMIT = 2
const OFFSET_POSITION = 3
const OFFSET_ROUTE_LENGTH = 4
const OFFSET_FLOW = 5
const OFFSET_SOURCE = 8
const OFFSET_ROUTE = 12

export interface FrameHeader {
  readonly source: NodeId
  /** Nodes after the source; the last one is the destination. */
  readonly route: readonly NodeId[]
  readonly position: number
  readonly hopLimit: number
  readonly patched: boolean
  readonly marked: boolean
  readonly class: FrameClass
  /** 0 to 2²⁴ - 1. */
  readonly flow: number
}

/** The bytes of a frame header, so that a sender can lay out header and body in one allocation. */
export function frameHeaderBytes(routeLength: number): number {
  return OFFSET_ROUTE + 4 * routeLength
}

/** Writes the header into the start of `frame`. The body is the writer's business. */
export function writeFrameHeader(frame: Uint8Array, header: Pick<FrameHeader, 'source' | 'route'> & Partial<FrameHeader>): void {
  frame[0] = (FRAME_VERSION << 4) | FRAME_CLASSES.indexOf(header.class ?? 'ordered')
  frame[OFFSET_FLAGS] = (header.patched ? FRAME_PATCHED : 0) | (header.marked ? FRAME_MARKED : 0)
  frame[OFFSET_HOP_LIMIT] = header.hopLimit ?? FRAME_HOP_LIMIT
  frame[OFFSET_POSITION] = header.position ?? 0
  frame[OFFSET_ROUTE_LENGTH] = header.route.length
  const flow = header.flow ?? 0
  frame[OFFSET_FLOW] = flow >>> 16
  frame[OFFSET_FLOW + 1] = flow >>> 8
  frame[OFFSET_FLOW + 2] = flow
  writeU32(frame, OFFSET_SOURCE, header.source)
  let at = OFFSET_ROUTE
  for (const hop of header.route) {
    writeU32(frame, at, hop)
    at += 4
  }
}

/** The header of a received frame, or `undefined` if it is malformed. */
export function readFrameHeader(frame: Uint8Array): FrameHeader | undefined {
  if (frame.length < OFFSET_ROUTE + 4 || byteAt(frame, 0) >> 4 !== FRAME_VERSION) return undefined
  const length = byteAt(frame, OFFSET_ROUTE_LENGTH)
  const position = byteAt(frame, OFFSET_POSITION)
  if (length === 0 || length > LIMITS.routeHopsMax || position >= length) return undefined
  if (byteAt(frame, OFFSET_HOP_LIMIT) > FRAME_HOP_LIMIT) return undefined
  if (frame.length < frameHeaderBytes(length)) return undefined
  const route: NodeId[] = []
  for (let i = 0; i < length; i++) route.push(asNodeId(readU32(frame, OFFSET_ROUTE + 4 * i)))
  return {
    source: asNodeId(readU32(frame, OFFSET_SOURCE)),
    route,
    position,
    hopLimit: byteAt(frame, OFFSET_HOP_LIMIT),
    patched: (byteAt(frame, OFFSET_FLAGS) & FRAME_PATCHED) !== 0,
    marked: (byteAt(frame, OFFSET_FLAGS) & FRAME_MARKED) !== 0,
    class: frameClass(frame),
    flow: flowOf(frame),
  }
}

/** Whether a message of the `stream` lane is a frame; whether it is well-formed, `readFrameHeader` tells. */
export function isFrame(message: Uint8Array): boolean {
  return byteAt(message, 0) >> 4 === FRAME_VERSION
}

/** Whose frame it is, and which of its flows; the frame must have a header. */
export function frameFlow(frame: Uint8Array): { readonly source: NodeId; readonly flow: number } {
  return { source: asNodeId(readU32(frame, OFFSET_SOURCE)), flow: flowOf(frame) }
}

/** The class of a frame that has a header. One of a later version is carried like the default. */
export function frameClass(frame: Uint8Array): FrameClass {
  return (isFrame(frame) ? FRAME_CLASSES[byteAt(frame, 0) & 0x0f] : undefined) ?? 'ordered'
}

/** A view of the body of a frame whose header is well-formed. */
export function frameBody(frame: Uint8Array): Uint8Array {
  return frame.subarray(frameHeaderBytes(byteAt(frame, OFFSET_ROUTE_LENGTH)))
}

/**
 * Moves a frame on to the next node of its route, in place: no copy on the way through a relay. The relay drops a
 * frame whose hop limit is spent; should it not, the limit stays at 0 rather than wrap.
 */
export function advanceFrame(frame: Uint8Array, header: FrameHeader): void {
  frame[OFFSET_POSITION] = header.position + 1
  frame[OFFSET_HOP_LIMIT] = Math.max(0, header.hopLimit - 1)
}

/** Notes, in place, that the frame waited longer than it should: its source ought to send less. */
export function markFrame(frame: Uint8Array): void {
  frame[OFFSET_FLAGS] = byteAt(frame, OFFSET_FLAGS) | FRAME_MARKED
}

/** The way back: from the receiver at `position` to the source, over the nodes the frame came through. */
export function reverseRoute(header: FrameHeader): NodeId[] {
  return [...header.route.slice(0, header.position).toReversed(), header.source]
}

function flowOf(frame: Uint8Array): number {
  return (byteAt(frame, OFFSET_FLOW) << 16) | (byteAt(frame, OFFSET_FLOW + 1) << 8) | byteAt(frame, OFFSET_FLOW + 2)
}

function byteAt(bytes: Uint8Array, offset: number): number {
  return bytes[offset] ?? 0
}

export function writeU32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24
  bytes[offset + 1] = value >>> 16
  bytes[offset + 2] = value >>> 8
  bytes[offset + 3] = value
}

export function readU32(bytes: Uint8Array, offset: number): number {
  return (
    ((byteAt(bytes, offset) << 24) | (byteAt(bytes, offset + 1) << 16) | (byteAt(bytes, offset + 2) << 8) | byteAt(bytes, offset + 3)) >>> 0
  )
}
