/**
 * What the local API answers, as schemas for the document. Each is held against the type that the node really answers with, so
 * a field that is renamed there does not compile here.
 */
import { z } from 'zod'
import type {
  ChannelView,
  DocumentsView,
  EventView,
  LinkView,
  NodesView,
  PathsView,
  PingReply,
  PlanExplanation,
  Problem,
  SitesView,
  StatusView,
  TraceView,
  WhyView,
} from '@causeway/protocol'

/** Names of schemas in the document. */
export const registry: z.core.$ZodRegistry<{ id?: string | undefined }> = z.registry<{ id?: string }>()

export function named<Schema extends z.ZodType>(id: string, schema: Schema): Schema {
  registry.add(schema, { id })
  return schema
}

/** `null`: not measured, or not known. */
export const figure: z.ZodType<number | null> = z.number().nullable()
export const whole: z.ZodType<number> = z.int()
/** Wall clock. */
export const instantMs: z.ZodType<number> = z.number().meta({ description: 'milliseconds since 1970' })
const ratio = z.number().min(0).max(1).nullable()
export const names: z.ZodType<string[]> = z.array(z.string())
const linkState = z.enum(['probing', 'up', 'degraded', 'down'])
const pathState = z.enum(['up', 'suspect', 'down'])
const role = z.enum(['edge', 'hub'])
const frameClass = z.enum(['ordered', 'latest', 'twin'])
const verdict = z.enum(['alive', 'suspect', 'crashed', 'cut-off', 'unknown'])
const bothWays = z.object({ forward: figure, backward: figure })

export const problem: z.ZodType<Problem> = named(
  'Problem',
  z
    .object({
      type: z.string(),
      title: z.string(),
      status: z.int().min(400).max(599),
      detail: z.string(),
      remedy: z.string().meta({ description: 'what to do about it' }),
      code: z.string().meta({ description: 'to branch on: usage, not-found, conflict, gone, refused, unreachable, timeout, …' }),
    })
    .meta({ description: 'RFC 9457' }),
)

export const status: z.ZodType<StatusView> = named(
  'Status',
  z.object({
    node: z.string(),
    network: z.string(),
    site: z.string(),
    region: z.string(),
    role,
    version: z.string(),
    uptimeSeconds: z.number(),
    credentialEndsAt: instantMs.meta({ description: 'nobody takes the node from then on: renew it before' }),
    gateway: z.string().nullable(),
    cutOff: z.boolean().meta({ description: 'no hub can be reached from here' }),
    uplinks: z.array(
      z.object({ hub: z.string(), state: linkState, rttMs: figure, lossRatio: ratio, home: z.boolean(), draining: z.boolean() }),
    ),
    unreached: z.array(z.object({ address: z.string(), reason: z.string() })).meta({ description: 'of the config' }),
    links: whole,
    channels: whole,
    relay: z.object({ draining: z.boolean(), frames: whole, framesPerSecond: figure }).nullable(),
    replica: z.object({ documents: whole, records: whole, pending: whole, lagMs: z.number(), sessions: names }),
    storeFault: z.string().optional().meta({ description: 'why the store takes no writes for now, such as a full disk' }),
  }),
)

export const links: z.ZodType<LinkView[]> = z.array(
  named(
    'Link',
    z.object({
      from: z.string(),
      to: z.string(),
      state: linkState,
      rttMs: z.object({ last: figure, smoothed: figure, min: figure, p50: figure, p95: figure, p99: figure }),
      jitterMs: figure,
      lossRatio: bothWays.meta({ description: 'over the last 60 s; forward is from this node to the peer' }),
      queueMs: bothWays,
      oneWayMs: bothWays.extend({ uncertainty: figure }),
      costMs: figure,
      epoch: whole,
      evidence: z.enum(['udp', 'control', 'both', 'none']),
      bytesIn: whole,
      bytesOut: whole,
      since: instantMs,
      reason: z.string(),
    }),
  ),
)

