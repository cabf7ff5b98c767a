/**
 * What two replicas say to each other in a session. A message is a msgpack array of parts, so that what is due at the same
 * time shares a packet; a part is an array that begins with its kind:
 *
 *     1  interest  version, id, patterns, core   what the sender wants; `id` counts up within the session; `core`: it is a hub
 *     2  heads     processed, last, points       what the sender holds, durably: the frontiers of its documents. A round may take
 *                                                several messages, the last of which has `last`
 *     3  batches   urgent, batch, batch, …       verbatim, oldest first within a log; `urgent`: somebody waits for the ack
 *     4  served    id                            all that interest `id` called for has been sent
 *     5  ack       processed, points, points     these are durable at the sender; these at a hub
 *     6  vitals    bytes                         see `vitals/vitals.ts`
 *     7  digest    arrived, high, low            over the tips of all logs that both ends should hold
 *     8  differ                                  the digests are not the same: send heads
 *
 * Points are flat: log, seq, link, log, seq, link, … in heads; log, seq, log, seq, … in acks. A log is a number, or
 * [collection, partition, writer, epoch] when it is named first (see `sync-logs.ts`).
 *
 * `processed` and `arrived` are the numbers of batch bytes of this session that the sender of the message is done with, or
 * has got. The first gives credit back, and tells which batches a round of heads has not seen yet. Parts of unknown kind
 * are skipped, and so is what follows the known fields of a part.
 */
import { NAME_PATTERN, decodeRecord, encodeRecord } from '@causeway/protocol'
import { type DocumentName, EPOCH_MAX, type LogPoint } from './batch.ts'
import { isNatural } from './entry.ts'
import { isCollection, isPartition, isPattern } from './interest.ts'
import type { LogReference } from './sync-logs.ts'

export const SYNC_VERSION = 2
/** What a message holds before another one is begun; a single larger batch travels alone. */
export const MESSAGE_BYTES: number = 32 * 1024
/** What a point takes beyond names. */
const POINT_BYTES = 24
const POINTS_PER_PART_MAX = 16_384
const PARTS_MAX = 1_024
const PATTERNS_MAX = 4_096
const BATCHES_MAX = 8_192
/** Of a link: enough to tell two logs of one writer apart. */
const LINK_BYTES = 8
const SEQ_MAX = 2 ** 32
const NO_LINK = new Uint8Array(0)

const KINDS = ['', 'interest', 'heads', 'batches', 'served', 'ack', 'vitals', 'digest', 'differ'] as const

/** What somebody holds of a document: its frontier. */
export interface Head extends DocumentName {
  readonly points: readonly LogPoint[]
}

export interface SyncPoint {
  readonly log: LogReference
  readonly seq: number
  readonly link?: Uint8Array | undefined
}

export type SyncPart =
  | {
      readonly type: 'interest'
      readonly version: number
      readonly id: number
      readonly patterns: readonly string[]
      readonly core: boolean
    }
  | { readonly type: 'heads'; readonly processed: number; readonly last: boolean; readonly points: readonly SyncPoint[] }
  | { readonly type: 'batches'; readonly urgent: boolean; readonly batches: readonly Uint8Array[] }
  | { readonly type: 'served'; readonly id: number }
  | { readonly type: 'ack'; readonly processed: number; readonly durable: readonly SyncPoint[]; readonly atHub: readonly SyncPoint[] }
  | { readonly type: 'vitals'; readonly bytes: Uint8Array }
  | { readonly type: 'digest'; readonly arrived: number; readonly digest: readonly [number, number] }
  | { readonly type: 'differ' }

export function encodeSync(parts: readonly SyncPart[]): Uint8Array {
  return encodeRecord(parts.map((part) => [KINDS.indexOf(part.type), ...fieldsOf(part)]))
}

function fieldsOf(part: SyncPart): unknown[] {
  switch (part.type) {
    case 'interest':
      return [part.version, part.id, part.patterns, part.core ? 1 : 0]
    case 'heads':
      return [
        part.processed,
        part.last ? 1 : 0,
        part.points.flatMap(({ log, seq, link }) => [encodeLog(log), seq, link?.subarray(0, LINK_BYTES) ?? NO_LINK]),
      ]
    case 'batches':
      return [part.urgent ? 1 : 0, ...part.batches]
    case 'served':
      return [part.id]
    case 'ack':
      return [part.processed, encodePairs(part.durable), ...(part.atHub.length > 0 ? [encodePairs(part.atHub)] : [])]
    case 'vitals':
      return [part.bytes]
    case 'digest':
      return [part.arrived, ...part.digest]
    case 'differ':
      return []
  }
}

