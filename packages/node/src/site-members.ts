/**
 * Where the nodes of a site find each other: each writes the addresses at which it can be dialled into a record of its
 * own, collection `members`, partition SITE, key its name. So a newcomer learns them from any hub, everybody's disk
 * remembers them, and a site starts without any hub.
 *
 *  1. A record counts only if the node that it speaks of wrote it.
 *  2. A record is written only if it would say something new.
 */
import { ADDRESSES_MAX, ADDRESS_CHARACTERS_MAX, type Instant, NAME_PATTERN, type RecordView, after, nodeId } from '@causeway/protocol'
import type { Dialer } from '@causeway/mesh'
import type { Replica } from '@causeway/state'

export const MEMBERS = 'members'
/** Addresses in the config are tried first: they may be of the same nodes. */
const DIAL_FIRST_MS = 300
/** Two that learn of each other need one link: the one with the higher id waits for the other. */
const DIAL_SECOND_MS = 4_000

export class SiteMembers {
  readonly #self: string
  readonly #site: string
  readonly #dialer: Dialer

  constructor(self: { readonly name: string; readonly site: string }, dialer: Dialer) {
    this.#self = self.name
    this.#site = self.site
    this.#dialer = dialer
  }

  /** What the disk remembers, or a change of it. */
  learn(now: Instant, records: Iterable<RecordView>): void {
    for (const { key, value, writer, partition } of records) {
      if (partition !== this.#site || writer !== key || key === this.#self || !NAME_PATTERN.test(key)) continue
      const [own, node] = [nodeId(this.#self), nodeId(key)]
      this.#dialer.learn(after(now, own < node ? DIAL_FIRST_MS : DIAL_SECOND_MS), node, addressesIn(value))
    }
  }

  /** The value of our own record, `undefined` if it says so already. */
  news(replica: Pick<Replica, 'get'>, addresses: readonly string[]): { readonly addresses: readonly string[] } | undefined {
    const said = addressesIn(replica.get(MEMBERS, this.#site, this.#self)?.value)
    return said.join() === addresses.join() ? undefined : { addresses }
  }
}

/** The addresses in such a record that can be addresses. */
export function addressesIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null || !('addresses' in value) || !Array.isArray(value.addresses)) return []
  const list: unknown[] = value.addresses
  return list.flatMap((each) => (typeof each === 'string' && isAddress(each) ? [each] : [])).slice(0, ADDRESSES_MAX)
}

/** `host:port`, IPv6 in brackets. */
function isAddress(text: string): boolean {
  return text.length <= ADDRESS_CHARACTERS_MAX && /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[1-9]\d{0,4}$/.test(text)
}
