/**
 * A batch: what a writer did to one document in one go. Encoded once, by the writer; stored and passed on as the
 * very same bytes, so that a relay can neither change nor forge it without breaking the chain.
 *
 * A msgpack array:
 *
 *     0  format      1
 *     1  collection  name
 *     2  partition   names joined by `/`
 *     3  writer      node name
 *     4  epoch       52 bits: boot wall clock in seconds (32) and 20 random bits; also the Yjs clientID
 *     5  seq         1, 2, 3, … within (document, epoch)
 *     6  previous    seq > 1: the first 16 bytes of SHA-256 over the encoding of batch seq - 1; seq = 1: empty
 *     7  base        seq = 1: [epoch, seq, epoch, seq, …] of earlier logs of this document which the writer held and
 *                    which no other of them includes; seq > 1: empty. To be applied only by who holds that much
 *     8  update      Yjs V1 update
 *     9  signature   reserved: empty until batches are signed; today the chain shows damage, not forgery
 */
import { type Hasher, NAME_PATTERN, decodeRecord, encodeRecord } from '@causeway/protocol'
import { isNatural } from './entry.ts'
import { isCollection, isPartition } from './interest.ts'

const FORMAT = 1
const LINK_BYTES = 16
const BASE_POINTS_MAX = 64
export const EPOCH_MAX: number = 2 ** 52 - 1
const SEQ_MAX = 2 ** 32

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
}

export interface BatchFields extends DocumentName, LogPoint {
  readonly previous: Uint8Array
  readonly base: readonly LogPoint[]
  readonly update: Uint8Array
}

export interface Batch extends BatchFields {
  /** The batch as its writer encoded it. */
  readonly encoded: Uint8Array
}

/** One string per document, usable as a key: names contain neither `|` nor control characters. */
export function documentId(name: DocumentName): string {
  return `${name.collection}|${name.partition}|${name.writer}`
}

export function encodeBatch(fields: BatchFields): Batch {
  const { collection, partition, writer, epoch, seq, previous, base, update } = fields
  const signature = new Uint8Array(0)
  return {
    ...fields,
    encoded: encodeRecord([FORMAT, collection, partition, writer, epoch, seq, previous, encodePoints(base), update, signature]),
  }
}

/** The batch, or `undefined` if these bytes are none. Never throws. The result owns its bytes. */
export function decodeBatch(bytes: Uint8Array): Batch | undefined {
  const encoded = new Uint8Array(bytes)
  const fields = decodeRecord(encoded)
  if (!Array.isArray(fields) || fields.length < 10 || fields[0] !== FORMAT) return undefined
  const [, collection, partition, writer, epoch, seq, previous, points, update, signature] = fields as unknown[]
  if (typeof collection !== 'string' || typeof partition !== 'string' || typeof writer !== 'string') return undefined
  if (!isCollection(collection) || !isPartition(partition) || !NAME_PATTERN.test(writer)) return undefined
  if (!isNatural(epoch, EPOCH_MAX) || !isNatural(seq, SEQ_MAX) || epoch === 0 || seq === 0) return undefined
  if (!(previous instanceof Uint8Array) || !(update instanceof Uint8Array) || !(signature instanceof Uint8Array)) return undefined
  if (previous.length !== (seq === 1 ? 0 : LINK_BYTES)) return undefined
  const base = decodePoints(points, BASE_POINTS_MAX)
  if (!base || (seq > 1 && base.length > 0) || base.some((point) => point.epoch >= epoch)) return undefined
  return { collection, partition, writer, epoch, seq, previous, base, update, encoded }
}

/** What the next batch of the log names as `previous`. */
export function linkOf(crypto: Hasher, batch: Batch): Uint8Array {
  return crypto.hash(batch.encoded).slice(0, LINK_BYTES)
}

export function encodePoints(points: readonly LogPoint[]): number[] {
  return points.flatMap(({ epoch, seq }) => [epoch, seq])
}

export function decodePoints(numbers: unknown, max: number): LogPoint[] | undefined {
  if (!Array.isArray(numbers) || numbers.length % 2 !== 0 || numbers.length > 2 * max) return undefined
  const points: LogPoint[] = []
  for (let at = 0; at < numbers.length; at += 2) {
    const [epoch, seq] = numbers.slice(at, at + 2) as unknown[]
    if (!isNatural(epoch, EPOCH_MAX) || !isNatural(seq, SEQ_MAX)) return undefined
    points.push({ epoch, seq })
  }
  return points
}
