/**
 * A batch: what a writer did to one document in one go. Encoded and signed once, by the writer; stored and passed on as
 * the very same bytes, so that a relay can neither change nor forge it.
 *
 * A msgpack array:
 *
 *     0  format      2
 *     1  collection  name
 *     2  partition   names joined by `/`
 *     3  writer      node name
 *     4  epoch       52 bits: boot wall clock in seconds (32) and 20 random bits; also the Yjs clientID
 *     5  seq         1, 2, 3, … within (document, epoch)
 *     6  head        seq = 1: [base, parts, credential, signature of the credential, more?]; seq > 1: nil
 *     7  update      Yjs V1 update; nil in a thin batch
 *     8  signature   Ed25519 by the writer's key over "causeway batch" and the digest
 *
 * The digest is SHA-256 over fields 0 to 6, SHA-256 of the update, and the first 16 bytes of the digest of the batch before
 * (none if seq = 1): so every signature covers the whole log up to there, and a batch need not name the one before.
 *
 * `parts` = 0: the log rests on `base` ([epoch, seq, link, …]), earlier logs of the document that the writer held and that no
 * other of them includes; only who holds that much can apply it. `parts` > 0: the log is a fold. Its first `parts` batches repeat
 * everything that is live, and once they are there the logs of all lower epochs are void. To who holds exactly `base` they
 * travel thin: what is live there makes the same updates, and the signature tells whether it did.
 *
 * `more` = [seals, after, whole, since] is there if one of them says something. A fold can be more than what was live in its document:
 * each seal, [writer, epoch, points], names a writer that a hub has retired; what was live of it at these points is part of the
 * fold, and its logs are void, but for those with `since` ≥ epoch: these were begun in the knowledge of the seal. It can be less:
 * `after`, [[writer, points], …], is what the fold rests on where it leaves out what is outdone there; who holds less keeps the
 * logs before it. `whole` = 1: it never travels thin. Later folds repeat the seals, and `after`; all later logs `since`.
 */
import { NAME_PATTERN, type SignedCredential, decodeRecord, encodeRecord, joinBytes } from '@causeway/protocol'
import { isNatural } from './entry.ts'
import { isCollection, isPartition } from './interest.ts'
import type { Signer } from './replica-contract.ts'

const FORMAT = 2
const LINK_BYTES = 16
/** Of a link, in a point: enough to tell two logs of one writer apart. */
const POINT_LINK_BYTES = 8
const SIGNATURE_BYTES = 64
const BASE_POINTS_MAX = 64
const PARTS_MAX = 100_000
/** Retired writers of a partition, and writers that a fold rests on. */
const SEALS_MAX = 4_096
const AFTER_MAX = 4_096
export const EPOCH_MAX: number = 2 ** 52 - 1
const SEQ_MAX = 2 ** 32
const CONTEXT = Uint8Array.from('causeway batch', (letter) => letter.codePointAt(0) ?? 0)
const NOTHING = new Uint8Array(0)

/** Wall clock when the epoch was begun, as its writer knew it. */
export function wallMsOf(epoch: number): number {
  return Math.floor(epoch / 2 ** 20) * 1000
}

/** Names a document: one writer's part of one partition. */
export interface DocumentName {
  readonly collection: string
  readonly partition: string
  readonly writer: string
}

/** A place in the logs of a document: all of `epoch` up to and including batch `seq`. */
export interface LogPoint {
  readonly epoch: number
  readonly seq: number
  /** The start of the digest of that batch, where it is known: tells a forked log from the true one. */
  readonly link?: Uint8Array | undefined
}

/** What the first batch of a log says of all of it. */
export interface LogHead {
  readonly base: readonly LogPoint[]
  /** Above zero: the log is a fold, complete with so many batches. */
  readonly parts: number
  readonly credential: SignedCredential
  readonly more?: HeadMore | undefined
}

/** Places in the document of one writer of the same partition. */
export interface WriterPoints {
  readonly writer: string
  readonly points: readonly LogPoint[]
}

/** A hub's statement that a writer is retired: its logs are void that know nothing of it, and what they held at `points` is in the fold. */
export interface Seal extends WriterPoints {
  readonly epoch: number
}

