/**
 * An entry: what a writer says of one record in a document. Entries are never changed: a newer one is appended and the
 * older one deleted. A *put* is the whole record. A *mark* says that it was deleted. A *patch* changes some fields and
 * labels of a record that somebody put, and lies beside the put until its writer puts or deletes the record itself.
 *
 * In the document an entry is a tuple of 3 to 5:
 *
 *     [key, ms, counter]                  a mark
 *     [key, ms, counter, value]           a put
 *     [key, ms, counter, value, more]     `more` tells the rest:
 *         l  labels                       of a put
 *         b  [ms, counter]                stamp of the put that the record came into being with, if it is not this one
 *         x  milliseconds since 1970      when the record expires
 *         o  milliseconds                 of a put or mark: how much older the newest was that its writer knew of the record
 *         e  epoch                        the one it was first written in, after it was folded into another log
 *         w  writer                       who wrote it, after a hub has taken it over from one that is retired
 *         m  1                            a mark after all; `value` is null
 *         p  [[name, ms, counter, text]]  a patch: its labels; `value` is the same for its fields
 *     In a patch a field or label without its last element is removed.
 *     An empty key: an acknowledgement. `value` is [[writer, epoch, seq, epoch, seq, …], …]: so much of the documents of other
 *     writers its own writer had seen. It is no record; who counts on it is `sweep.ts`.
 */
import { NAME_PATTERN } from '@causeway/protocol'
import { keyFault, labelsFault, plainDataFault } from './plain-data.ts'
import { type Stamp, compareStamps } from './stamp.ts'

/** Names the life of a record: the stamp of the put that it came into being with. */
export interface Birth {
  readonly ms: number
  readonly counter: number
}

/** One field, or one label, as a patch sets it; `undefined` removes it. */
export interface FieldPatch extends Birth {
  readonly name: string
  readonly value: unknown
}

export interface Content {
  readonly key: string
  readonly kind: 'put' | 'mark' | 'patch' | 'ack'
  /** Of a put. */
  readonly value: unknown
  readonly labels: Readonly<Record<string, string>>
  readonly ms: number
  readonly counter: number
  readonly birth: Birth
  readonly expiresMs: number | undefined
  /** Of a put or mark: when the newest was written that its writer knew of the record. */
  readonly over: number | undefined
  /** Of a patch; each no newer than the patch itself. */
  readonly fields: readonly FieldPatch[]
  readonly labelFields: readonly FieldPatch[]
  /** Of the stamp, where it is not that of the log; and where it is not that of the document. */
  readonly epoch: number | undefined
  readonly writer: string | undefined
}

/** An entry with its stamp and its place. */
export interface Entry extends Omit<Content, 'epoch' | 'writer'>, Stamp {
  /** The writer of the document that holds it, the epoch of the log, and the batch that brought it. */
  readonly author: string
  readonly log: number
  readonly seq: number
  readonly clock: number
}

/** One literal, not spreads of spreads: every record keeps one, and so all have the same shape, in half the room. */
export function entryAt(content: Content, place: Pick<Entry, 'author' | 'log' | 'seq' | 'clock'>): Entry {
  const { author, log, seq, clock } = place
  const { key, kind, value, labels, ms, counter, birth, expiresMs, over, fields, labelFields, epoch = log, writer = author } = content
  return { key, kind, value, labels, ms, counter, writer, epoch, birth, expiresMs, over, fields, labelFields, author, log, seq, clock }
}

/** Above zero if `a` wins. The same stamp twice is a fault of the writer, or a fold; the place decides, so that all replicas agree. */
export function compareEntries(a: Entry, b: Entry): number {
  return compareStamps(a, b) || a.log - b.log || a.clock - b.clock
}

