/**
 * The store driver: an LMDB environment in the data directory. Tickets that arrive while a transaction is being
 * written share the next one (group commit), so a busy disk makes transactions larger, not the queue longer.
 *
 * Durability: lmdb-js commits with an overlapping sync by default, where its promises resolve *before* the data
 * is on disk. Here `overlappingSync` is off: the writer thread commits as plain LMDB does, data pages are synced
 * and the meta page is written with O_DSYNC before the promise resolves, and that is what `persisted` reports.
 *
 *  1. Tickets are written in order; a transaction holds whole tickets only (driver contract, rule 6).
 *  2. At most one transaction is under way.
 *  3. Each value is stored with a CRC-32 over key and value; a mismatch at the start is `store-corrupt`.
 *  4. A write that fails is fatal to the node: it is reported once, and nothing is persisted after it.
 */
import { accessSync, closeSync, constants, existsSync, openSync, readSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { type RootDatabase, open } from 'lmdb'
import { CausewayError, type StoreEffect, type StoreEntry, readU32, writeU32 } from '@causeway/protocol'
import { DataLock } from './data-lock.ts'

const FILE = 'store.mdb'
const CRC_BYTES = 4
/** `MDB_meta` in the first page of the file, little-endian on every machine we run on. */
const META_MAGIC_OFFSET = 24
const META_VERSION_OFFSET = 28
const META_MAGIC = 0xbeefc0de
const META_VERSION = 2

export interface LmdbStoreOptions {
  readonly dataDir: string
  readonly onPersisted: (ticket: number) => void
  /** The disk refused a write; nothing will be persisted any more. */
  readonly onFailure: (error: CausewayError) => void
}

interface Pending {
  readonly ticket: number
  readonly entries: readonly { readonly key: string; readonly stored: Buffer | undefined }[]
}

export class LmdbStore {
  readonly #options: LmdbStoreOptions
  readonly #lock: DataLock
  readonly #database: RootDatabase<Buffer, string>
  #pending: Pending[] = []
  #writing: Promise<void> | undefined
  #failed = false

  private constructor(options: LmdbStoreOptions, lock: DataLock, database: RootDatabase<Buffer, string>) {
    this.#options = options
    this.#lock = lock
    this.#database = database
  }

  /** Throws `store-locked` or `store-corrupt`, naming the path and what to do. */
  static open(options: LmdbStoreOptions): LmdbStore {
    const path = join(options.dataDir, FILE)
    const lock = acquire(options.dataDir)
    try {
      checkFile(path)
      const database = open<Buffer, string>({ path, noSubdir: true, encoding: 'binary', overlappingSync: false, maxDbs: 1 })
      fillUp(database, path)
      return new LmdbStore(options, lock, database)
    } catch (cause) {
      lock.release()
      throw openError(cause, path)
    }
  }

  /** Everything that is stored, in the order of the keys. Throws `store-corrupt`. */
  *load(): Generator<StoreEntry> {
    for (const { key, value } of this.#database.getRange()) yield { key, value: unsealed(key, value, this.#options.dataDir) }
  }

  persist(effect: StoreEffect): void {
    if (this.#failed) return
    // Sealing copies: the caller may reuse its bytes at once.
    this.#pending.push({
      ticket: effect.ticket,
      entries: effect.entries.map(({ key, value }) => ({ key, stored: value && sealed(key, value) })),
    })
    this.#writing ??= this.#write()
  }

  /** Writes what is pending, then lets go of the files. */
  async close(): Promise<void> {
    await this.#writing
    await this.#database.close()
    this.#lock.release()
  }

  async #write(): Promise<void> {
    // What the turn persists comes together first.
    await Promise.resolve()
    while (this.#pending.length > 0 && !this.#failed) {
      const tickets = this.#pending
      this.#pending = []
      try {
        await this.#database.batch(() => {
          for (const { entries } of tickets) for (const { key, stored } of entries) this.#put(key, stored)
        })
      } catch (cause) {
        this.#fail(cause)
        return
      }
      for (const { ticket } of tickets) this.#options.onPersisted(ticket)
    }
    this.#writing = undefined
  }

  #put(key: string, stored: Buffer | undefined): void {
    // The promise of the whole batch tells of each of them.
    void (stored ? this.#database.put(key, stored) : this.#database.remove(key))
  }

  #fail(cause: unknown): void {
    this.#failed = true
    this.#pending = []
    const path = join(this.#options.dataDir, FILE)
    const detail = cause instanceof Error ? cause.message : String(cause)
    this.#options.onFailure(
      new CausewayError(
        'store-corrupt',
        `cannot write ${path}: ${detail}`,
        'make room on the disk or repair it, then start again; what was acknowledged is kept',
        { cause },
      ),
    )
  }
}

