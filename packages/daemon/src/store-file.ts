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
import { readLmdbFile } from './lmdb-pages.ts'

const FILE = 'store.mdb'
const CRC_BYTES = 4

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

export function storeFile(dataDir: string): string {
  return join(dataDir, FILE)
}

/** Reads and checks all of it; nobody may write to it meanwhile. Throws `store-corrupt` if it is of another version of LMDB. */
export function readStoreFile(path: string): StoreContent {
  if (!existsSync(path)) return { entries: [], damage: [] }
  const { nodes, damage } = readLmdbNodes(path)
  const entries: StoredEntry[] = []
  const faults = [...damage]
  for (const { key, value } of nodes) {
    const name = key.toString()
    const content = unsealed(key, value)
    if (content) entries.push({ key: name, value: content })
    else faults.push(`the checksum of ${JSON.stringify(name)} does not match`)
  }
  return { entries, damage: faults }
}

/**
 * Opens it for writing: durable when a transaction's promise resolves (see `LmdbStore`). Event-turn batching is off because
 * it makes promises that nobody else has, and that are rejected all the same when a commit fails.
 */
export function openDatabase(path: string): StoreDatabase {
  return open<Buffer, string>({
    path,
    noSubdir: true,
    encoding: 'binary',
    overlappingSync: false,
    eventTurnBatching: false,
    maxDbs: 1,
  })
}

/** Makes a file of these entries and puts it in place of `path`; what was there stays as `aside`, if that is given. */
export async function replaceStoreFile(path: string, entries: readonly StoredEntry[], aside?: string): Promise<void> {
  const draft = `${path}.new`
  discard(draft)
  const database = openDatabase(draft)
  try {
    database.transactionSync(() => {
      for (const { key, value } of entries) database.putSync(key, sealed(key, value))
    })
  } finally {
    await database.close()
  }
  syncFile(draft)
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

function readLmdbNodes(path: string): ReturnType<typeof readLmdbFile> {
  try {
    return readLmdbFile(path)
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
