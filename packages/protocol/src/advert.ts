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
const TENTHS_MAX = 0xffff_ffff

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
  .max(0xffff_ffff)
  .transform((value): NodeId => asNodeId(value))
export const nameSchema: z.ZodType<string> = z.string().max(63)
const domains = z.array(z.string().max(80)).max(4)
const tenths = z
  .number()
  .int()
  .min(0)
  .max(TENTHS_MAX)
  .transform((value) => value / 10)

export const attachedSchema: z.ZodType<Attached[]> = z
  .array(z.tuple([nodeIdSchema, nameSchema, tenths], z.unknown()).transform(([id, name, costMs]): Attached => ({ id, name, costMs })))
  .max(ATTACHED_MAX)

const link = z
  .tuple([nodeIdSchema, nameSchema, nameSchema, z.boolean(), tenths, tenths, z.boolean(), domains, attachedSchema], z.unknown())
  .transform(([to, name, site, isHub, costMs, costBackMs, impaired, domains, behind]): AdvertisedLink => {
    const role: Role = isHub ? 'hub' : 'edge'
    return { to, name, site, role, costMs, costBackMs, impaired, domains, behind }
  })

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
    links: z.array(link).max(LINKS_MAX),
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
  return Math.min(TENTHS_MAX, Math.round(costMs * 10))
}
