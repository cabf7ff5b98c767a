import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readLmdbFile } from './lmdb-pages.ts'
import { type StoreDatabase, openDatabase } from './store-file.ts'

/** One transaction: keys with the number of bytes of their new value, or `undefined` to remove them. */
const transactions = fc.array(
  fc.dictionary(
    fc.integer({ min: 0, max: 400 }).map((number) => `state/batch|tasks|hkg-${number % 7}|writer|${number}`),
    fc.option(fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 1_000, max: 20_000 })), { nil: undefined }),
    { maxKeys: 60, noNullPrototype: true },
  ),
  { minLength: 1, maxLength: 25 },
)

async function apply(database: StoreDatabase, transaction: Readonly<Record<string, number | undefined>>, fill: number): Promise<void> {
  await database.batch(() => {
    for (const [key, bytes] of Object.entries(transaction)) {
      void (bytes === undefined ? database.remove(key) : database.put(key, Buffer.alloc(bytes, fill)))
    }
  })
}

describe('readLmdbFile', () => {
  let directory: string
  let path: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'causeway-pages-'))
    path = join(directory, 'store.mdb')
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  it('reads what LMDB reads, and finds no fault with what LMDB wrote, while it is open and after', async () => {
    await fc.assert(
      fc.asyncProperty(transactions, async (history) => {
        rmSync(path, { force: true })
        rmSync(`${path}-lock`, { force: true })
        const database = openDatabase(path)
        for (const [index, transaction] of history.entries()) await apply(database, transaction, index)
        const expected = [...database.getRange()].map(({ key, value }) => [key, value.length, value[0]])
        const read = (): unknown => {
          const { nodes, damage } = readLmdbFile(path)
          return { damage, entries: nodes.map(({ key, value }) => [key.toString(), value.length, value[0]]) }
        }
        expect(read()).toEqual({ damage: [], entries: expected })
        await database.close()
        expect(read()).toEqual({ damage: [], entries: expected })
      }),
      { numRuns: 40 },
    )
  })

  it('takes an empty file for a new store', () => {
    writeFileSync(path, '')
    expect(readLmdbFile(path)).toEqual({ nodes: [], damage: [] })
  })

  it('goes by the page 1 if page 0 is gone, and names the loss', async () => {
    const database = openDatabase(path)
    await apply(database, { a: 1 }, 1)
    await apply(database, { b: 1 }, 2)
    await database.close()
    const bytes = readFileSync(path)
    bytes.fill(0, 0, 4096)
    writeFileSync(path, bytes)
    const { nodes, damage } = readLmdbFile(path)
    expect(damage).toContain('page 0: is not that of an LMDB file')
    expect(nodes.length).toBeGreaterThan(0)
  })

  /** Damages a store in a hundred ways, and opens, reads, writes and closes each; says how many were noticed. */
  const VANDAL = `
    const { LmdbStore } = await import(process.argv[1])
    const { copyFileSync, readFileSync, rmSync, writeFileSync } = await import('node:fs')
    const { join } = await import('node:path')
    const [, , original, dataDir, trials] = process.argv
    const whole = readFileSync(original)
    let state = 7
    const chance = (n) => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % n
    let noticed = 0
    for (let trial = 0; trial < Number(trials); trial++) {
      rmSync(dataDir, { recursive: true, force: true })
      const { mkdirSync } = await import('node:fs')
      mkdirSync(dataDir)
      let bytes = Buffer.from(whole)
      const page = chance(bytes.length / 4096) * 4096
      const kind = trial % 5
      if (kind === 0) bytes[page + chance(64)] ^= 1 << chance(8)
      if (kind === 1) bytes.fill(0, page, page + 4096)
      if (kind === 2) bytes.copy(bytes, page, chance(bytes.length / 4096) * 4096, page + 4096)
      if (kind === 3) for (let n = 0; n < 200; n++) bytes[chance(bytes.length)] = chance(256)
      if (kind === 4) bytes = bytes.subarray(0, page + chance(4096))
      writeFileSync(join(dataDir, 'store.mdb'), bytes)
      let store
      const done = Promise.withResolvers()
      try {
        store = await LmdbStore.open({ dataDir, onPersisted: (ticket) => ticket === 2 && done.resolve(), onFailure: done.reject })
      } catch (error) {
        if (error.name !== 'CausewayError') throw error
        noticed++
        continue
      }
      if (store.repair) noticed++
      const entries = [...store.load()]
      store.persist({ type: 'persist', ticket: 1, entries: entries.slice(0, 50).map(({ key }) => ({ key, value: undefined })) })
      store.persist({ type: 'persist', ticket: 2, entries: [{ key: 'new', value: new Uint8Array(30000).fill(trial) }] })
      await done.promise
      await store.close()
    }
    console.log(JSON.stringify({ noticed }))
  `

  it('keeps LMDB from files that would kill the process', { timeout: 120_000 }, async () => {
    const database = openDatabase(path)
    for (let round = 0; round < 12; round++) {
      const keys = Array.from({ length: 150 }, (_, index) => [
        `key/${(index * 7 + round * 31) % 500}`,
        index % 3 === 0 ? undefined : (index * 37) % 3_000,
      ])
      await apply(database, Object.fromEntries(keys) as Record<string, number | undefined>, round)
    }
    await database.close()
    const args = ['--input-type=module', '-e', VANDAL, join(import.meta.dirname, 'lmdb-store.ts'), path, join(directory, 'data'), '200']
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const [output, [code, signal]] = await Promise.all([
      text(child.stdout),
      once(child, 'close') as Promise<[number | null, string | null]>,
    ])
    expect({ code, signal }).toEqual({ code: 0, signal: null })
    const { noticed } = JSON.parse(output) as { noticed: number }
    // What hits only pages that are free is rightly taken for whole.
    expect(noticed).toBeGreaterThan(80)
  })
})