function encodePairs(points: readonly SyncPoint[]): unknown[] {
  return points.flatMap(({ log, seq }) => [encodeLog(log), seq])
}

function encodeLog(log: LogReference): unknown {
  return typeof log === 'number' ? log : [log.collection, log.partition, log.writer, log.epoch]
}

/** One round of heads, cut into parts that each fill a message. */
export function headsParts(processed: number, points: readonly SyncPoint[]): SyncPart[] {
  const parts: SyncPart[] = []
  let chunk: SyncPoint[] = []
  let bytes = 0
  for (const point of points) {
    const { log } = point
    const size = POINT_BYTES + (typeof log === 'number' ? 0 : log.collection.length + log.partition.length + log.writer.length)
    if (bytes + size > MESSAGE_BYTES && chunk.length > 0) {
      parts.push({ type: 'heads', processed, last: false, points: chunk })
      chunk = []
      bytes = 0
    }
    chunk.push(point)
    bytes += size
  }
  parts.push({ type: 'heads', processed, last: true, points: chunk })
  return parts
}

/** The parts that are known here; `undefined` for garbage. Never throws. */
export function decodeSync(bytes: Uint8Array): SyncPart[] | undefined {
  const decoded = decodeRecord(bytes)
  if (!Array.isArray(decoded) || decoded.length > PARTS_MAX) return undefined
  const parts: SyncPart[] = []
  for (const item of decoded as unknown[]) {
    if (!Array.isArray(item) || !isNatural(item[0], 2 ** 31)) return undefined
    const type = KINDS[item[0]]
    if (!type) continue
    const part = decodePart(type, item.slice(1) as unknown[])
    if (!part) return undefined
    parts.push(part)
  }
  return parts
}

function decodePart(type: SyncPart['type'], fields: readonly unknown[]): SyncPart | undefined {
  const [first, second, third] = fields
  switch (type) {
    case 'interest':
      if (!isNatural(first, 2 ** 31) || !isCount(second) || !isPatternList(third)) return undefined
      return { type, version: first, id: second, patterns: third, core: fields[3] === 1 }
    case 'heads': {
      const points = decodePoints(third, 3)
      return isCount(first) && points ? { type, processed: first, last: second === 1, points } : undefined
    }
    case 'batches': {
      const batches = fields.slice(1)
      if (batches.length > BATCHES_MAX || !batches.every((batch) => batch instanceof Uint8Array)) return undefined
      return { type, urgent: first === 1, batches }
    }
    case 'served':
      return isCount(first) ? { type, id: first } : undefined
    case 'ack': {
      const durable = decodePoints(second, 2)
      const atHub = decodePoints(third ?? [], 2)
      return isCount(first) && durable && atHub ? { type, processed: first, durable, atHub } : undefined
    }
    case 'vitals':
      return first instanceof Uint8Array ? { type, bytes: first } : undefined
    case 'digest':
      if (!isCount(first) || !isNatural(second, 2 ** 32) || !isNatural(third, 2 ** 32)) return undefined
      return { type, arrived: first, digest: [second, third] }
    case 'differ':
      return { type }
  }
}

function isCount(value: unknown): value is number {
  return isNatural(value, Number.MAX_SAFE_INTEGER)
}

function isPatternList(value: unknown): value is string[] {
  return Array.isArray(value) && value.length <= PATTERNS_MAX && value.every((item) => typeof item === 'string' && isPattern(item))
}

/** `width`: fields of a point, 2 or 3. */
function decodePoints(value: unknown, width: number): SyncPoint[] | undefined {
  if (!Array.isArray(value) || value.length % width !== 0 || value.length > width * POINTS_PER_PART_MAX) return undefined
  const points: SyncPoint[] = []
  for (let at = 0; at < value.length; at += width) {
    const [item, seq, link = NO_LINK] = value.slice(at, at + width) as unknown[]
    const log = decodeLog(item)
    if (log === undefined || !isNatural(seq, SEQ_MAX) || !(link instanceof Uint8Array) || (link.length !== 0 && link.length !== LINK_BYTES))
      return undefined
    points.push(link.length === 0 ? { log, seq } : { log, seq, link })
  }
  return points
}

function decodeLog(item: unknown): LogReference | undefined {
  if (typeof item === 'number') return Number.isSafeInteger(item) ? item : undefined
  if (!Array.isArray(item)) return undefined
  const [collection, partition, writer, epoch] = item as unknown[]
  if (typeof collection !== 'string' || typeof partition !== 'string' || typeof writer !== 'string') return undefined
  if (!isCollection(collection) || !isPartition(partition) || !NAME_PATTERN.test(writer)) return undefined
  return isNatural(epoch, EPOCH_MAX) && epoch > 0 ? { collection, partition, writer, epoch } : undefined
}
