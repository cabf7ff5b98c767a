/**
 * What happens to a frame that arrives: it is ours, or it goes on to the next node of its route. If the link there
 * is dead, a node that knows the link state replaces the rest of the route; otherwise the frame is dropped, and
 * the channel it belongs to sends it again another way.
 *
 *  1. A frame never visits a node twice: a replaced route avoids every node the frame has been at.
 *  2. Each hop lowers the hop limit; at 0 a frame is dropped.
 *  3. An edge node carries only what comes from or goes to another node of its site.
 *  4. A relay touches only the header, in place, except when it replaces the route.
 */
import {
  type FrameHeader,
  LIMITS,
  type NodeId,
  advanceFrame,
  frameBody,
  frameHeaderBytes,
  readFrameHeader,
  reverseRoute,
  writeFrameHeader,
} from '@causeway/protocol'

/** Knows ways that a route does not name: a hub all of them, an edge its hubs. */
export interface Router {
  /** The cheapest way from this node to `to` that avoids the given nodes: nodes after this one. */
  wayTo(to: NodeId, avoid: ReadonlySet<NodeId>): readonly NodeId[] | undefined
}

export type Verdict =
  | { readonly type: 'deliver'; readonly body: Uint8Array; readonly wayBack: readonly NodeId[]; readonly marked: boolean }
  | { readonly type: 'relay'; readonly next: NodeId; readonly frame: Uint8Array }
  | { readonly type: 'drop'; readonly reason: 'malformed' | 'not-for-us' | 'hop-limit' | 'not-for-our-site' | 'no-way' }

export interface ForwarderConfig {
  readonly self: NodeId
  /** The neighbour that handed the frame over. */
  readonly from: NodeId
  /** Whether to carry what is neither from nor for this node, from one neighbour to another. */
  readonly carries: (from: NodeId, next: NodeId) => boolean
  readonly router?: Router | undefined
  /** Whether a frame can be handed to that neighbour now. */
  readonly reaches: (neighbour: NodeId) => boolean
}

export function forward(config: ForwarderConfig, frame: Uint8Array): Verdict {
  const header = readFrameHeader(frame)
  if (!header) return { type: 'drop', reason: 'malformed' }
  const { route, position } = header
  if (route[position] !== config.self) return { type: 'drop', reason: 'not-for-us' }
  if (position === route.length - 1) {
    return { type: 'deliver', body: frameBody(frame), wayBack: reverseRoute(header), marked: header.marked }
  }
  if (header.hopLimit <= 1) return { type: 'drop', reason: 'hop-limit' }
  const next = route[position + 1] as NodeId
  if (!config.reaches(next)) return patch(config, frame, header)
  if (!config.carries(config.from, next)) return { type: 'drop', reason: 'not-for-our-site' }
  advanceFrame(frame, header)
  return { type: 'relay', next, frame }
}

function patch(config: ForwarderConfig, frame: Uint8Array, header: FrameHeader): Verdict {
  const destination = header.route.at(-1) as NodeId
  const been = header.route.slice(0, header.position + 1)
  const avoid = new Set([header.source, ...been])
  const rest = config.reaches(destination) ? [destination] : config.router?.wayTo(destination, avoid)
  const next = rest?.[0]
  if (!rest || next === undefined || !config.reaches(next)) return { type: 'drop', reason: 'no-way' }
  if (!config.carries(config.from, next)) return { type: 'drop', reason: 'not-for-our-site' }
  const route = [...been, ...rest]
  if (route.length > LIMITS.routeHopsMax) return { type: 'drop', reason: 'no-way' }
  const body = frameBody(frame)
  const patched = new Uint8Array(frameHeaderBytes(route.length) + body.length)
  writeFrameHeader(patched, { source: header.source, route, position: been.length, hopLimit: header.hopLimit - 1, patched: true })
  patched.set(body, frameHeaderBytes(route.length))
  return { type: 'relay', next, frame: patched }
}
