/**
 * What a gateway last told its hubs of the nodes that reach none but through it. Who they are is news at once. What the way to
 * one costs is news only if it differs much from what was said: within a site it is a millisecond or two, never quite the same,
 * and no plan depends on it.
 */
import type { Attached, NodeId } from '@causeway/protocol'

/** By how much a cost has to differ from what was said: at least so many ms, and this share of it. */
const MOVED_MS = 5
const MOVED_RATIO = 0.5

export class Attachments {
  #said: { readonly hubs: string; readonly nodes: readonly Attached[] } | undefined

  /** Somebody may not know what was said, or only what was said before. */
  forget(): void {
    this.#said = undefined
  }

  /** True if that is to be told to `hubs` now; then it counts as said. */
  isNews(hubs: readonly NodeId[], nodes: readonly Attached[]): boolean {
    const others = hubs.toSorted((a, b) => a - b).join()
    const said = this.#said
    if (said && said.hubs === others && isSame(said.nodes, nodes)) return false
    this.#said = { hubs: others, nodes }
    return nodes.length > 0 || said?.nodes.length !== 0
  }
}

function isSame(said: readonly Attached[], nodes: readonly Attached[]): boolean {
  if (said.length !== nodes.length) return false
  const before = new Map(said.map((node) => [node.id, node]))
  return nodes.every(({ id, name, costMs }) => {
    const known = before.get(id)
    return known?.name === name && Math.abs(costMs - known.costMs) <= Math.max(MOVED_MS, MOVED_RATIO * known.costMs)
  })
}