export interface HeadMore {
  readonly seals: readonly Seal[]
  readonly after: readonly WriterPoints[]
  /** Nobody can make it of what he has. */
  readonly whole: boolean
  /** The newest seal of itself that the writer knew of. */
  readonly since: number
}

export const NOTHING_MORE: HeadMore = { seals: [], after: [], whole: false, since: 0 }

export function saysMore({ seals, after, whole, since }: HeadMore): boolean {
  return whole || seals.length + after.length + since > 0
}

export interface BatchFields extends DocumentName {
  readonly epoch: number
  readonly seq: number
  /** With `seq` 1 only. */
  readonly head: LogHead | undefined
  readonly update: Uint8Array
}

export interface Batch extends BatchFields {
  readonly signature: Uint8Array
  /** The batch as its writer encoded it. */
  readonly encoded: Uint8Array
  /** It came without its update. */
  readonly thin: boolean
}

/** One string per document, usable as a key: names contain neither `|` nor control characters. */
export function documentId(name: DocumentName): string {
  return `${name.collection}|${name.partition}|${name.writer}`
}

/** `previous`: the link of the batch before, empty for the first. */
export function signBatch(crypto: Signer, fields: BatchFields, previous: Uint8Array): { readonly batch: Batch; readonly link: Uint8Array } {
  const digest = digestOf(crypto, fields, previous)
  const signature = crypto.sign(joinBytes(CONTEXT, digest))
  return { batch: withUpdate({ ...fields, signature }, fields.update), link: digest.slice(0, LINK_BYTES) }
}

/** The whole batch of a thin one. */
export function withUpdate(fields: BatchFields & { readonly signature: Uint8Array }, update: Uint8Array): Batch {
  const encoded = encodeRecord([...leading(fields), update, fields.signature])
  return { ...fields, update, encoded, thin: false }
}

/** The batch without its update, for who can make it. */
export function encodeThin(batch: Batch): Uint8Array {
  return encodeRecord([...leading(batch), null, batch.signature])
}

/** What the batch after this one builds on. */
export function linkOf(crypto: Pick<Signer, 'hash'>, batch: BatchFields, previous: Uint8Array): Uint8Array {
  return digestOf(crypto, batch, previous).slice(0, LINK_BYTES)
}

/** The link of the batch, or `undefined` if `key` did not sign it as the one that follows `previous`. */
export function verifyBatch(crypto: Signer, batch: Batch, previous: Uint8Array, key: Uint8Array): Uint8Array | undefined {
  const digest = digestOf(crypto, batch, previous)
  return crypto.verify(key, joinBytes(CONTEXT, digest), batch.signature) ? digest.slice(0, LINK_BYTES) : undefined
}

function digestOf(crypto: Pick<Signer, 'hash'>, fields: BatchFields, previous: Uint8Array): Uint8Array {
  return crypto.hash(joinBytes(encodeRecord(leading(fields)), crypto.hash(fields.update), previous))
}

function leading({ collection, partition, writer, epoch, seq, head }: BatchFields): unknown[] {
  return [FORMAT, collection, partition, writer, epoch, seq, head ? encodeHead(head) : null]
}

function encodeHead({ base, parts, credential, more }: LogHead): unknown[] {
  const fields = [encodePoints(base), parts, credential.body, credential.signature]
  if (!more) return fields
  const seals = more.seals.map(({ writer, epoch, points }) => [writer, epoch, encodePoints(points)])
  return [...fields, [seals, more.after.map(({ writer, points }) => [writer, encodePoints(points)]), more.whole ? 1 : 0, more.since]]
}

