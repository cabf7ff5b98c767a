/**
 * Control messages: what two ends of a link say to each other on the `control` lane.
 *
 * The first byte tells the kind: 0 a msgpack record (one of the schemas below, told apart by `type`), 1 a probe,
 * 2 a reply (see `probe-packet.ts`). Unknown fields are dropped by the schemas; a record of unknown type decodes
 * to `undefined`, which the link counts and skips, so that a newer peer may say more than we understand.
 */
import { z } from 'zod'
import {
  type Advert,
  type AdvertVersion,
  type Attached,
  advertSchema,
  advertVersionSchema,
  attachedSchema,
  nameSchema,
  nodeIdSchema,
  packAdvert,
  packAttached,
} from './advert.ts'
import { decodeRecord, encodeRecord } from './codec.ts'
import { type SignedCredential, signedCredentialSchema } from './credential.ts'
import type { DatagramKey, StreamKey } from './driver.ts'
import { LIMITS } from './limits.ts'
import type { NodeId } from './node-id.ts'
import { SITE_NODES_MAX, type Testimony, packTestimony, testimoniesSchema } from './testimony.ts'
import { KIND_PROBE, KIND_REPLY, type Probe, type ProbeReply, decodeProbePacket, encodeProbePacket } from './probe-packet.ts'

/** Raised when a change cannot be read by older peers; both ends refuse a version they do not speak. */
export const PROTOCOL_VERSION = 1

/** First message each way: who I am, and how to send me datagrams. */
export interface Hello {
  readonly type: 'hello'
  readonly version: number
  readonly credential: SignedCredential
  /** Changes with every start of the process: what a peer remembers of an earlier one is void. */
  readonly incarnation: number
  /** This end, and all of its site, can reach no hub otherwise: do not hold the link back. */
  readonly alone: boolean
  /** Where and under which key this end takes datagrams for this connection; `null` where it takes none. */
  readonly datagram: DatagramKey | null
  /** The same of the `stream` lane. */
  readonly stream: StreamKey | null
  /** Where this node may be dialled; from a given place perhaps only at some of them, and perhaps at others as well. */
  readonly addresses: readonly string[]
  /** A hub of a lower tier: it exchanges state with a hub above it, and with no other. @default false */
  readonly hasParents?: true | undefined
}

/** Last message before a deliberate close. */
export interface Bye {
  readonly type: 'bye'
  readonly reason: string
  /** The process stops: that it is silent from now on is no fault. @default false */
  readonly stops?: true | undefined
}

/** Link state, flooded among hubs. */
export interface LinkStateMessage {
  readonly type: 'linkState'
  readonly adverts: readonly Advert[]
}

/** What link state a hub holds: the receiver sends what is missing, and answers with its own digest if it lacks something itself. */
export interface LinkStateDigest {
  readonly type: 'linkStateDigest'
  readonly known: readonly AdvertVersion[]
  /** An answer is not answered again. */
  readonly answer: boolean
}

/** Said by an edge node to its hubs whenever it changes: which nodes of its site reach no hub but through it. */
export interface AttachedMessage {
  readonly type: 'attached'
  readonly nodes: readonly Attached[]
}

/** Said by a hub to all its neighbours: it wants to be left, or is there again. */
export interface DrainMessage {
  readonly type: 'drain'
  readonly draining: boolean
}

/** Asks a hub, or the gateway, for the paths to a node, now and whenever they change, until cancelled. */
export interface PlanRequest {
  readonly type: 'planRequest'
  readonly to: NodeId
}

export interface PlanCancel {
  readonly type: 'planCancel'
  readonly to: NodeId
}

export interface PlannedPath {
  /** Nodes after the one that asked; the last is the destination. */
  readonly route: readonly NodeId[]
  readonly costMs: number
  /** A link on it loses more than it should. */
  readonly impaired: boolean
}

/** The ordered set of paths to `to`, best first; sent again whenever it changes while it is wanted. */
export interface PlanMessage {
  readonly type: 'plan'
  readonly to: NodeId
  readonly paths: readonly PlannedPath[]
  /** Names of the nodes on the paths, for people. */
  readonly names: readonly NodeName[]
}

export interface NodeName {
  readonly id: NodeId
  readonly name: string
}

/** Sent when a link comes up again over the same connection: what the sender had been told over it before is forgotten. */
export interface ReturnedMessage {
  readonly type: 'returned'
}