function acquire(dataDir: string): DataLock {
  try {
    return DataLock.acquire(dataDir)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'EEXIST' || code === 'ENOTDIR') {
      throw new CausewayError('config-invalid', `${dataDir} is no directory: ${message}`, 'set dataDir to another path', { cause })
    }
    throw openError(cause, dataDir)
  }
}

/** What LMDB would not survive itself: lmdb-js crashes the process on a file that is not its own. */
function checkFile(path: string): void {
  if (!existsSync(path)) return
  accessSync(path, constants.R_OK | constants.W_OK)
  const head = Buffer.alloc(META_VERSION_OFFSET + 4)
  const file = openSync(path, 'r')
  try {
    const length = readSync(file, head, 0, head.length, 0)
    if (length === 0) return
    if (head.readUInt32LE(META_MAGIC_OFFSET) !== META_MAGIC || head.readUInt32LE(META_VERSION_OFFSET) !== META_VERSION) {
      throw new Error('it is not an LMDB file of this version')
    }
  } finally {
    closeSync(file)
  }
}

/**
 * LMDB maps the file into memory: reading a page beyond its end would kill the process. A file may rightly be short
 * of pages that were allocated and never written, so it is filled up with zeros; if they were needed, the
 * checksums tell.
 */
function fillUp(database: RootDatabase<Buffer, string>, path: string): void {
  const { pageSize, lastPageNumber } = database.getStats() as { pageSize?: number; lastPageNumber?: number }
  if (pageSize === undefined || lastPageNumber === undefined) return
  const expected = pageSize * (lastPageNumber + 1)
  if (statSync(path).size < expected) truncateSync(path, expected)
}

function sealed(key: string, value: Uint8Array): Buffer {
  const stored = Buffer.allocUnsafe(CRC_BYTES + value.length)
  stored.set(value, CRC_BYTES)
  writeU32(stored, 0, checksum(key, value))
  return stored
}

function unsealed(key: string, stored: Buffer, dataDir: string): Uint8Array {
  const value = new Uint8Array(stored.subarray(CRC_BYTES))
  if (stored.length < CRC_BYTES || readU32(stored, 0) !== checksum(key, value)) {
    throw corrupt(join(dataDir, FILE), `the checksum of ${JSON.stringify(key)} does not match`)
  }
  return value
}

function checksum(key: string, value: Uint8Array): number {
  return crc32(value, crc32(key))
}

function corrupt(path: string, detail: string, cause?: unknown): CausewayError {
  return new CausewayError(
    'store-corrupt',
    `${path} is damaged: ${detail}`,
    'restore it from a backup, or move it away: the node fetches again what its peers hold',
    { cause },
  )
}

function openError(cause: unknown, path: string): CausewayError {
  if (cause instanceof CausewayError) return cause
  const { code, message } = cause as NodeJS.ErrnoException
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || /permission denied|read-only/i.test(message)) {
    return new CausewayError(
      'store-locked',
      `${path} cannot be written: ${message}`,
      'give the user of this process read and write access to dataDir',
      { cause },
    )
  }
  return corrupt(path, message, cause)
}
