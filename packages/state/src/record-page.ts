/**
 * Lists, a page at a time, by partition and key. The next page begins right after the last record of this one, wherever
 * that place is by then: a record that stays is listed once, whatever is written meanwhile.
 */
import { CausewayError, type RecordView } from '@causeway/protocol'
import { approximateBytes } from './approximate-bytes.ts'
import type { Selector } from './selector.ts'

/** What is read of a replica. */
export interface RecordReader {
  /** Sorted by key. */
  list(collection: string, partition: string): readonly RecordView[]
  /** Sorted. */
  partitionsOf(collection: string): readonly string[]
}

export interface PageQuery {
  readonly collection: string
  /** @default all that are held */
  readonly partition?: string
  readonly selector?: Selector
  /** @default all */
  readonly limit?: number
  /** A page ends sooner if its records take about so much memory. */
  readonly bytesMax?: number
  /** Of the page before. */
  readonly continue?: string
}

export interface RecordPage {
  readonly items: RecordView[]
  readonly token: string
  /** Asks for the next page, if there is one. */
  readonly continue?: string
}

/** Where a page begins, and the token of the first one. */
interface Place {
  readonly partition: string
  readonly key: string
  readonly token: string
}

/** `token` names the state as it is now. Throws `usage` if `continue` is none of ours. */
export function readPage(reader: RecordReader, query: PageQuery, token: string): RecordPage {
  const { collection, selector, limit = Infinity, bytesMax = Infinity } = query
  const from = query.continue === undefined ? undefined : parsePlace(query.continue)
  const partitions = query.partition === undefined ? reader.partitionsOf(collection) : [query.partition]
  const page = { items: [] as RecordView[], token: from?.token ?? token }
  let bytes = 0
  for (const partition of partitions) {
    if (from && partition < from.partition) continue
    const records = reader.list(collection, partition)
    for (let at = from?.partition === partition ? firstAfter(records, from.key) : 0; at < records.length; at++) {
      const record = records[at] as RecordView
      if (selector && !selector(record.labels)) continue
      const last = page.items.at(-1)
      bytes += approximateBytes(record)
      if (last && (page.items.length >= limit || bytes > bytesMax))
        return { ...page, continue: JSON.stringify([last.partition, last.key, page.token]) }
      page.items.push(record)
    }
  }
  return page
}

/** Index of the first record whose key comes after `key`. */
function firstAfter(records: readonly RecordView[], key: string): number {
  let low = 0
  let high = records.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((records[middle] as RecordView).key > key) high = middle
    else low = middle + 1
  }
  return low
}

function parsePlace(text: string): Place {
  try {
    const place: unknown = JSON.parse(text)
    if (Array.isArray(place) && place.length === 3 && place.every((part) => typeof part === 'string')) {
      const [partition, key, token] = place as [string, string, string]
      return { partition, key, token }
    }
  } catch {
    // Told below, like everything else that does not fit.
  }
  throw new CausewayError('usage', 'the list cannot go on from there', 'give continue= as the page before gave it, or list from the start')
}
