import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type StoreHarness, type StoreUnderTest, describeStoreContract } from '../../../test/contract/store-contract.ts'
import { LmdbStore } from './lmdb-store.ts'

function openStore(dataDir: string, onPersisted: (ticket: number) => void = () => {}): LmdbStore {
  return LmdbStore.open({
    dataDir,
    onPersisted,
    onFailure: (error) => {
      throw error
    },
  })
}

async function waitFor(condition: () => boolean, what: string): Promise<void> {
  await vi.waitFor(() => expect(condition(), what).toBe(true), { timeout: 10_000, interval: 5 })
}

async function makeHarness(): Promise<StoreHarness> {
  const dataDir = mkdtempSync(join(tmpdir(), 'causeway-store-'))
  let store: LmdbStore | undefined
  return {
    waitFor,
    async reopen(): Promise<StoreUnderTest> {
      await store?.close()
      const persisted: number[] = []
      const opened = openStore(dataDir, (ticket) => persisted.push(ticket))
      store = opened
      return { entries: [...opened.load()], persisted, persist: (effect) => opened.persist(effect) }
    },
    async stop() {
      await store?.close()
      rmSync(dataDir, { recursive: true })
    },
  }
}

describeStoreContract('LmdbStore', makeHarness)

/** Writes tickets as fast as it can and prints each one that is reported persisted. */
const WRITER = `
  const { LmdbStore } = await import(process.argv[1])
  const { writeSync } = await import('node:fs')
  let next = 1
  const persist = () => {
    const ticket = next++
    const value = new Uint8Array(200).fill(ticket & 0xff)
    store.persist({ type: 'persist', ticket, entries: [{ key: 'a/' + ticket, value }, { key: 'b/' + ticket, value }, { key: 'last', value: Uint8Array.of(ticket >> 16, ticket >> 8, ticket) }] })
  }
  const store = LmdbStore.open({
    dataDir: process.argv[2],
    onPersisted: (ticket) => { writeSync(1, ticket + '\\n'); persist() },
    onFailure: (error) => { throw error },
  })
  for (let i = 0; i < 20; i++) persist()
`

describe('LmdbStore', () => {
  let dataDir: string
  let child: ChildProcess | undefined
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'causeway-store-'))
  })
  afterEach(() => {
    child?.kill('SIGKILL')
    rmSync(dataDir, { recursive: true, force: true })
  })

  /** Starts the writer, and collects what it reports until `enough` lines have come. */
  async function startWriter(enough: number): Promise<{ process: ChildProcess; reported: number[] }> {
    const writer = spawn(process.execPath, ['--input-type=module', '-e', WRITER, join(import.meta.dirname, 'lmdb-store.ts'), dataDir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    child = writer
    const reported: number[] = []
    createInterface(writer.stdout).on('line', (line) => reported.push(Number(line)))
    await waitFor(() => reported.length >= enough, 'tickets of the writer')
    return { process: writer, reported }
  }

  it('keeps after kill -9 a prefix of whole tickets that includes all it reported', async () => {
    const writer = await startWriter(100)
    writer.process.kill('SIGKILL')
    await once(writer.process, 'close')
    const store = openStore(dataDir)
    const entries = new Map([...store.load()].map((entry) => [entry.key, entry.value ?? new Uint8Array(0)]))
    await store.close()
    const [high = 0, middle = 0, low = 0] = entries.get('last') ?? []
    const last = (high << 16) | (middle << 8) | low
    expect(last).toBeGreaterThanOrEqual(Math.max(...writer.reported))
    expect(entries.size).toBe(2 * last + 1)
    for (let ticket = 1; ticket <= last; ticket++) {
      expect(entries.get(`a/${ticket}`)).toEqual(new Uint8Array(200).fill(ticket & 0xff))
      expect(entries.get(`b/${ticket}`)).toEqual(new Uint8Array(200).fill(ticket & 0xff))
    }
  })

  it('refuses a second process while the first lives, and not after kill -9', async () => {
    const writer = await startWriter(1)
    expect(() => openStore(dataDir)).toThrow(
      expect.objectContaining({ code: 'store-locked', message: expect.stringContaining(`process ${writer.process.pid}`) }),
    )
    writer.process.kill('SIGKILL')
    await once(writer.process, 'close')
    await openStore(dataDir).close()
  })

  it('refuses a second store in the same process, and allows it after close', async () => {
    const first = openStore(dataDir)
    expect(() => openStore(dataDir)).toThrow(expect.objectContaining({ code: 'store-locked' }))
    await first.close()
    await openStore(dataDir).close()
  })

  it('takes over a lock of a process id that is now somebody else, and an unreadable one', async () => {
    writeFileSync(join(dataDir, 'lock'), JSON.stringify({ pid: process.ppid, started: '1' }))
    await openStore(dataDir).close()
    writeFileSync(join(dataDir, 'lock'), 'nonsense')
    await openStore(dataDir).close()
  })

  it('names the file and the remedy if it is not a store', () => {
    writeFileSync(join(dataDir, 'store.mdb'), Buffer.alloc(16_384, 7))
    expect(() => openStore(dataDir)).toThrow(
      expect.objectContaining({
        code: 'store-corrupt',
        message: expect.stringContaining('store.mdb'),
        remedy: expect.stringContaining('backup'),
      }),
    )
  })

  it('notices a file that was cut short', async () => {
    const persisted: number[] = []
    const store = openStore(dataDir, (ticket) => persisted.push(ticket))
    store.persist({ type: 'persist', ticket: 1, entries: [{ key: 'a', value: new Uint8Array(500_000).fill(5) }] })
    await waitFor(() => persisted.length === 1, 'the ticket')
    await store.close()
    const path = join(dataDir, 'store.mdb')
    truncateSync(path, statSync(path).size - 200_000)
    const damaged = openStore(dataDir)
    expect(() => [...damaged.load()]).toThrow(expect.objectContaining({ code: 'store-corrupt' }))
    await damaged.close()
  })

  it('notices a flipped bit', async () => {
    const persisted: number[] = []
    const store = openStore(dataDir, (ticket) => persisted.push(ticket))
    store.persist({ type: 'persist', ticket: 1, entries: [{ key: 'a', value: Buffer.from('a value that is easy to find') }] })
    await waitFor(() => persisted.length === 1, 'the ticket')
    await store.close()
    flipByte(join(dataDir, 'store.mdb'), 'easy to find')
    const damaged = openStore(dataDir)
    expect(() => [...damaged.load()]).toThrow(expect.objectContaining({ code: 'store-corrupt', message: expect.stringContaining('"a"') }))
    await damaged.close()
  })

  it('says so if the directory cannot be written', () => {
    chmodSync(dataDir, 0o500)
    // Root may write anywhere, so it becomes nobody for the moment.
    const root = process.getuid?.() === 0
    if (root) process.seteuid?.(65_534)
    try {
      expect(() => openStore(dataDir)).toThrow(expect.objectContaining({ code: 'store-locked', remedy: expect.stringContaining('access') }))
    } finally {
      if (root) process.seteuid?.(0)
    }
  })
})

function flipByte(path: string, marker: string): void {
  const bytes = readFileSync(path)
  const at = bytes.indexOf(marker)
  expect(at).toBeGreaterThan(0)
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
  writeFileSync(path, bytes)
}
