/**
 * What two replicas say to each other in a session: msgpack records, told apart by `type`.
 *
 *     interest  {version, id, patterns}     what the sender wants; `id` counts up within the session
 *     heads     {processed, last, heads}    what the sender holds, durably; a round may take several messages, the last
 *                                           of which has `last`. A head is [collection, partition, writer, [epoch, seq, …]]
 *                                           with the frontier of the document's logs
 *     batches   {batches}                   batches, verbatim, oldest first within a log
 *     served    {id}                        all that interest `id` called for has been sent
 *     ack       {processed, heads}          these are durable now
 *
 * `processed` is the number of batch bytes of this session that the sender of the message is done with. It gives
 * credit back, and tells which batches a round of heads has not seen yet. Unknown fields are dropped; a record of
 * unknown type is skipped.
 */
import { NAME_PATTERN, decodeRecord, encodeRecord } from '@causeway/protocol'
import { type DocumentName, type LogPoint, decodePoints, encodePoints } from './batch.ts'
import { isNatural } from './entry.ts'
import { isCollection, isPartition, isPattern } from './interest.ts'

export const SYNC_VERSION = 1
/** What a message holds before another one is begun; a single larger batch travels alone. */
export const MESSAGE_BYTES: number = 32 * 1024
/** What a head takes beyond its names and points, at most. */
const HEAD_BYTES = 16
const HEADS_PER_MESSAGE_MAX = 8_192
const POINTS_MAX = 4_096
const PATTERNS_MAX = 4_096
const BATCHES_MAX = 8_192

export interface Head extends DocumentName {
  readonly points: readonly LogPoint[]
}

export type SyncMessage =
  | { readonly type: 'interest'; readonly version: number; readonly id: number; readonly patterns: readonly string[] }
  | { readonly type: 'heads'; readonly processed: number; readonly last: boolean; readonly heads: readonly Head[] }
  | { readonly type: 'batches'; readonly batches: readonly Uint8Array[] }
  | { readonly type: 'served'; readonly id: number }
  | { readonly type: 'ack'; readonly processed: number; readonly heads: readonly Head[] }

export function encodeSync(message: SyncMessage): Uint8Array {
  if (message.type !== 'heads' && message.type !== 'ack') return encodeRecord(message)
  const heads = message.heads.map(({ collection, partition, writer, points }) => [collection, partition, writer, encodePoints(points)])
  return encodeRecord({ ...message, heads })
}

/** One round of heads, cut into messages. */
export function headsMessages(processed: number, heads: readonly Head[]): SyncMessage[] {
  const messages: SyncMessage[] = []
  let chunk: Head[] = []
  let bytes = 0
  for (const head of heads) {
    const size = HEAD_BYTES + head.collection.length + head.partition.length + head.writer.length + 18 * head.points.length
    if (bytes + size > MESSAGE_BYTES && chunk.length > 0) {
      messages.push({ type: 'heads', processed, last: false, heads: chunk })
      chunk = []
      bytes = 0
    }
    chunk.push(head)
    bytes += size
  }
  messages.push({ type: 'heads', processed, last: true, heads: chunk })
  return messages
}

/** The message; 'unknown' for a type of a later version; `undefined` for garbage. Never throws. */
export function decodeSync(bytes: Uint8Array): SyncMessage | 'unknown' | undefined {
  const decoded = decodeRecord(bytes)
  if (typeof decoded !== 'object' || decoded === null || Array.isArray(decoded)) return undefined
  const { type, version, id, patterns, processed, last, heads, batches } = decoded as Record<string, unknown>
  switch (type) {
    case 'interest':
      if (!isNatural(version, 2 ** 31) || !isNatural(id, Number.MAX_SAFE_INTEGER) || !isPatternList(patterns)) return undefined
      return { type, version, id, patterns }
    case 'heads':
    case 'ack': {
      const checked = decodeHeads(heads)
      if (!isNatural(processed, Number.MAX_SAFE_INTEGER) || !checked) return undefined
      return type === 'ack' ? { type, processed, heads: checked } : { type, processed, last: last === true, heads: checked }
    }
    case 'batches':
      if (!Array.isArray(batches) || batches.length > BATCHES_MAX || !batches.every((batch) => batch instanceof Uint8Array))
        return undefined
      return { type, batches }
    case 'served':
      return isNatural(id, Number.MAX_SAFE_INTEGER) ? { type, id } : undefined
    default:
      return typeof type === 'string' ? 'unknown' : undefined
  }
}

function isPatternList(value: unknown): value is string[] {
  return Array.isArray(value) && value.length <= PATTERNS_MAX && value.every((item) => typeof item === 'string' && isPattern(item))
}

function decodeHeads(value: unknown): Head[] | undefined {
  if (!Array.isArray(value) || value.length > HEADS_PER_MESSAGE_MAX) return undefined
  const heads: Head[] = []
  for (const item of value as unknown[]) {
    if (!Array.isArray(item)) return undefined
    const [collection, partition, writer, numbers] = item as unknown[]
    const points = decodePoints(numbers, POINTS_MAX)
    if (typeof collection !== 'string' || typeof partition !== 'string' || typeof writer !== 'string' || !points) return undefined
    if (!isCollection(collection) || !isPartition(partition) || !NAME_PATTERN.test(writer)) return undefined
    heads.push({ collection, partition, writer, points })
  }
  return heads
}