export const NO_LABELS: Readonly<Record<string, string>> = Object.freeze({})
const NO_FIELDS: readonly FieldPatch[] = Object.freeze([])
/** Stamps are bounded so that arithmetic with them stays exact: the year 6429. */
export const MS_MAX: number = 2 ** 47
const COUNTER_MAX = 2 ** 31
const EPOCH_MAX = 2 ** 52 - 1
const PATCH_FIELDS_MAX = 1_024
/** Of an entry that is no record. */
export const ACK_KEY = ''
const ACK_WRITERS_MAX = 4_096
const ACK_NUMBERS_MAX = 2 * 64

type Head = Pick<Content, 'key' | 'ms' | 'counter'>

export function markContent({ key, ms, counter }: Head): Content {
  return { ...putContent({ key, ms, counter }, null, NO_LABELS), kind: 'mark' }
}

export function putContent(
  { key, ms, counter }: Head,
  value: unknown,
  labels: Readonly<Record<string, string>>,
  birth: Birth = { ms, counter },
  expiresMs?: number,
): Content {
  const rest = { over: undefined, fields: NO_FIELDS, labelFields: NO_FIELDS, epoch: undefined, writer: undefined }
  return { key, kind: 'put', value, labels, ms, counter, birth, expiresMs, ...rest }
}

export function patchContent(head: Head, birth: Birth, fields: readonly FieldPatch[], labelFields: readonly FieldPatch[]): Content {
  return { ...putContent(head, null, NO_LABELS, birth), kind: 'patch', fields, labelFields }
}

/** So much of the documents of others has been seen: by writer, epoch, seq, epoch, seq, … */
export type Acknowledged = readonly (readonly [writer: string, ...points: number[]])[]

export function ackContent(stamp: Birth, seen: Acknowledged): Content {
  return { ...putContent({ key: ACK_KEY, ...stamp }, seen, NO_LABELS), kind: 'ack' }
}

/** What an entry says, to be written again into another log of a document of `author`. */
export function contentOf({ epoch, writer, ...entry }: Entry, author: string): Content {
  const { key, kind, value, labels, ms, counter, birth, expiresMs, over, fields, labelFields } = entry
  const said = { key, kind, value, labels, ms, counter, birth, expiresMs, over, fields, labelFields }
  return { ...said, epoch, writer: writer === author ? undefined : writer }
}

export function encodeContent(content: Content): unknown[] {
  const { key, kind, value, labels, ms, counter, birth, expiresMs, over, fields, labelFields, epoch, writer } = content
  const more: Record<string, unknown> = {}
  if (kind === 'mark' && over === undefined && epoch === undefined && writer === undefined) return [key, ms, counter]
  if (kind === 'mark') more['m'] = 1
  if (Object.keys(labels).length > 0) more['l'] = labels
  if (birth.ms !== ms || birth.counter !== counter) more['b'] = [birth.ms, birth.counter]
  if (expiresMs !== undefined) more['x'] = expiresMs
  if (over !== undefined) more['o'] = ms - over
  if (epoch !== undefined) more['e'] = epoch
  if (writer !== undefined) more['w'] = writer
  if (kind === 'patch') more['p'] = labelFields.map(encodeField)
  const body = kind === 'patch' ? fields.map(encodeField) : value
  return Object.keys(more).length === 0 ? [key, ms, counter, body] : [key, ms, counter, body, more]
}

function encodeField({ name, ms, counter, value }: FieldPatch): unknown[] {
  return value === undefined ? [name, ms, counter] : [name, ms, counter, value]
}

/** What the tuple says, or a string: what is wrong with it. */
export function decodeContent(tuple: unknown): Content | string {
  if (!Array.isArray(tuple) || tuple.length < 3 || tuple.length > 5) return 'an entry is not a tuple of 3 to 5'
  const [key, ms, counter, value, more] = tuple as unknown[]
  const fault = key === ACK_KEY ? ackFault(value) : keyFault(key)
  if (fault) return `a key ${fault}`
  if (!isStamp(ms, counter)) return 'a stamp is out of range'
  const head = { key: key as string, ms: ms as number, counter: counter as number }
  if (key === ACK_KEY) return decodeAck(head, value as Acknowledged, more)
  if (tuple.length === 3) return markContent(head)
  const valueFault = plainDataFault(value)
  if (valueFault) return `a value ${valueFault}`
  return tuple.length === 4 ? putContent(head, value, NO_LABELS) : decodeMore(head, value, more)
}