export const channels: z.ZodType<ChannelView[]> = z.array(
  named(
    'Channel',
    z.object({
      peer: z.string(),
      service: z.string(),
      class: frameClass,
      path: names,
      bytesIn: whole,
      bytesOut: whole,
      resent: whole,
      dropped: whole,
      unacknowledgedBytes: whole,
    }),
  ),
)

export const documents: z.ZodType<DocumentsView> = z.object({
  items: z.array(
    named(
      'Document',
      z.object({
        collection: z.string(),
        partition: z.string(),
        writer: z.string(),
        logs: z.array(z.object({ epoch: whole, seq: whole })),
        contentHash: z.string(),
      }),
    ),
  ),
  token: z.string(),
})

const path = z.object({
  hops: names.meta({ description: 'nodes after this one; the last is the destination' }),
  costMs: figure,
  state: pathState,
  active: z.boolean(),
})
export const paths: z.ZodType<PathsView> = named('Paths', z.object({ to: z.string(), paths: z.array(path) }))

const explanation = {
  from: z.string(),
  to: z.string(),
  hub: z.string().meta({ description: 'who answers, from its link state' }),
  candidates: z.array(
    z.object({
      hops: names,
      costMs: z.number(),
      steps: z.array(z.object({ from: z.string(), to: z.string(), costMs: figure })),
      planned: z.boolean(),
      reason: z.string(),
    }),
  ),
  excluded: z.array(z.object({ hub: z.string(), reason: z.string() })),
} satisfies { readonly [Key in keyof PlanExplanation]: z.ZodType<PlanExplanation[Key]> }
export const why: z.ZodType<WhyView> = named(
  'Why',
  z.object({ ...explanation, use: z.object({ to: z.string(), paths: z.array(path), reason: z.string() }).nullable() }),
)

export const trace: z.ZodType<TraceView> = named(
  'Trace',
  z.object({
    to: z.string(),
    hops: z.array(
      z.object({
        from: z.string(),
        to: z.string(),
        state: linkState,
        oneWayMs: bothWays,
        uncertaintyMs: figure,
        rttMs: z.object({ last: figure, p50: figure, p95: figure }),
        lossRatio: bothWays,
        costMs: figure,
      }),
    ),
    rttMs: figure,
    unknown: z.array(z.object({ from: z.string(), to: z.string(), reason: z.string() })),
  }),
)

const witness = z.object({ by: z.string(), saw: z.string(), at: instantMs })
export const nodes: z.ZodType<NodesView> = z.object({
  items: z.array(
    named(
      'Node',
      z.object({
        node: z.string(),
        site: z.string(),
        region: z.string(),
        role,
        verdict,
        since: instantMs.nullable(),
        evidence: z.array(z.union([z.enum(['self', 'link', 'vitals']), witness])),
        vitals: z.record(z.string(), z.number()).nullable(),
        vitalsAgeMs: figure,
        gatewayTerm: whole.exactOptional(),
      }),
    ),
  ),
  token: z.string(),
})

export const sites: z.ZodType<SitesView> = z.object({
  items: z.array(
    named(
      'Site',
      z.object({
        site: z.string(),
        region: z.string(),
        verdict,
        since: instantMs.nullable(),
        nodes: z.object({ total: whole, alive: whole }),
        gateways: names.exactOptional(),
        vitals: z.record(z.string(), z.object({ mean: z.number(), max: z.number(), sum: z.number() })).nullable(),
      }),
    ),
  ),
  token: z.string(),
})

export const event: z.ZodType<EventView> = named(
  'Event',
  z.object({ at: instantMs, name: z.string(), data: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])) }),
)

export const pingReply: z.ZodType<PingReply> = named(
  'PingReply',
  z.object({
    sequence: whole,
    rttMs: z.number(),
    path: names,
    remoteMs: z.number(),
    remoteCount: whole,
    sentAt: instantMs,
    remoteAt: instantMs.nullable(),
    arrivedAt: instantMs,
  }),
)
