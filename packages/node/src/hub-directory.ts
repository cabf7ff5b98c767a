/**
 * Where the hubs of the network are: each writes the addresses at which it can be dialled into a record of its own, collection
 * `hubs`, partition its site, key its name. So one hub in the config of a node is enough to find the others, and its disk
 * remembers them.
 *
 *  1. A record counts only if the node that it speaks of wrote it, and the authority has signed that this is a hub. What a
 *     retired hub has left counts no more.
 *  2. Whoever has no hub in its config looks for none: it has no way out, or is to be found by others.
 *  3. A region that has hubs of a lower tier keeps to them; hubs of the core hold those of the core; those of a lower tier the
 *     ones that their config names.
 *  4. Hubs of the own region come first; for the rest each node has an order of its own, so that all hubs have their share.
 */
import { type Credential, type Instant, after, nodeId } from '@causeway/protocol'
import type { Dialer } from '@causeway/mesh'
import type { Replica, WriteInput } from '@causeway/state'
import type { NodeConfig } from './contract.ts'
import { addressesIn } from './site-members.ts'

export const HUBS = 'hubs'
/** Addresses in the config are tried first: they may be of the same hubs. */
const DIAL_FIRST_MS = 3_000
/** Two hubs that learn of each other need one link: the one with the higher id waits for the other. */
const DIAL_SECOND_MS = 6_000

export interface HubDirectoryParts {
  readonly self: Pick<Credential, 'name' | 'site' | 'region' | 'role'>
  readonly config: Pick<NodeConfig, 'hubs' | 'parents' | 'announce' | 'nearby'>
  readonly dialer: Pick<Dialer, 'learnHubs'>
  readonly replica: Pick<Replica, 'get' | 'list' | 'credentialOf'>
}

interface KnownHub {
  readonly name: string
  readonly region: string
  readonly lower: boolean
  readonly addresses: readonly string[]
}

export class HubDirectory {
  readonly #of: HubDirectoryParts
  readonly #isLower: boolean
  /** Whether what is said of ourselves may differ from what holds. */
  #unsaid = true

  constructor(parts: HubDirectoryParts) {
    this.#of = parts
    this.#isLower = (parts.config.parents ?? []).length > 0
  }

  /** Something was told of hubs, or the disk remembers it. */
  look(now: Instant): void {
    const { self, config, dialer } = this.#of
    this.#unsaid = true
    if (config.hubs.length === 0 || this.#isLower) return
    const known = this.#known()
    const keepsToRegion = self.role === 'edge' && known.some(({ lower, region }) => lower && region === self.region)
    const wanted = known.filter(({ lower, region }) => lower === keepsToRegion && (!keepsToRegion || region === self.region))
    const far = ({ region }: KnownHub): number => Number(region !== self.region)
    const share = ({ name }: KnownHub): number => nodeId(`${self.name}.${name}`)
    wanted.sort((a, b) => far(a) - far(b) || share(a) - share(b))
    const own = nodeId(self.name)
    const hubs = wanted.map(({ name, addresses }) => ({ node: nodeId(name), addresses }))
    dialer.learnHubs((hub) => after(now, self.role === 'edge' || own < hub ? DIAL_FIRST_MS : DIAL_SECOND_MS), hubs)
  }

  /** What a hub has to write of itself, if it is not said already. */
  news(): Omit<WriteInput, 'type' | 'request'>[] {
    const { self, config, replica } = this.#of
    if (!this.#unsaid || self.role !== 'hub') return []
    this.#unsaid = false
    const addresses = config.announce.length > 0 ? config.announce : (config.nearby ?? [])
    const said = replica.get(HUBS, self.site, self.name)?.value
    if (addresses.length === 0 || (addressesIn(said).join() === addresses.join() && isLower(said) === this.#isLower)) return []
    const value = { addresses, ...(this.#isLower && { lower: true }) }
    return [{ collection: HUBS, partition: self.site, changes: [{ key: self.name, operation: { type: 'put', value } }] }]
  }

  #known(): KnownHub[] {
    const { self, replica } = this.#of
    return replica.list(HUBS).flatMap(({ key: name, partition, value, writer }) => {
      const signed = replica.credentialOf(HUBS, partition, writer)
      if (writer !== name || name === self.name || signed?.role !== 'hub' || signed.site !== partition) return []
      return [{ name, region: signed.region, lower: isLower(value), addresses: addressesIn(value) }]
    })
  }
}

function isLower(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'lower' in value && value.lower === true
}
