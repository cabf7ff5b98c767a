/**
 * For tests: a process that writes tickets to a store as fast as it can and prints each one that is reported persisted.
 * Ticket n brings `a/n` and `b/n`, and puts n into `last`. It also brings 8 kB under `c/n`, but each 64th removes those
 * before it, so that the file is written anew all the time.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const BULK_TICKETS = 64

const WRITER = `
  const { LmdbStore } = await import(process.argv[1])
  let next = 1
  const persist = () => {
    const ticket = next++
    const value = new Uint8Array(200).fill(ticket & 0xff)
    const own = [{ key: 'a/' + ticket, value }, { key: 'b/' + ticket, value }, { key: 'last', value: Uint8Array.of(ticket >> 16, ticket >> 8, ticket) }]
    const bulk = ticket % ${BULK_TICKETS} === 0
      ? Array.from({ length: ${BULK_TICKETS - 1} }, (_, at) => ({ key: 'c/' + (ticket - at - 1), value: undefined }))
      : [{ key: 'c/' + ticket, value: new Uint8Array(8_000).fill(ticket & 0xff) }]
    store.persist({ type: 'persist', ticket, entries: [...own, ...bulk] })
  }
  const store = await LmdbStore.open({
    dataDir: process.argv[2],
    onPersisted: (ticket) => { process.stdout.write(ticket + '\\n'); persist() },
    onFailure: (error) => { throw error },
  })
  for (let i = 0; i < 20; i++) persist()
`

export interface StoreWriter {
  readonly process: ChildProcess
  /** Tickets that it called persisted so far. */
  readonly reported: readonly number[]
}

/** `under`: a command that gets that of the process as its arguments. */
export function startStoreWriter(dataDir: string, under: readonly string[] = []): StoreWriter {
  const args = ['--input-type=module', '-e', WRITER, join(import.meta.dirname, 'lmdb-store.ts'), dataDir]
  const [command = process.execPath, ...words] = [...under, process.execPath, ...args]
  const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const reported: number[] = []
  createInterface(child.stdout).on('line', (line) => reported.push(Number(line)))
  return { process: child, reported }
}

/** The last ticket in these entries; throws unless exactly the tickets up to it are there, each of them whole. */
export function lastWholeTicket(entries: Iterable<{ readonly key: string; readonly value: Uint8Array | undefined }>): number {
  const values = new Map([...entries].map(({ key, value }) => [key, value ?? new Uint8Array(0)]))
  const [high = 0, middle = 0, low = 0] = values.get('last') ?? []
  const last = (high << 16) | (middle << 8) | low
  if (values.size !== 2 * last + 1 + (last % BULK_TICKETS)) throw new Error(`${values.size} entries cannot be ${last} tickets`)
  for (let ticket = 1; ticket <= last; ticket++) {
    for (const key of [`a/${ticket}`, `b/${ticket}`]) {
      const value = values.get(key)
      if (value?.length !== 200 || value.some((byte) => byte !== (ticket & 0xff))) throw new Error(`${key} is not what was written`)
    }
  }
  return last
}
