/**
 * The store driver: an LMDB environment in the data directory. Tickets that arrive while a transaction is being
 * written share the next one (group commit), so a busy disk makes transactions larger, not the queue longer.
 *
 * Durability: lmdb-js commits with an overlapping sync by default, where its promises resolve *before* the data
 * is on disk. Here `overlappingSync` is off: the writer thread commits as plain LMDB does, data pages are synced
 * and the meta page is written with O_DSYNC before the promise resolves, and that is what `persisted` reports.
 *
 *  1. Tickets are written in order; a transaction holds whole tickets only (driver contract, rule 7).
 *  2. At most one transaction is under way.
 *  3. LMDB is given a file only after all of it was read and found sound. A damaged one is set aside, and a new one is made of
 *     the entries that are whole.
 *  4. A file with much room in it, because much was deleted, is written anew, when it is opened and between two transactions, or
 *     in place of one that would leave it so: the new one is complete and on disk before it takes the place of the old. Tickets
 *     wait meanwhile. So a fold and what it replaces are never in one file, which would be as large as both.
 *  5. LMDB maps the file, and every page that it has looked at stays in the memory of this process: a file that has grown by much
 *     is closed and opened again, between two transactions.
 *  6. A full disk holds tickets up, in order, until there is room again; both is reported. Any other write that fails is
 *     fatal to the node: it is reported once, and nothing is persisted after it.
 */
import { accessSync, constants, existsSync, statSync, truncateSync } from 'node:fs'
import { basename } from 'node:path'
import { CausewayError, type StoreEffect, type StoreEntry } from '@causeway/protocol'
import { DataLock } from './data-lock.ts'
import { hasRoom, saysFull } from './disk-room.ts'
import {
  type StoreChanges,
  type StoreDatabase,
  damageIn,
  discardDraft,
  draftStoreFile,
  installDraft,
  isLoose,
  SWAP_LOCK,
  openDatabase,
  pagedBytes,
  readStoreFile,
  replaceStoreFile,
  sealed,
  sizesOf,
  storeFile,
  storedEntries,
  withoutCleanMark,
} from './store-file.ts'

/** Between attempts to write to a full disk. */
const RETRY_MS = 1_000
/** Pages that a transaction writes besides its values. */
const SPARE_BYTES = 256 * 1024
/** Pages of the tree that a transaction writes anew: it changes none in its place. */
const COPIED_BYTES = 16 * 1024
/** What a file has grown by until it is mapped anew. */
const MAPPED_BYTES = 32 * 1024 * 1024

export interface LmdbStoreOptions {
  readonly dataDir: string
  readonly onPersisted: (ticket: number) => void
  /** The disk refused a write; nothing will be persisted any more. */
  readonly onFailure: (error: CausewayError) => void
  /** The disk is full: tickets wait. `undefined`: there is room again, and none waits any more for that. */
  readonly onFull?: (error: CausewayError | undefined) => void
}

/** What was done about a damaged file. */
export interface StoreRepair {
  /** Where the damaged file is now. */
  readonly aside: string
  readonly damage: readonly string[]
  /** Entries that were whole. */
  readonly kept: number
}

interface Pending {
  readonly ticket: number
  readonly entries: readonly { readonly key: string; readonly stored: Buffer | undefined }[]
}

export class LmdbStore {
  /** Set if the file was damaged. */
  readonly repair: StoreRepair | undefined
  readonly #options: LmdbStoreOptions
  readonly #lock: DataLock
  #database: StoreDatabase
  #pending: Pending[] = []
  #writing: Promise<void> | undefined
  #failed = false
  #full = false
  /** Size of the file before which it is not written anew. */
  #tightenFrom = 0
  /** Size of the file when it was opened. */
  #openedBytes = 0
  readonly #closing = Promise.withResolvers<void>()
  #closed = false

  private constructor(options: LmdbStoreOptions, lock: DataLock, repair: StoreRepair | undefined) {
    this.#options = options
    this.#lock = lock
    this.repair = repair
    this.#database = this.#opened()
  }

  /** Throws `store-locked`, or `store-corrupt` for a file of another version, naming the path and what to do. */
  static async open(options: LmdbStoreOptions): Promise<LmdbStore> {
    const path = storeFile(options.dataDir)
    const lock = acquireLock(options.dataDir)
    try {
      if (existsSync(path)) accessSync(path, constants.R_OK | constants.W_OK)
      const repair = damageIn(path).length === 0 ? undefined : await repairFile(path)
      discardDraft(path)
      const store = new LmdbStore(options, lock, repair)
      await store.#tighten()
      return store
    } catch (cause) {
      lock.release()
      throw openError(cause, path)
    }
  }

