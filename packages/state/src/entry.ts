/**
 * An entry: one state of one record as its writer put it into a document. Entries are never changed: a newer one
 * is appended and the older one deleted. A delete of a record is an entry too, a mark without a value.
 *
 * In the document an entry is a tuple: [key, ms, counter] is a mark; [key, ms, counter, value] and
 * [key, ms, counter, value, labels] are live.
 */
import { keyFault, labelsFault, plainDataFault } from './plain-data.ts'
import { type Stamp, compareStamps } from './stamp.ts'

export interface Content {
  readonly key: string
  /** True for a mark. */
  readonly deleted: boolean
  readonly value: unknown
  readonly labels: Readonly<Record<string, string>>
  readonly ms: number
  readonly counter: number
}

/** An entry with its place: who wrote it, and its position in the writer's epoch. */
export interface Entry extends Content, Stamp {
  readonly clock: number
}

/** Above zero if `a` wins. The same stamp twice is a fault of the writer; the place decides, so that all replicas agree. */
export function compareEntries(a: Entry, b: Entry): number {
  return compareStamps(a, b) || a.clock - b.clock
}

export const NO_LABELS: Readonly<Record<string, string>> = Object.freeze({})
/** Stamps are bounded so that arithmetic with them stays exact: the year 6429. */
const MS_MAX = 2 ** 47
const COUNTER_MAX = 2 ** 31

export function encodeContent(content: Content): unknown[] {
  const head = [content.key, content.ms, content.counter]
  if (content.deleted) return head
  return Object.keys(content.labels).length === 0 ? [...head, content.value] : [...head, content.value, content.labels]
}

/** What the tuple says, or a string: what is wrong with it. */
export function decodeContent(tuple: unknown): Content | string {
  if (!Array.isArray(tuple) || tuple.length < 3 || tuple.length > 5) return 'an entry is not a tuple of 3 to 5'
  const [key, ms, counter, value, labels] = tuple as unknown[]
  const fault = keyFault(key)
  if (fault) return `a key ${fault}`
  if (!isNatural(ms, MS_MAX) || !isNatural(counter, COUNTER_MAX)) return 'a stamp is out of range'
  if (tuple.length === 3) return { key: key as string, deleted: true, value: null, labels: NO_LABELS, ms, counter }
  const valueFault = plainDataFault(value)
  if (valueFault) return `a value ${valueFault}`
  const labelFault = tuple.length === 5 ? labelsFault(labels) : undefined
  if (labelFault) return `labels ${labelFault}`
  const checked = tuple.length === 5 ? (labels as Record<string, string>) : NO_LABELS
  return { key: key as string, deleted: false, value, labels: checked, ms, counter }
}

export function isNatural(value: unknown, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max
}