/** The batch, or `undefined` if these bytes are none. Never throws. The result owns its bytes. */
export function decodeBatch(bytes: Uint8Array): Batch | undefined {
  const encoded = new Uint8Array(bytes)
  const fields = decodeRecord(encoded)
  if (!Array.isArray(fields) || fields.length < 9 || fields[0] !== FORMAT) return undefined
  const [, collection, partition, writer, epoch, seq, first, update, signature] = fields as unknown[]
  if (typeof collection !== 'string' || typeof partition !== 'string' || typeof writer !== 'string') return undefined
  if (!isCollection(collection) || !isPartition(partition) || !NAME_PATTERN.test(writer)) return undefined
  if (!isNatural(epoch, EPOCH_MAX) || !isNatural(seq, SEQ_MAX) || epoch === 0 || seq === 0) return undefined
  if (!(update instanceof Uint8Array) && update !== null) return undefined
  if (!(signature instanceof Uint8Array) || signature.length !== SIGNATURE_BYTES) return undefined
  const head = seq === 1 ? decodeHead(first, epoch) : undefined
  if ((seq === 1 && !head) || (seq > 1 && first !== null)) return undefined
  return { collection, partition, writer, epoch, seq, head, update: update ?? NOTHING, signature, encoded, thin: update === null }
}

function decodeHead(value: unknown, epoch: number): LogHead | undefined {
  if (!Array.isArray(value) || value.length < 4) return undefined
  const [points, parts, body, signature, rest] = value as unknown[]
  const base = decodePoints(points, BASE_POINTS_MAX)
  if (!base || base.some((point) => point.epoch >= epoch) || !isNatural(parts, PARTS_MAX)) return undefined
  if (!(body instanceof Uint8Array) || !(signature instanceof Uint8Array)) return undefined
  const head = { base, parts, credential: { body, signature } }
  if (rest === undefined) return head
  const more = decodeMore(rest, parts)
  return more && { ...head, more }
}

function decodeMore(value: unknown, parts: number): HeadMore | undefined {
  if (!Array.isArray(value) || value.length < 4) return undefined
  const [first, second, whole, since] = value as unknown[]
  if (!isNatural(since, EPOCH_MAX)) return undefined
  if (!Array.isArray(first) || !Array.isArray(second) || first.length > SEALS_MAX || second.length > AFTER_MAX) return undefined
  if (parts === 0 && first.length + second.length > 0) return undefined
  const seals = first.map((item) =>
    Array.isArray(item) && isNatural(item[1], EPOCH_MAX) ? decodeWriterPoints([item[0], item[2]]) : undefined,
  )
  const after = second.map(decodeWriterPoints)
  if (!seals.every((seal) => seal !== undefined) || !after.every((points) => points !== undefined)) return undefined
  return { seals: seals.map((seal, at) => ({ ...seal, epoch: (first[at] as [string, number])[1] })), after, whole: whole === 1, since }
}

function decodeWriterPoints(value: unknown): WriterPoints | undefined {
  if (!Array.isArray(value) || typeof value[0] !== 'string' || !NAME_PATTERN.test(value[0])) return undefined
  const points = decodePoints(value[1], BASE_POINTS_MAX)
  return points && { writer: value[0], points }
}

function encodePoints(points: readonly LogPoint[]): unknown[] {
  return points.flatMap(({ epoch, seq, link }) => [epoch, seq, link?.subarray(0, POINT_LINK_BYTES) ?? NOTHING])
}

function decodePoints(items: unknown, max: number): LogPoint[] | undefined {
  if (!Array.isArray(items) || items.length % 3 !== 0 || items.length > 3 * max) return undefined
  const points: LogPoint[] = []
  for (let at = 0; at < items.length; at += 3) {
    const [epoch, seq, link] = items.slice(at, at + 3) as unknown[]
    if (!isNatural(epoch, EPOCH_MAX) || !isNatural(seq, SEQ_MAX) || !(link instanceof Uint8Array)) return undefined
    if (link.length !== 0 && link.length !== POINT_LINK_BYTES) return undefined
    points.push(link.length === 0 ? { epoch, seq } : { epoch, seq, link })
  }
  return points
}

/** Whether two points say different things of the same batch. */
export function contradict(a: LogPoint, link: Uint8Array): boolean {
  return a.link !== undefined && a.link.some((byte, at) => byte !== link[at])
}

/** `named` by a peer, with links cut short, and as we know them. */
export function samePoints(named: readonly LogPoint[], known: readonly LogPoint[]): boolean {
  return (
    named.length === known.length &&
    named.every((point, at) => {
      const { epoch, seq, link } = known[at] as LogPoint
      return point.epoch === epoch && point.seq === seq && !(link && contradict(point, link))
    })
  )
}