function decodeAck(head: Head, seen: Acknowledged, more: unknown): Content | string {
  const content = more === undefined ? undefined : decodeMore(head, null, more)
  return typeof content === 'string' ? content : { ...ackContent(head, seen), epoch: content?.epoch }
}

/** In words that follow "a key". */
function ackFault(value: unknown): string | undefined {
  if (!Array.isArray(value) || value.length > ACK_WRITERS_MAX) return 'is empty, and its value is no list of writers'
  const good = value.every((item: unknown) => {
    if (!Array.isArray(item) || item.length > 1 + ACK_NUMBERS_MAX || item.length % 2 !== 1) return false
    const [writer, ...numbers] = item as unknown[]
    return typeof writer === 'string' && NAME_PATTERN.test(writer) && numbers.every((number) => isNatural(number, EPOCH_MAX))
  })
  return good ? undefined : 'is empty, and its value names no writers with their points'
}

function decodeMore(head: Head, value: unknown, more: unknown): Content | string {
  if (plainDataFault(more) || typeof more !== 'object' || more === null || Array.isArray(more)) return 'an entry has no map of more'
  const {
    l: labels = NO_LABELS,
    b: birth,
    x: expiresMs,
    o: older,
    e: epoch,
    w: writer,
    m: mark,
    p: patch,
  } = more as Record<string, unknown>
  const labelFault = labelsFault(labels)
  if (labelFault) return `labels ${labelFault}`
  if (birth !== undefined && !(Array.isArray(birth) && birth.length === 2 && isStamp(birth[0], birth[1]))) return 'a birth is no stamp'
  if (expiresMs !== undefined && !isNatural(expiresMs, MS_MAX)) return 'an expiry is out of range'
  if (older !== undefined && !isNatural(older, head.ms)) return 'what it was written over is out of range'
  if (epoch !== undefined && !isNatural(epoch, EPOCH_MAX)) return 'an epoch is out of range'
  if (writer !== undefined && !(typeof writer === 'string' && NAME_PATTERN.test(writer))) return 'a writer is no name'
  const born = birth === undefined ? head : { ms: birth[0] as number, counter: birth[1] as number }
  const over = older === undefined ? undefined : head.ms - older
  const put = { ...putContent(head, value, labels as Record<string, string>, born, expiresMs), over, epoch, writer }
  if (mark !== undefined) return { ...markContent(head), over, epoch, writer }
  if (patch === undefined) return put
  const fields = decodeFields(value, head, () => true)
  const labelFields = decodeFields(patch, head, (text) => typeof text === 'string')
  return fields && labelFields ? { ...patchContent(head, born, fields, labelFields), epoch, writer } : 'a patch is not a list of fields'
}

function decodeFields(list: unknown, { ms: msMax }: Head, fits: (value: unknown) => boolean): FieldPatch[] | undefined {
  if (!Array.isArray(list) || list.length > PATCH_FIELDS_MAX) return undefined
  const fields: FieldPatch[] = []
  for (const item of list as unknown[]) {
    if (!Array.isArray(item) || item.length < 3 || item.length > 4) return undefined
    const [name, ms, counter, value] = item as unknown[]
    if (typeof name !== 'string' || name === '__proto__' || !isStamp(ms, counter) || (ms as number) > msMax) return undefined
    if (item.length === 4 && !fits(value)) return undefined
    fields.push({ name, ms: ms as number, counter: counter as number, value: item.length === 4 ? value : undefined })
  }
  return fields
}

function isStamp(ms: unknown, counter: unknown): boolean {
  return isNatural(ms, MS_MAX) && isNatural(counter, COUNTER_MAX)
}

export function isNatural(value: unknown, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max
}
