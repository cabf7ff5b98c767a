/**
 * What people do with a store by hand: look at it, make it smaller, keep a copy, put one back. Only looking and copying
 * are possible while its node runs; LMDB then gives a copy as of one moment.
 *
 *  1. A copy that was put back lacks the mark of a clean stop: what the node wrote since the copy was made may be out in the
 *     network, so it takes a new epoch.
 *  2. Nothing is overwritten unless that was asked for, and what is replaced stays beside it.
 */
import { existsSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { open } from 'lmdb'
import { CausewayError, type Crypto } from '@causeway/protocol'
import { type StoredDocument, auditStore } from '@causeway/state'
import { DataLock } from './data-lock.ts'
import { acquireLock } from './lmdb-store.ts'
import { makeDirectory } from './make-directory.ts'
import { createNodeCrypto, generateKeyPair } from './node-crypto.ts'
import { SWAP_LOCK, type StoreContent, readStoreFile, replaceStoreFile, storeFile, syncFile, withoutCleanMark } from './store-file.ts'

const SWAP_MS_MAX = 30_000
const SWAP_LOOK_MS = 20

/** Hears what is being done, and how much of that is behind us, from 0 to 1, where that is known. */
export type TellProgress = (step: string, ratio?: number) => void

const TELL_NOBODY: TellProgress = () => {}

export interface StoreReport {
  readonly path: string
  readonly fileBytes: number
  readonly entries: number
  readonly documents: readonly StoredDocument[]
  /** The node was stopped in good order, and nothing was written since. */
  readonly cleanStop: boolean
  /** In the file, or in the logs in it; empty if all is whole. */
  readonly faults: readonly string[]
}

/** Reads and checks all of a store: a data directory, also of a node that runs, or a backup. */
export async function inspectStore(path: string, tell: TellProgress = TELL_NOBODY): Promise<StoreReport> {
  return withContent(path, tell, (content, file) => {
    const crypto = createNodeCrypto(generateKeyPair().seed)
    let verified = 0
    // Most entries are batches, and what takes long are their signatures.
    const verify: Crypto['verify'] = (...signature) => {
      tell('checking signatures', ++verified / content.entries.length)
      return crypto.verify(...signature)
    }
    const { documents, cleanStop, faults } = auditStore({ ...crypto, verify }, content.entries)
    return {
      path: resolve(path),
      fileBytes: statSync(file).size,
      entries: content.entries.length,
      documents,
      cleanStop,
      faults: [...content.damage, ...faults],
    }
  })
}

/** Writes a store anew without the room that deleted entries left. Throws `store-locked` while its node runs. */
export async function compactStore(
  dataDir: string,
  tell: TellProgress = TELL_NOBODY,
): Promise<{ readonly bytesBefore: number; readonly bytesAfter: number }> {
  const path = existingStore(dataDir)
  const lock = acquireLock(dataDir)
  try {
    const bytesBefore = statSync(path).size
    const entries = soundEntries(readWhole(path, tell), path)
    tell('writing')
    await replaceStoreFile(path, entries)
    return { bytesBefore, bytesAfter: statSync(path).size }
  } finally {
    lock.release()
  }
}

/** Copies a store to a file that must not be there yet. */
export async function backupStore(
  dataDir: string,
  file: string,
  tell: TellProgress = TELL_NOBODY,
): Promise<{ readonly entries: number; readonly fileBytes: number }> {
  if (existsSync(file)) throw new CausewayError('conflict', `${file} exists`, 'choose another name, or remove it')
  const content = await withContent(dataDir, tell, (found, path) => soundEntries(found, path))
  tell('writing')
  try {
    makeDirectory(dirname(resolve(file)))
    await replaceStoreFile(resolve(file), content)
  } catch (cause) {
    throw new CausewayError('usage', `cannot write ${file}: ${(cause as Error).message}`, 'name a file that can be written', { cause })
  }
  rmSync(`${resolve(file)}-lock`, { force: true })
  return { entries: content.length, fileBytes: statSync(file).size }
}

/**
 * Puts a backup in place as the store of a data directory, or only tries whether it could. `kept`: the name beside it of the store that
 * was there. Throws `conflict` if there is one and `force` is not set.
 */
export async function restoreStore(
  file: string,
  dataDir: string,
  { force, dryRun }: { readonly force: boolean; readonly dryRun: boolean },
  tell: TellProgress = TELL_NOBODY,
): Promise<{ readonly entries: number; readonly kept: string | null }> {
  if (!existsSync(file)) throw new CausewayError('not-found', `there is no ${file}`, 'name a file that "causeway backup" made')
  const entries = withoutCleanMark(soundEntries(readWhole(file, tell), file, 'take another backup: this one is not what was written'))
  const path = storeFile(dataDir)
  // The lock would make it.
  if (dryRun && !existsSync(dataDir)) return { entries: entries.length, kept: null }
  const lock = acquireLock(dataDir)
  try {
    const kept = existsSync(path) ? freeName(`${path}.replaced`) : undefined
    if (kept !== undefined && !force)
      throw new CausewayError(
        'conflict',
        `${dataDir} has a store already`,
        'restore to another directory, or use --force: the old one is then kept beside it',
      )
    if (!dryRun) {
      tell('writing')
      await replaceStoreFile(path, entries, kept)
    }
    return { entries: entries.length, kept: kept === undefined ? null : basename(kept) }
  } finally {
    lock.release()
  }
}

/** What was put aside before stays. */
function freeName(path: string): string {
  let name = path
  for (let number = 2; existsSync(name); number++) name = `${path}.${number}`
  return name
}

/** Gives the content of a backup, or of a data directory whether or not its node runs; and the file that it was read from. */
async function withContent<Result>(
  path: string,
  tell: TellProgress,
  use: (content: StoreContent, file: string) => Result,
): Promise<Result> {
  if (existsSync(path) && statSync(path).isFile()) return use(readWhole(path, tell), path)
  const file = existingStore(path)
  const lock = tryLock(path)
  if (lock) {
    try {
      return use(readWhole(file, tell), file)
    } finally {
      lock.release()
    }
  }
  const directory = mkdtempSync(join(tmpdir(), 'causeway-'))
  try {
    const copy = join(directory, 'store.mdb')
    tell('copying the store of a running node')
    const turn = await swapTurn(path)
    try {
      await copyLive(file, copy)
    } finally {
      turn.release()
    }
    return use(readWhole(copy, tell), copy)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Pages hold more than what is in them, so the last part of it may come at once. */
function readWhole(path: string, tell: TellProgress): StoreContent {
  const fileBytes = statSync(path).size
  let bytes = 0
  return readStoreFile(path, ({ key, value }) => {
    bytes += key.length + value.length
    tell('reading', bytes / fileBytes)
  })
}

/** `undefined` while its node runs. */
function tryLock(dataDir: string): ReturnType<typeof acquireLock> | undefined {
  try {
    return acquireLock(dataDir)
  } catch (error) {
    if (error instanceof CausewayError && error.code === 'store-locked' && existsSync(join(dataDir, 'lock'))) return undefined
    throw error
  }
}

/** Waits while the node puts another file in the place of its own, or somebody else copies it. */
async function swapTurn(dataDir: string): Promise<DataLock> {
  for (const until = performance.now() + SWAP_MS_MAX; ; await pause(SWAP_LOOK_MS)) {
    try {
      return DataLock.acquire(dataDir, SWAP_LOCK)
    } catch (error) {
      if (!(error instanceof CausewayError) || performance.now() > until) throw error
    }
  }
}

/** Its node has read all of the file before LMDB got it, so LMDB may read it here. */
async function copyLive(file: string, copy: string): Promise<void> {
  const database = open({ path: file, noSubdir: true, encoding: 'binary', readOnly: true, maxDbs: 1 })
  try {
    await database.backup(`${copy}.new`, false)
  } finally {
    await database.close()
  }
  syncFile(`${copy}.new`)
  renameSync(`${copy}.new`, copy)
}

function existingStore(dataDir: string): string {
  const path = storeFile(dataDir)
  if (existsSync(path)) return path
  throw new CausewayError('not-found', `there is no store in ${dataDir}`, 'name the dataDir of a node')
}

function soundEntries(
  { entries, damage }: StoreContent,
  path: string,
  remedy = 'start its node once: it keeps what is whole, and peers bring back the rest',
): StoreContent['entries'] {
  const [fault] = damage
  if (fault === undefined) return entries
  throw new CausewayError('store-corrupt', `${path} is damaged: ${fault}`, remedy)
}
