/** Services and forwards on a running node: what `Forwarding` needs of it, taken from its runtime. */
import { setTimeout as pause } from 'node:timers/promises'
import { type Credential, type Limits, WAKE } from '@causeway/protocol'
import type { WriteChange } from '@causeway/state'
import type { Inquiries } from '../inquiries.ts'
import type { NodeRuntime } from '../node-runtime.ts'
import { Forwarding } from './forwarding.ts'
import { OFFERS_COLLECTION, heldOffers } from './offers.ts'
import type { ForwardingSettings } from './settings.ts'

/** How long to wait for another node to have heard what this one offers; it will anyway, unless this one stops. */
const SPREAD_MS = 500

export interface NodeForwardingParts {
  readonly runtime: NodeRuntime
  readonly credential: Credential
  readonly inquiries: Inquiries
  readonly limits: Limits
}

/** Throws `port-in-use` or `config-invalid`. */
export function startForwarding(settings: ForwardingSettings, parts: NodeForwardingParts): Promise<Forwarding> {
  const { runtime, credential, inquiries, limits } = parts
  const { machine } = runtime
  const { name: self, site } = credential
  return Forwarding.start(settings, {
    self,
    site,
    limits,
    programs: runtime.programs,
    records: machine.replica,
    credentialOf: (node) => (node === self ? credential : machine.credentialOf(node)),
    offersHere: (at) => heldOffers(machine.replica, credential, at),
    askOffers: (at) => inquiries.offersAt(at),
    costTo: (node) => {
      const { paths } = machine.paths(runtime.now(), node)
      // Asking may have made the node look for a path: let it send what it has to.
      runtime.input(WAKE)
      const costs = paths.flatMap(({ costMs, state }) => (costMs === null || state === 'down' ? [] : [costMs]))
      return costs.length === 0 ? null : Math.min(...costs)
    },
    writeOffers: (changes) => writeOffers(runtime, site, changes),
    report: (name, data) => runtime.report({ type: 'event', name, data }),
  })
}

async function writeOffers(runtime: NodeRuntime, partition: string, changes: readonly WriteChange[]): Promise<void> {
  const write = runtime.write({ collection: OFFERS_COLLECTION, partition, changes, durability: 'site' })
  // A fault that comes later has nobody to tell it to, but must not be unhandled.
  write.catch(() => undefined)
  const written = await Promise.race([write, pause(SPREAD_MS, undefined, { ref: false })])
  if (written?.result.ok === false) throw new Error(written.result.message)
}
