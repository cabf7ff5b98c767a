/**
 * Who offers what: a record for each service of each node, in collection `services`, partition the node's site, written by
 * the node itself. So a site knows its own also while it is cut off, hubs know all, and people can look with `kv list`.
 *
 *     services/SITE, key PROTOCOL.SERVICE.NODE, value {protocol, service, node}, labels {protocol, service}
 */
import { z } from 'zod'
import { type Credential, NAME_PATTERN, type RecordView } from '@causeway/protocol'
import type { WriteChange } from '@causeway/state'
import { SERVICE_PATTERN, type ServiceProtocol } from './destination.ts'

export interface Offer {
  readonly protocol: ServiceProtocol
  readonly service: string
  readonly node: string
}

export const OFFERS_COLLECTION = 'services'

export const offerSchema: z.ZodType<Offer> = z.object({
  protocol: z.enum(['tcp', 'udp']),
  service: z.string().regex(SERVICE_PATTERN),
  node: z.string().regex(NAME_PATTERN),
})

export interface OfferRecords {
  list(collection: string, partition: string): readonly RecordView[]
}

/** What the nodes of a site say of themselves; what one says of another does not count. */
export function offersIn(records: OfferRecords, site: string): Offer[] {
  return records.list(OFFERS_COLLECTION, site).flatMap(({ value, writer, key }) => {
    const offer = offerSchema.safeParse(value).data
    return offer && offer.node === writer && keyOf(offer) === key ? [offer] : []
  })
}

/** The same at this node; `undefined` if it need not hold the records of that site. */
export function heldOffers(records: OfferRecords, own: Pick<Credential, 'site' | 'role'>, site: string): Offer[] | undefined {
  const offers = offersIn(records, site)
  return offers.length > 0 || own.role === 'hub' || own.site === site ? offers : undefined
}

/** What this node has to write so that its records say just what it offers. */
export function offerChanges(records: OfferRecords, site: string, node: string, wanted: readonly Offer[]): WriteChange[] {
  const present = new Set(offersIn(records, site).flatMap((offer) => (offer.node === node ? [keyOf(offer)] : [])))
  const wantedKeys = new Set(wanted.map(keyOf))
  const additions = wanted.filter((offer) => !present.has(keyOf(offer))).map(addition)
  const removals = [...present].filter((key) => !wantedKeys.has(key))
  return [...additions, ...removals.map((key): WriteChange => ({ key, operation: { type: 'delete' } }))]
}

function addition(offer: Offer): WriteChange {
  const { protocol, service } = offer
  return { key: keyOf(offer), operation: { type: 'put', value: offer, labels: { protocol, service } } }
}

function keyOf({ protocol, service, node }: Offer): string {
  return `${protocol}.${service}.${node}`
}