/** Said among nodes of one site whenever it changes: whom this node can reach. Elects the gateway, and is what tells a bad link from a dead node. */
export interface SiteMessage {
  readonly type: 'site'
  readonly hubs: readonly NodeId[]
  /** Nodes of the site that it has live links with. */
  readonly hears: readonly NodeId[]
  /** The highest term of a gateway that it knows of. */
  readonly term: number
}

/** Said by a node with uplinks to its hubs whenever it changes, and flooded among hubs. */
export interface TestimonyMessage {
  readonly type: 'testimony'
  readonly testimonies: readonly Testimony[]
}

export type ControlRecord =
  | Hello
  | Bye
  | LinkStateMessage
  | LinkStateDigest
  | AttachedMessage
  | DrainMessage
  | PlanRequest
  | PlanCancel
  | PlanMessage
  | ReturnedMessage
  | SiteMessage
  | TestimonyMessage

/** Hubs of which a digest speaks. */
export const DIGEST_MAX = 1024

const name = nameSchema
const id = nodeIdSchema
/** A key of another length would make the cipher throw where it is used. */
const secret = z.instanceof(Uint8Array).refine((key) => key.length === 32)
const token = z.instanceof(Uint8Array).refine((bytes) => bytes.length === 16)
/** A DNS name and a port. */
export const ADDRESS_CHARACTERS_MAX = 260
export const ADDRESSES_MAX = 16
const path = z.object({ route: z.array(id).min(1).max(LIMITS.routeHopsMax), costMs: z.number().min(0), impaired: z.boolean() })
const recordSchema: z.ZodType<ControlRecord> = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('hello'),
    version: z.number().int(),
    credential: signedCredentialSchema,
    incarnation: z.number().int(),
    alone: z.boolean(),
    datagram: z.object({ index: z.number().int().min(0).max(0xffff_ffff), key: secret }).nullable(),
    stream: z.object({ port: z.number().int().min(0).max(65_535), token, key: secret }).nullable(),
    addresses: z.array(z.string().min(1).max(ADDRESS_CHARACTERS_MAX)).max(ADDRESSES_MAX),
    hasParents: z.literal(true).optional(),
  }),
  z.object({ type: z.literal('bye'), reason: z.string().max(300), stops: z.literal(true).optional() }),
  z.object({ type: z.literal('linkState'), adverts: z.array(advertSchema).max(256) }),
  z.object({ type: z.literal('linkStateDigest'), known: z.array(advertVersionSchema).max(DIGEST_MAX), answer: z.boolean() }),
  z.object({ type: z.literal('attached'), nodes: attachedSchema }),
  z.object({ type: z.literal('drain'), draining: z.boolean() }),
  z.object({ type: z.literal('returned') }),
  z.object({
    type: z.literal('site'),
    hubs: z.array(id).max(64),
    hears: z.array(id).max(SITE_NODES_MAX),
    term: z
      .number()
      .int()
      .min(0)
      .max(2 ** 48),
  }),
  z.object({ type: z.literal('testimony'), testimonies: testimoniesSchema }),
  z.object({ type: z.literal('planRequest'), to: id }),
  z.object({ type: z.literal('planCancel'), to: id }),
  z.object({
    type: z.literal('plan'),
    to: id,
    paths: z.array(path).max(8),
    names: z.array(z.object({ id, name })).max(64),
  }),
])

export type ControlMessage = ControlRecord | Probe | ProbeReply

export function encodeControl(message: ControlMessage): Uint8Array {
  if (message.type === 'probe' || message.type === 'reply') return encodeProbePacket(message)
  const record = encodeRecord(packed(message))
  const out = new Uint8Array(1 + record.length)
  out.set(record, 1)
  return out
}

/** The message, or `undefined` for what this version does not understand. Never throws. */
export function decodeControl(message: Uint8Array): ControlMessage | undefined {
  const kind = message[0]
  if (kind === KIND_PROBE || kind === KIND_REPLY) return decodeProbePacket(message)
  if (kind !== 0) return undefined
  return recordSchema.safeParse(decodeRecord(message.subarray(1))).data
}

function packed(message: ControlRecord): unknown {
  if (message.type === 'linkState') return { ...message, adverts: message.adverts.map(packAdvert) }
  if (message.type === 'testimony') return { ...message, testimonies: message.testimonies.map(packTestimony) }
  return message.type === 'attached' ? { ...message, nodes: packAttached(message.nodes) } : message
}
