/**
 * The file of a store: what it holds, and how a sound one is put in its place. A file is only ever replaced, in one step
 * and by one that is complete and on disk: a power cut leaves the one or the other.
 *
 * A value is stored behind a CRC-32 over key and value, so that whatever comes through the disk is what was written.
 */
import { closeSync, existsSync, fsyncSync, linkSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { crc32 } from 'node:zlib'
import { type RootDatabase, open } from 'lmdb'
import { CausewayError, readU32, writeU32 } from '@causeway/protocol'
import { CLEAN_KEY } from '@causeway/state'
import { type LmdbNode, lmdbNodes } from './lmdb-pages.ts'

const FILE = 'store.mdb'
/** Who opens the file of a running node to copy it, and the node while it puts another in its place, hold this lock. */
export const SWAP_LOCK = 'swap-lock'
const CRC_BYTES = 4
const META_PAGES = 2
const PAGE_BYTES = 4096
/** LMDB never makes a file smaller. With less room than this one would be written anew for every little that is deleted. */
const LOOSE_RATIO = 1.5
const LOOSE_BYTES = 64 * 1024
/** What is copied at one go, while everything else waits. */
const PORTION_BYTES = 1024 * 1024
const PORTION_ENTRIES = 2_000

export type StoreDatabase = RootDatabase<Buffer, string>

export interface StoredEntry {
  readonly key: string
  readonly value: Uint8Array
}

export interface StoreContent {
  /** In the order of the keys; those that are whole. */
  readonly entries: readonly StoredEntry[]
  /** What is wrong, in words. */
  readonly damage: readonly string[]
}

/** What LMDB tells, of which its types tell nothing. */
interface LmdbSizes {
  readonly pageSize: number
  readonly lastPageNumber: number
  readonly treeBranchPageCount: number
  readonly treeLeafPageCount: number
  readonly overflowPages: number
}

export function storeFile(dataDir: string): string {
  return join(dataDir, FILE)
}

/**
 * Reads and checks all of it, and tells of each entry; nobody may write to it meanwhile. Throws `store-corrupt` if it is of
 * another version of LMDB.
 */
export function readStoreFile(path: string, onEntry: (entry: StoredEntry) => void = () => {}): StoreContent {
  const damage: string[] = []
  const entries: StoredEntry[] = []
  for (const entry of storedEntries(path, damage)) {
    entries.push(entry)
    onEntry(entry)
  }
  return { entries, damage }
}

/** The same entry by entry; all of `damage` is known when the last has been given. */
export function* storedEntries(path: string, damage: string[]): Generator<StoredEntry, void> {
  if (!existsSync(path)) return
  const nodes = lmdbNodes(path, damage)
  for (let next = nextNode(nodes, path); next; next = nextNode(nodes, path)) {
    const name = next.key.toString()
    const value = unsealed(next.key, next.value)
    if (value) yield { key: name, value }
    else damage.push(`the checksum of ${JSON.stringify(name)} does not match`)
  }
}

/** What is wrong with the file; nothing of it is kept. */
export function damageIn(path: string): string[] {
  const damage: string[] = []
  for (const _ of storedEntries(path, damage));
  return damage
}

/**
 * Opens it for writing: durable when a transaction's promise resolves (see `LmdbStore`), unless `unsynced`. Event-turn
 * batching is off because it makes promises that nobody else has, and that are rejected all the same when a commit fails.
 */
export function openDatabase(path: string, unsynced = false): StoreDatabase {
  return open<Buffer, string>({
    path,
    noSubdir: true,
    encoding: 'binary',
    overlappingSync: false,
    noSync: unsynced,
    eventTurnBatching: false,
    maxDbs: 1,
  })
}

/** Whether a file of so many bytes should be written anew for the sake of those that are used in it. */
export function isLoose(fileBytes: number, usedBytes: number): boolean {
  return fileBytes > LOOSE_RATIO * usedBytes + LOOSE_BYTES
}

/** What a value takes of a file: one that is not small has pages of its own. */
export function pagedBytes(valueBytes: number): number {
  return valueBytes > PAGE_BYTES / 2 ? Math.ceil(valueBytes / PAGE_BYTES) * PAGE_BYTES : valueBytes
}

/** Of the file, and of the pages in it that hold something. */
export function sizesOf(database: StoreDatabase): { readonly fileBytes: number; readonly usedBytes: number } {
  const { pageSize, lastPageNumber, treeBranchPageCount, treeLeafPageCount, overflowPages } = database.getStats() as LmdbSizes
  const used = META_PAGES + treeBranchPageCount + treeLeafPageCount + overflowPages
  return { fileBytes: pageSize * (lastPageNumber + 1), usedBytes: pageSize * used }
}

/** Makes a file of these entries and puts it in place of `path`; what was there stays as `aside`, if that is given. */
export async function replaceStoreFile(path: string, entries: readonly StoredEntry[], aside?: string): Promise<void> {
  await writeDraft(path, function* () {
    yield entries.map(({ key, value }) => ({ key, value: sealed(key, value) }))
  })
  installDraft(path, aside)
}

/** What becomes of keys: other values, or nothing. */
export type StoreChanges = ReadonlyMap<string, Buffer | undefined>

/**
 * Writes what a database holds, with the changes, to a file beside it, on disk when this resolves; nobody may write to the
 * database meanwhile. Portion by portion, since the process has other things to do.
 */
export async function draftStoreFile(path: string, database: StoreDatabase, changes: StoreChanges): Promise<void> {
  await writeDraft(path, function* () {
    for (let portion = portionAfter(database, undefined); portion.length > 0; portion = portionAfter(database, portion.at(-1)?.key)) {
      yield portion.filter(({ key }) => !changes.has(key))
    }
    yield [...changes].flatMap(([key, value]) => (value ? [{ key, value }] : []))
  })
}

interface StoredPair {
  readonly key: string
  readonly value: Buffer
}

function portionAfter(database: StoreDatabase, key: string | undefined): StoredPair[] {
  const portion: StoredPair[] = []
  let bytes = 0
  for (const pair of database.getRange(key === undefined ? {} : { start: key, exclusiveStart: true })) {
    portion.push(pair)
    bytes += pair.value.length
    if (bytes > PORTION_BYTES || portion.length === PORTION_ENTRIES) break
  }
  return portion
}

async function writeDraft(path: string, portions: () => Iterable<readonly StoredPair[]>): Promise<void> {
  const draft = draftOf(path)
  discard(draft)
  const database = openDatabase(draft, true)
  try {
    for (const portion of portions()) {
      await database.batch(() => {
        // The promise of the whole batch tells of each of them.
        for (const { key, value } of portion) void database.put(key, value)
      })
    }
  } finally {
    await database.close()
  }
  syncFile(draft)
}

/** Puts the draft in the place of a file that nobody has open; what was there stays as `aside`, if that is given. */
export function installDraft(path: string, aside?: string): void {
  const draft = draftOf(path)
  if (aside !== undefined) {
    rmSync(aside, { force: true })
    linkSync(path, aside)
  }
  // Readers register in the lock file, which belongs to the old one.
  rmSync(`${path}-lock`, { force: true })
  renameSync(draft, path)
  discard(draft)
  syncFile(dirname(path))
}

/** Of no use any more, or left behind by a process that died. */
export function discardDraft(path: string): void {
  discard(draftOf(path))
}

function draftOf(path: string): string {
  return `${path}.new`
}

/** As what a store holds after it lost something: without the promise that all that was written is there. */
export function withoutCleanMark(entries: readonly StoredEntry[]): readonly StoredEntry[] {
  return entries.filter(({ key }) => key !== CLEAN_KEY)
}

export function sealed(key: string, value: Uint8Array): Buffer {
  const stored = Buffer.allocUnsafe(CRC_BYTES + value.length)
  stored.set(value, CRC_BYTES)
  writeU32(stored, 0, checksum(key, value))
  return stored
}

/** The value, or `undefined` if it is not what was sealed under this key. */
function unsealed(key: string | Uint8Array, stored: Uint8Array): Uint8Array | undefined {
  if (stored.length < CRC_BYTES) return undefined
  const value = new Uint8Array(stored.buffer, stored.byteOffset + CRC_BYTES, stored.length - CRC_BYTES)
  return readU32(stored, 0) === checksum(key, value) ? value : undefined
}

export function syncFile(path: string): void {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

function discard(path: string): void {
  rmSync(path, { force: true })
  rmSync(`${path}-lock`, { force: true })
}

function checksum(key: string | Uint8Array, value: Uint8Array): number {
  return crc32(value, crc32(key))
}

function nextNode(nodes: ReturnType<typeof lmdbNodes>, path: string): LmdbNode | undefined {
  try {
    return nodes.next().value ?? undefined
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== undefined) throw cause
    throw new CausewayError(
      'store-corrupt',
      `${path} cannot be used: ${(cause as Error).message}`,
      'run the version of causeway that wrote it, or move it away: the node fetches again what its peers hold',
      { cause },
    )
  }
}
