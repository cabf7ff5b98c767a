/**
 * Link state on the wire: what one hub says of itself and of its links. A hub with thousands of uplinks says it in one
 * message, so a link is a list without names, its costs in tenths of a millisecond:
 *
 *     [to, name, site, is a hub, cost, cost back, impaired, domains, [[id, name, cost] of those behind]]
 *
 * about 35 bytes. A later version appends; what we do not know is skipped.
 */
import { z } from 'zod'
import type { Role } from './credential.ts'
import { type NodeId, asNodeId } from './node-id.ts'

/** Members of a site behind one gateway. */
export const ATTACHED_MAX = 64
const LINKS_MAX = 4096
/** Of an id, and of a cost in tenths. */
const WHOLE_MAX = 0xffff_ffff
const NAME_CHARACTERS_MAX = 63
const DOMAINS_MAX = 4
const DOMAIN_CHARACTERS_MAX = 80

/** A node that stands behind another: a member of a site that reaches hubs through its gateway only. */
export interface Attached {
  readonly id: NodeId
  readonly name: string
  /** Cost from the gateway to it, milliseconds; over a LAN the way back is taken to cost the same. */
  readonly costMs: number
}

export interface AdvertisedLink {
  readonly to: NodeId
  readonly name: string
  readonly site: string
  readonly role: Role
  /** Cost towards `to`, milliseconds. */
  readonly costMs: number
  /** Cost from `to` to the origin, milliseconds. */
  readonly costBackMs: number
  /** The link loses more than it should, either way: it works, but whoever can should leave it. */
  readonly impaired: boolean
  /** What `to` shares its fate with; see `failureDomains`. */
  readonly domains: readonly string[]
  /** The nodes of its site that are reached through `to`. */
  readonly behind: readonly Attached[]
}

/** What one hub says of itself and its links. The highest (incarnation, sequence) of an origin is the valid one. */
export interface Advert {
  readonly origin: NodeId
  readonly name: string
  readonly incarnation: number
  readonly sequence: number
  /** How old it was when it was sent on, milliseconds: what nobody repeats is forgotten everywhere. */
  readonly ageMs: number
  /** Wants to be left: nobody should plan through it who has another way. */
  readonly draining: boolean
  readonly domains: readonly string[]
  readonly links: readonly AdvertisedLink[]
}

/** Which advert of an origin a hub holds. */
export interface AdvertVersion {
  readonly origin: NodeId
  readonly incarnation: number
  readonly sequence: number
}

export const nodeIdSchema: z.ZodType<NodeId> = z
  .number()
  .int()
  .min(0)
  .max(WHOLE_MAX)
  .transform((value): NodeId => asNodeId(value))
export const nameSchema: z.ZodType<string> = z.string().max(NAME_CHARACTERS_MAX)
const domains = z.array(z.string().max(DOMAIN_CHARACTERS_MAX)).max(DOMAINS_MAX)
/** A hub reads thousands of links a second, most of them twice: by hand that costs a tenth of what a schema of tuples does. */
export const attachedSchema: z.ZodType<Attached[]> = z
  .unknown()
  .transform((value, context) => readAll(value, ATTACHED_MAX, readAttached, context))
const links: z.ZodType<AdvertisedLink[]> = z.unknown().transform((value, context) => readAll(value, LINKS_MAX, readLink, context))

type Read<Item> = (value: readonly unknown[]) => Item | undefined

function readAll<Item>(value: unknown, countMax: number, read: Read<Item>, context: z.core.$RefinementCtx): Item[] {
  const items = listOf(value, countMax, read)
  if (items) return items
  context.addIssue('not a list of what it must hold')
  return z.NEVER
}

/** `undefined` if any of it is not as it must be. */
function listOf<Item>(value: unknown, countMax: number, read: Read<Item>): Item[] | undefined {
  if (!Array.isArray(value) || value.length > countMax) return undefined
  const items: Item[] = []
  for (const each of value as readonly unknown[]) {
    const item = Array.isArray(each) ? read(each) : undefined
    if (item === undefined) return undefined
    items.push(item)
  }
  return items
}

function readAttached([id, name, cost]: readonly unknown[]): Attached | undefined {
  if (!isWhole(id) || !isName(name) || !isWhole(cost)) return undefined
  return { id: asNodeId(id), name, costMs: cost / 10 }
}

function readLink(value: readonly unknown[]): AdvertisedLink | undefined {
  const [to, name, site, isHub, cost, costBack, impaired, domainsOf, behindIt] = value
  const behind = listOf(behindIt, ATTACHED_MAX, readAttached)
  if (!isWhole(to) || !isName(name) || !isName(site) || typeof isHub !== 'boolean' || !behind) return undefined
  if (!isWhole(cost) || !isWhole(costBack) || typeof impaired !== 'boolean' || !areDomains(domainsOf)) return undefined
  const role: Role = isHub ? 'hub' : 'edge'
  return { to: asNodeId(to), name, site, role, costMs: cost / 10, costBackMs: costBack / 10, impaired, domains: domainsOf, behind }
}

/** An id, or a cost. */
function isWhole(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= WHOLE_MAX
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= NAME_CHARACTERS_MAX
}

function areDomains(value: unknown): value is string[] {
  return (
    Array.isArray(value) &&
    value.length <= DOMAINS_MAX &&
    value.every((each) => typeof each === 'string' && each.length <= DOMAIN_CHARACTERS_MAX)
  )
}

const version: z.ZodType<AdvertVersion> = z.object({
  origin: nodeIdSchema,
  incarnation: z.number().int(),
  sequence: z
    .number()
    .int()
    .min(0)
    .max(2 ** 48),
})
export const advertVersionSchema: z.ZodType<AdvertVersion> = version

export const advertSchema: z.ZodType<Advert> = z.intersection(
  version,
  z.object({
    name: nameSchema,
    ageMs: z.number().min(0),
    draining: z.boolean(),
    domains,
    links,
  }),
)

/** As it is written; `advertSchema` reads it. */
export function packAdvert(advert: Advert): unknown {
  return { ...advert, links: advert.links.map(packLink) }
}

export function packAttached(nodes: readonly Attached[]): unknown {
  return nodes.map(({ id, name, costMs }) => [id, name, packCost(costMs)])
}

function packLink({ to, name, site, role, costMs, costBackMs, impaired, domains, behind }: AdvertisedLink): unknown {
  return [to, name, site, role === 'hub', packCost(costMs), packCost(costBackMs), impaired, domains, packAttached(behind)]
}

function packCost(costMs: number): number {
  return Math.min(WHOLE_MAX, Math.round(costMs * 10))
}
