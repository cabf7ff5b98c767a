/**
 * How the replica lies in the store: keys that sort, values that carry a checksum. Everything is written once and
 * never changed, so that a crash can lose only the end; what a fold has replaced is deleted once the fold is durable.
 *
 *     state/format                                              {version}
 *     state/clean                                               {epoch}: the last stop was clean; gone before the first write
 *     state/heard|NODE                                          {ms, hub}: when a hub last heard of it
 *     state/batch|COLLECTION|PARTITION|WRITER|EPOCH|SEQ         a batch; numbers are hexadecimal, 13 and 9 digits
 *
 * A value is the first 4 bytes of SHA-256 of the rest, then the rest. A batch that fails its checksum is given up,
 * with the later ones of its log: peers bring them back.
 */
import { CausewayError, type Hasher, type StoreEntry, decodeRecord, encodeRecord, equalBytes } from '@causeway/protocol'
import { type Batch, type DocumentName, type LogPoint, decodeBatch } from './batch.ts'
import { isNatural } from './entry.ts'
import type { Log } from './log.ts'
import type { Heard } from './silence.ts'

const VERSION = 2
const CHECKSUM_BYTES = 4
const FORMAT_KEY = 'state/format'
/** Holds the mark of a clean stop. */
export const CLEAN_KEY = 'state/clean'
const BATCH_PREFIX = 'state/batch|'
const HEARD_PREFIX = 'state/heard|'
const PAGE_BYTES = 4096
const PAGE_FILL = 0.7
/** Key, checksums and the like. */
const ENTRY_BYTES = 100

/** What was found in the store. */
export interface StoredState {
  readonly isNew: boolean
  /** Epoch of a clean stop. */
  readonly cleanEpoch: number | undefined
  readonly heard: ReadonlyMap<string, Heard>
}

/** Who hears of batches while a store is read. */
export interface FoundBatches {
  batch(batch: Batch): void
  damaged(key: string): void
}

/**
 * About how much of a disk an entry takes whose value has so many bytes. LMDB keeps small ones in pages that are between half
 * full and full, beside keys of some 80 bytes, and gives those that are larger than half a page pages of their own.
 */
export function storedBytes(valueBytes: number): number {
  if (valueBytes > PAGE_BYTES / 2) return Math.ceil(valueBytes / PAGE_BYTES) * PAGE_BYTES + ENTRY_BYTES
  return (valueBytes + ENTRY_BYTES) / PAGE_FILL
}

export function batchKey(name: DocumentName, { epoch, seq }: Pick<LogPoint, 'epoch' | 'seq'>): string {
  const point = [epoch.toString(16).padStart(13, '0'), seq.toString(16).padStart(9, '0')]
  return [BATCH_PREFIX + name.collection, name.partition, name.writer, ...point].join('|')
}

export function batchEntry(crypto: Hasher, batch: Batch): StoreEntry {
  return { key: batchKey(batch, batch), value: seal(crypto, batch.encoded) }
}

export function formatEntry(crypto: Hasher): StoreEntry {
  return { key: FORMAT_KEY, value: seal(crypto, encodeRecord({ version: VERSION })) }
}

/** Removes a log. */
export function dropEntries(log: Log): StoreEntry[] {
  return Array.from({ length: log.seq }, (_, at) => ({ key: batchKey(log.name, { epoch: log.epoch, seq: at + 1 }), value: undefined }))
}

/** The mark of a clean stop; without an epoch: its removal. */
export function cleanEntry(crypto: Hasher, epoch: number | undefined): StoreEntry {
  return { key: CLEAN_KEY, value: epoch === undefined ? undefined : seal(crypto, encodeRecord({ epoch })) }
}

export function heardKey(name: string): string {
  return `${HEARD_PREFIX}${name}`
}

/** When a node was last heard. */
export function heardEntry(crypto: Hasher, name: string, { ms, hub }: Heard): StoreEntry {
  return { key: heardKey(name), value: seal(crypto, encodeRecord({ ms, hub: hub ? 1 : 0 })) }
}

/**
 * Reads what is ours and passes over the rest; gives each batch as it comes, since all of them at once may be many. Throws
 * `CausewayError` if the store is of another version.
 */
export function readStore(crypto: Hasher, stored: Iterable<StoreEntry>, found: FoundBatches): StoredState {
  const heard = new Map<string, Heard>()
  let cleanEpoch: number | undefined
  let isNew = true
  for (const { key, value } of stored) {
    if (value === undefined || !key.startsWith('state/')) continue
    const content = open(crypto, value)
    if (key === FORMAT_KEY) {
      checkVersion(content)
      isNew = false
    } else if (key === CLEAN_KEY) {
      cleanEpoch = content && naturalField(content, 'epoch')
    } else if (key.startsWith(HEARD_PREFIX)) {
      const ms = content && naturalField(content, 'ms')
      if (ms !== undefined)
        heard.set(key.slice(HEARD_PREFIX.length), { ms, hub: content !== undefined && naturalField(content, 'hub') === 1 })
    } else if (key.startsWith(BATCH_PREFIX)) {
      const batch = content && decodeBatch(content)
      if (!batch || batchKey(batch, batch) !== key) found.damaged(key)
      else found.batch(batch)
    }
  }
  return { isNew, cleanEpoch, heard }
}

function checkVersion(content: Uint8Array | undefined): void {
  const version = content && naturalField(content, 'version')
  if (version === VERSION) return
  const found = version === undefined ? 'cannot be read' : `is ${version}`
  throw new CausewayError(
    'store-corrupt',
    `the format version of the state store ${found}; this program reads version ${VERSION}`,
    'Run the version of causeway that wrote the data directory, or start with an empty one: peers bring the state back.',
  )
}

function naturalField(content: Uint8Array, name: string): number | undefined {
  const record = decodeRecord(content)
  const value: unknown = typeof record === 'object' && record !== null ? Reflect.get(record, name) : undefined
  return isNatural(value, Number.MAX_SAFE_INTEGER) ? value : undefined
}

function seal(crypto: Hasher, content: Uint8Array): Uint8Array {
  const value = new Uint8Array(CHECKSUM_BYTES + content.length)
  value.set(crypto.hash(content).subarray(0, CHECKSUM_BYTES))
  value.set(content, CHECKSUM_BYTES)
  return value
}

function open(crypto: Hasher, value: Uint8Array): Uint8Array | undefined {
  const content = value.subarray(CHECKSUM_BYTES)
  const checksum = crypto.hash(content).subarray(0, CHECKSUM_BYTES)
  return equalBytes(checksum, value.subarray(0, CHECKSUM_BYTES)) ? content : undefined
}