  /** What is stored, in the order of the keys, read while it is asked for; to be read before anything is persisted. */
  *load(): Generator<StoreEntry, void> {
    const path = storeFile(this.#options.dataDir)
    const damage: string[] = []
    yield* storedEntries(path, damage)
    const [fault] = damage
    if (fault === undefined) return
    throw new CausewayError('store-corrupt', `${path} was whole, and is not any more: ${fault}`, 'test the disk, then start again')
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

  /** Writes what is pending, if the disk takes it, then lets go of the files. */
  async close(): Promise<void> {
    this.#closed = true
    this.#closing.resolve()
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
      const fault = (await this.#commitAnew(tickets)) ? undefined : await this.#commit(tickets)
      if (fault === undefined && !this.#failed) {
        this.#reportPersisted(tickets)
        await this.#tighten()
        await this.#remap()
      } else if (fault !== undefined) {
        if (this.#hasRoom(tickets) && !saysFull(fault)) this.#fail(fault)
        else await this.#waitForRoom(tickets, fault)
      }
      if (this.#closed && fault !== undefined) break
    }
    this.#writing = undefined
  }

  /** One transaction; resolves with what went wrong. */
  async #commit(tickets: readonly Pending[]): Promise<Error | undefined> {
    try {
      await this.#database.batch(() => {
        for (const { entries } of tickets) for (const { key, stored } of entries) this.#put(key, stored)
      })
      return undefined
    } catch (cause) {
      return faultOf(cause)
    }
  }

  /** The tickets as part of a new file, if one that takes them would be loose then. False if nothing was done. */
  async #commitAnew(tickets: readonly Pending[]): Promise<boolean> {
    if (!tickets.some(({ entries }) => entries.some(({ stored }) => !stored))) return false
    const changes = new Map(tickets.flatMap(({ entries }) => entries.map(({ key, stored }) => [key, stored] as const)))
    let [put, removed] = [0, 0]
    for (const [key, stored] of changes) {
      if (stored) put += pagedBytes(stored.length)
      else removed += pagedBytes(this.#database.get(key)?.length ?? 0)
    }
    const { fileBytes, usedBytes } = sizesOf(this.#database)
    // What a transaction frees it cannot use, and what the last ones have freed it hardly can.
    const loose = isLoose(fileBytes + put + COPIED_BYTES, Math.max(0, usedBytes + put - removed))
    return fileBytes >= this.#tightenFrom && loose && this.#rewrite(fileBytes, changes)
  }

  /** Invariant 4. */
  async #tighten(): Promise<void> {
    const { fileBytes, usedBytes } = sizesOf(this.#database)
    if (fileBytes >= this.#tightenFrom && isLoose(fileBytes, usedBytes)) await this.#rewrite(fileBytes, new Map())
  }

  /** False if nothing was done. */
  async #rewrite(fileBytes: number, changes: StoreChanges): Promise<boolean> {
    const turn = swapTurn(this.#options.dataDir)
    if (!turn) return false
    const path = storeFile(this.#options.dataDir)
    try {
      if (!(await this.#draft(path, fileBytes, changes))) return false
      await this.#install(path)
    } catch (cause) {
      this.#fail(await faultOf(cause))
    } finally {
      turn.release()
    }
    return true
  }

  async #draft(path: string, fileBytes: number, changes: StoreChanges): Promise<boolean> {
    try {
      await draftStoreFile(path, this.#database, changes)
      return true
    } catch {
      // A disk without room for it, perhaps: the file is good as it is.
      discardDraft(path)
      this.#tightenFrom = 2 * fileBytes
      return false
    }
  }

  async #install(path: string): Promise<void> {
    await this.#database.close()
    installDraft(path)
    this.#database = this.#opened()
  }

  /** Invariant 5. */
  async #remap(): Promise<void> {
    if (this.#failed || sizesOf(this.#database).fileBytes < this.#openedBytes + MAPPED_BYTES) return
    try {
      await this.#database.close()
      this.#database = this.#opened()
    } catch (cause) {
      this.#fail(await faultOf(cause))
    }
  }

  #opened(): StoreDatabase {
    const database = openSound(storeFile(this.#options.dataDir))
    this.#openedBytes = sizesOf(database).fileBytes
    return database
  }

  #reportPersisted(tickets: readonly Pending[]): void {
    if (this.#full) this.#options.onFull?.(undefined)
    this.#full = false
    for (const { ticket } of tickets) this.#options.onPersisted(ticket)
  }

  /** The tickets keep their place. Returns when it is worth trying again, or the store is being closed. */
  async #waitForRoom(tickets: readonly Pending[], fault: Error): Promise<void> {
    this.#pending.unshift(...tickets)
    if (!this.#full) this.#options.onFull?.(diskFull(this.#options.dataDir, fault))
    this.#full = true
    do {
      const timer = Promise.withResolvers<void>()
      const timeout = setTimeout(timer.resolve, RETRY_MS)
      await Promise.race([timer.promise, this.#closing.promise])
      clearTimeout(timeout)
    } while (!this.#closed && !this.#hasRoom(this.#pending))
  }

  /** A write that was cut short is an input/output error to LMDB, whether the disk is full or broken. */
  #hasRoom(tickets: readonly Pending[]): boolean {
    const stored = tickets.flatMap(({ entries }) => entries).reduce((sum, entry) => sum + (entry.stored?.length ?? 0), 0)
    return hasRoom(storeFile(this.#options.dataDir), stored + SPARE_BYTES)
  }

  #put(key: string, stored: Buffer | undefined): void {
    // The promise of the whole batch tells of each of them.
    void (stored ? this.#database.put(key, stored) : this.#database.remove(key))
  }

  #fail(cause: Error): void {
    this.#failed = true
    this.#pending = []
    this.#options.onFailure(
      new CausewayError(
        'store-corrupt',
        `cannot write ${storeFile(this.#options.dataDir)}: ${cause.message}`,
        'repair the disk, then start again; what was acknowledged is kept',
        { cause },
      ),
    )
  }
}

/** Throws `store-locked` or `config-invalid`. */
export function acquireLock(dataDir: string): DataLock {
  try {
    return DataLock.acquire(dataDir)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'EEXIST' || code === 'ENOTDIR' || code === 'ENOENT') {
      throw new CausewayError('config-invalid', `${dataDir} is no directory: ${message}`, 'set dataDir to another path', { cause })
    }
    throw openError(cause, dataDir)
  }
}

/** `undefined` while somebody copies the file: he would find one half of the old one and one of the new. */
function swapTurn(dataDir: string): DataLock | undefined {
  try {
    return DataLock.acquire(dataDir, SWAP_LOCK)
  } catch {
    return undefined
  }
}

async function repairFile(path: string): Promise<StoreRepair> {
  const { entries, damage } = readStoreFile(path)
  const aside = `${path}.damaged`
  const kept = withoutCleanMark(entries)
  await replaceStoreFile(path, kept, aside)
  return { aside: basename(aside), damage, kept: kept.length }
}

/**
 * A file may rightly be short of pages that were allocated and never written. LMDB maps it into memory, where reading
 * beyond its end would kill the process, so it is filled up with zeros.
 */
function openSound(path: string): StoreDatabase {
  const database = openDatabase(path)
  const { pageSize, lastPageNumber } = database.getStats() as { pageSize?: number; lastPageNumber?: number }
  if (pageSize !== undefined && lastPageNumber !== undefined) {
    const expected = pageSize * (lastPageNumber + 1)
    if (statSync(path).size < expected) truncateSync(path, expected)
  }
  return database
}

/** lmdb-js rejects with "see commitError", which is a promise of the cause, or rejects in its turn. */
async function faultOf(cause: unknown): Promise<Error> {
  const error = cause instanceof Error ? cause : new Error(String(cause))
  const { commitError } = error as { commitError?: Promise<unknown> }
  if (commitError === undefined) return error
  try {
    await commitError
    return error
  } catch (inner) {
    return inner instanceof Error ? inner : error
  }
}

function diskFull(dataDir: string, cause: Error): CausewayError {
  return new CausewayError(
    'store-full',
    `the disk of ${dataDir} is full: ${cause.message}`,
    'make room on it; reads go on, and writes are taken again as soon as there is room',
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
  if (saysFull(cause as Error)) return diskFull(path, cause as Error)
  return new CausewayError(
    'store-corrupt',
    `${path} cannot be opened: ${message}`,
    'restore it from a backup, or move it away: the node fetches again what its peers hold',
    { cause },
  )
}
