/** Forwards and services of the node beside us: ports of this machine that lead to services elsewhere, and what is offered where. */
import type { EventView, ForwardRequest, ForwardView, OfferView, ServiceView } from '@causeway/protocol'
import type { Transport } from './transport.ts'

export interface Forwards {
  list(): Promise<readonly ForwardView[]>
  /** Stays until it is removed, or the node stops. */
  open(request: ForwardRequest): Promise<ForwardView>
  /** The same for as long as the iteration lasts: first the forward, then an event for each connection that cannot be made. */
  follow(
    request: ForwardRequest,
    options?: { readonly signal?: AbortSignal | undefined },
  ): AsyncGenerator<ForwardView | EventView, void, undefined>
  remove(id: string): Promise<void>
  /** What this node offers to the network. */
  services(): Promise<readonly ServiceView[]>
  /** What the nodes of a site offer. */
  offersAt(site: string): Promise<readonly OfferView[]>
}

interface Items<Item> {
  readonly items: readonly Item[]
}

export function openForwards(transport: Transport): Forwards {
  const items = async <Item>(...path: string[]): Promise<readonly Item[]> =>
    (await transport.json<Items<Item>>({ method: 'GET', path })).items
  return {
    list: () => items('forwards'),
    open: (body) => transport.json({ method: 'POST', path: ['forwards'], body }),
    follow: (body, { signal } = {}) => transport.lines({ method: 'POST', path: ['forwards'], query: { follow: true }, body, signal }),
    remove: (id) => transport.json({ method: 'DELETE', path: ['forwards', id] }),
    services: () => items('services'),
    offersAt: (site) => items('services', site),
  }
}
