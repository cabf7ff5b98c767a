/**
 * A strict write as it travels: of two that were made from the same revision, wherever in the network, one is granted. It has the
 * form of any other write, and is made by whoever decides, in the name of the hub, for a node that may write there itself.
 */
import { z } from 'zod'
import { LIMITS } from './limits.ts'

type Labels<Text> = Readonly<Record<string, Text>>

export type StrictOperation =
  | { readonly type: 'put' | 'create' | 'update'; readonly value: unknown; readonly labels?: Labels<string>; readonly ttlMs?: number }
  | { readonly type: 'patch'; readonly value: Readonly<Record<string, unknown>>; readonly labels?: Labels<string | null> }
  | { readonly type: 'delete' }

export interface StrictWrite {
  readonly collection: string
  readonly partition: string
  readonly changes: readonly { readonly key: string; readonly operation: StrictOperation; readonly revision?: string }[]
}

export type StrictOutcome =
  | {
      readonly ok: true
      readonly partition: string
      /** In the order of the changes. */
      readonly items: readonly { readonly key: string; readonly revision: string }[]
      readonly token: string
    }
  | {
      readonly ok: false
      /** `unreachable`: whoever grants a strict write was not reached, or does not answer. */
      readonly code: 'conflict' | 'not-found' | 'refused' | 'unreachable'
      readonly message: string
      readonly remedy: string
    }

const CHANGES_MAX = 1_000
const name = z.string().min(1).max(512)
const operation = z.discriminatedUnion('type', [
  z.object({
    type: z.enum(['put', 'create', 'update']),
    value: z.unknown(),
    labels: z.record(z.string(), z.string()).optional(),
    ttlMs: z.number().optional(),
  }),
  z.object({
    type: z.literal('patch'),
    value: z.record(z.string(), z.unknown()),
    labels: z.record(z.string(), z.string().nullable()).optional(),
  }),
  z.object({ type: z.literal('delete') }),
])

/** What is in the changes is judged by whoever makes the write, as with any other. */
export const strictWriteSchema: z.ZodType<StrictWrite> = z.object({
  collection: name,
  partition: name,
  changes: z
    .array(z.object({ key: name, operation, revision: z.string().max(512).optional() }))
    .min(1)
    .max(CHANGES_MAX),
}) as unknown as z.ZodType<StrictWrite>

const text = z.string().max(4_000)

export const strictOutcomeSchema: z.ZodType<StrictOutcome> = z.discriminatedUnion('ok', [
  z.object({
    ok: z.literal(true),
    partition: name,
    items: z.array(z.object({ key: name, revision: z.string().max(512) })).max(CHANGES_MAX),
    token: z.string().max(LIMITS.recordBytesMax),
  }),
  z.object({ ok: z.literal(false), code: z.enum(['conflict', 'not-found', 'refused', 'unreachable']), message: text, remedy: text }),
])
