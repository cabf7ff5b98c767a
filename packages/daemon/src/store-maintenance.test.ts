import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LmdbStore } from './lmdb-store.ts'
import { readStoreFile } from './store-file.ts'
import { backupStore, compactStore, inspectStore, restoreStore } from './store-maintenance.ts'
import { lastWholeTicket, startStoreWriter } from './store-writer.ts'

describe('maintenance of a store', () => {
  let directory: string
  let dataDir: string
  let backup: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'causeway-maintenance-'))
    dataDir = join(directory, 'data')
    backup = join(directory, 'monday.backup')
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  /** Each value in a transaction of its own; `undefined` removes. */
  async function write(...entries: readonly (readonly [string, Uint8Array | undefined])[]): Promise<void> {
    let persisted = 0
    const store = await LmdbStore.open({
      dataDir,
      onPersisted: () => persisted++,
      onFailure: (error) => {
        throw error
      },
    })
    for (const [index, [key, value]] of entries.entries()) {
      store.persist({ type: 'persist', ticket: index + 1, entries: [{ key, value }] })
      await vi.waitFor(() => expect(persisted).toBe(index + 1))
    }
    await store.close()
  }

  it('copies the store of a process that writes, as of one moment, and puts it back', async () => {
    const writer = startStoreWriter(dataDir)
    try {
      await vi.waitFor(() => expect(writer.reported.length).toBeGreaterThan(100), { timeout: 20_000 })
      const before = writer.reported.length
      await backupStore(dataDir, backup)
      const { entries, damage } = readStoreFile(backup)
      expect(damage).toEqual([])
      expect(lastWholeTicket(entries)).toBeGreaterThanOrEqual(before)
      expect(await inspectStore(dataDir)).toMatchObject({ faults: [] })
      await expect(compactStore(dataDir)).rejects.toMatchObject({ code: 'store-locked' })
      await expect(restoreStore(backup, dataDir, { force: true, dryRun: false })).rejects.toMatchObject({ code: 'store-locked' })
    } finally {
      const ended = once(writer.process, 'close')
      expect(writer.process.kill('SIGKILL'), 'it ran all the time').toBe(true)
      await ended
    }
    const fresh = join(directory, 'fresh')
    expect(await restoreStore(backup, fresh, { force: false, dryRun: true })).toMatchObject({ kept: null })
    expect(existsSync(fresh)).toBe(false)
    await restoreStore(backup, fresh, { force: false, dryRun: false })
    expect(readStoreFile(join(fresh, 'store.mdb'))).toEqual(readStoreFile(backup))
  })

  it('restores without the mark of a clean stop, and over a store only if told', async () => {
    await write(['a', Uint8Array.of(1)], ['state/clean', Uint8Array.of(1)])
    await backupStore(dataDir, backup)
    await write(['b', Uint8Array.of(2)])
    await expect(restoreStore(backup, dataDir, { force: false, dryRun: false })).rejects.toMatchObject({
      code: 'conflict',
      remedy: expect.stringContaining('--force'),
    })
    expect(await restoreStore(backup, dataDir, { force: true, dryRun: false })).toMatchObject({ kept: 'store.mdb.replaced' })
    expect(await restoreStore(backup, dataDir, { force: true, dryRun: false })).toMatchObject({ kept: 'store.mdb.replaced.2' })
    expect(readStoreFile(join(dataDir, 'store.mdb')).entries).toEqual([{ key: 'a', value: Uint8Array.of(1) }])
    expect(readStoreFile(join(dataDir, 'store.mdb.replaced')).entries.map(({ key }) => key)).toEqual(['a', 'b', 'state/clean'])
    await expect(backupStore(dataDir, backup)).rejects.toMatchObject({ code: 'conflict' })
  })

  it('makes a store small again from which much was deleted', async () => {
    const keys = Array.from({ length: 40 }, (_, index) => `k${index}`)
    await write(
      ...keys.map((key) => [key, new Uint8Array(50_000).fill(1)] as const),
      ...keys.slice(1).map((key) => [key, undefined] as const),
    )
    // The store has seen to that itself; if it left room, that goes as well.
    const { bytesBefore, bytesAfter } = await compactStore(dataDir)
    expect(bytesBefore).toBeLessThan(300_000)
    expect(bytesAfter).toBeLessThanOrEqual(Math.min(bytesBefore, 80_000))
    expect(statSync(join(dataDir, 'store.mdb')).size).toBe(bytesAfter)
    await write(['k', Uint8Array.of(1)])
    expect(readStoreFile(join(dataDir, 'store.mdb')).entries.map(({ key }) => key)).toEqual(['k', 'k0'])
  })

  it('names what is damaged, and copies none of it', async () => {
    await write(['a', Buffer.from('a value that is easy to find')])
    const path = join(dataDir, 'store.mdb')
    const bytes = readFileSync(path)
    bytes.writeUInt8(0, bytes.indexOf('easy to find'))
    writeFileSync(path, bytes)
    expect((await inspectStore(dataDir)).faults).toEqual(['the checksum of "a" does not match'])
    await expect(backupStore(dataDir, backup)).rejects.toMatchObject({ code: 'store-corrupt' })
    await expect(compactStore(dataDir)).rejects.toMatchObject({ code: 'store-corrupt' })
    expect(existsSync(backup)).toBe(false)
    expect(readFileSync(path)).toEqual(bytes)
  })

  it('says what is not there', async () => {
    await expect(inspectStore(directory)).rejects.toMatchObject({ code: 'not-found' })
    await expect(backupStore(directory, backup)).rejects.toMatchObject({ code: 'not-found' })
    await expect(restoreStore(backup, dataDir, { force: false, dryRun: false })).rejects.toMatchObject({ code: 'not-found' })
  })
})
