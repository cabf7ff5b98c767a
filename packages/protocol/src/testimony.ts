/**
 * Testimony: what one witness has seen of the nodes of one site. A node with uplinks speaks for its LAN, a hub of the
 * links that ended at it. Hubs flood it among themselves, and each comes to the same verdicts. On the wire a sighting is
 * a list without names, about 15 bytes for short ones:
 *
 *     [node, state, how, since]            state 0 alive, 1 suspect, 2 lost; how 0 –, 1 reset, 2 silent, 3 stopped
 */
import { z } from 'zod'
import { nameSchema } from './advert.ts'

/** Nodes of one site. */
export const SITE_NODES_MAX = 64
const TESTIMONIES_MAX = 64
const STATES = ['alive', 'suspect', 'lost'] as const
const ENDINGS = ['reset', 'silent', 'stopped'] as const

/** `suspect`: silent to the witness for moments only. `lost`: nobody it hears in the site has heard the node for a while. */
export type SightingState = (typeof STATES)[number]
/** Its connections were reset, as when a process dies; nothing came any more; it had said that it would stop. */
export type Ending = (typeof ENDINGS)[number]

export interface Sighting {
  readonly node: string
  readonly state: SightingState
  /** `null` while it is alive. */
  readonly how: Ending | null
  /** How long it had been so when the witness spoke, milliseconds. */
  readonly forMs: number
}

export interface Testimony {
  readonly witness: string
  /** The highest (incarnation, sequence) of a witness on a site is what it says now. */
  readonly incarnation: number
  readonly sequence: number
  readonly site: string
  readonly region: string
  /** Speaks of the LAN of its site, being a node of it; else of links that ended at a hub, which says nothing of nodes. */
  readonly lan: boolean
  /** The witness is the gateway of its part of the site; of two the one with the higher term came later. */
  readonly gateway: boolean
  readonly term: number
  /** How old it was when it was sent on, milliseconds. */
  readonly ageMs: number
  readonly seen: readonly Sighting[]
}

const milliseconds = z
  .number()
  .min(0)
  .max(2 ** 48)
const counter = z
  .number()
  .int()
  .min(0)
  .max(2 ** 48)

const sighting = z
  .tuple([nameSchema, z.number().int().min(0).max(2), z.number().int().min(0).max(3), milliseconds], z.unknown())
  .transform(([node, state, how, forMs]): Sighting => ({ node, state: STATES[state] ?? 'suspect', how: ENDINGS[how - 1] ?? null, forMs }))

export const testimoniesSchema: z.ZodType<Testimony[]> = z
  .array(
    z.object({
      witness: nameSchema,
      incarnation: z.number().int(),
      sequence: counter,
      site: nameSchema,
      region: nameSchema,
      lan: z.boolean(),
      gateway: z.boolean(),
      term: counter,
      ageMs: milliseconds,
      seen: z.array(sighting).max(SITE_NODES_MAX),
    }),
  )
  .max(TESTIMONIES_MAX)

/** As it is written; `testimoniesSchema` reads it. */
export function packTestimony(testimony: Testimony): unknown {
  const seen = testimony.seen.map(({ node, state, how, forMs }) => [
    node,
    STATES.indexOf(state),
    how === null ? 0 : 1 + ENDINGS.indexOf(how),
    Math.round(forMs),
  ])
  return { ...testimony, ageMs: Math.round(testimony.ageMs), seen }
}
