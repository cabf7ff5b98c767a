/**
 * One job upon a store, in a process of its own: its argument says which, its output is what was measured. Run with
 * `--expose-gc`, so that the heap can be told from what merely waits to be collected.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { quantileOf } from '../statistics.ts'
import type { StoreJob, StoreResult } from './store-job.ts'
import { type Table, loadTable } from './table.ts'

/** A file that is being replaced is there for some milliseconds. */
const DISK_LOOK_MS = 5

const job = JSON.parse(process.argv[2] ?? '') as StoreJob
process.stdout.write(`${JSON.stringify(await run(job))}\n`)
process.exit(0)

async function run({ kind, directory, ...order }: StoreJob): Promise<StoreResult> {
  const open = await loadTable(kind, order.withHub)
  const before = heapBytes()
  const began = performance.now()
  const table = await open(directory)
  const openMs = performance.now() - began
  const delays: number[] = []
  let diskBytesMax = 0
  const watch = setInterval(() => (diskBytesMax = Math.max(diskBytesMax, diskBytesOf(directory))), DISK_LOOK_MS)
  const started = performance.now()
  if (order.writes > 0) await write(table, order, delays)
  clearInterval(watch)
  const seconds = (performance.now() - started) / 1000
  const userMs = process.cpuUsage().user / 1000
  const measured = { writesPerSecond: delays.length / seconds, ackMsP50: quantileOf(delays, 0.5), ackMsP99: quantileOf(delays, 0.99) }
  // A million of them take as much as the records.
  delays.length = 0
  const heapPerRecord = (heapBytes() - before) / order.keys
  const newest = Array.from(
    { length: order.keys },
    (_, index) => index + order.keys * Math.floor((order.expected - 1 - index) / order.keys),
  )
  const found = newest.filter((number, index) => (table.get(`task-${index}`) as { gen?: unknown } | undefined)?.gen === number).length
  await pause(order.restSeconds * 1000)
  await table.close()
  return {
    openMs,
    seconds,
    userMs,
    ...measured,
    heapPerRecord,
    residentBytes: process.memoryUsage().rss,
    diskBytes: diskBytesOf(directory),
    diskBytesMax,
    found,
  }
}

async function write(
  table: Table,
  { writes, writers, keys, secondsMax }: Pick<StoreJob, 'writes' | 'writers' | 'keys' | 'secondsMax'>,
  delays: number[],
): Promise<void> {
  const until = performance.now() + secondsMax * 1000
  let next = 0
  const work = async (): Promise<void> => {
    while (next < writes && performance.now() < until) {
      const number = next++
      const key = `task-${number % keys}`
      const began = performance.now()
      await table.put(key, valueOf(number))
      delays.push(performance.now() - began)
    }
  }
  await Promise.all(Array.from({ length: writers }, work))
}

/** About 140 bytes of JSON, as a task has. */
function valueOf(number: number): unknown {
  return {
    kind: 'record',
    channel: `ch-${number % 977}`,
    worker: `hkg-1-n${number % 8}`,
    phase: 'running',
    gen: number,
    fps: 30,
    region: 'apac',
    updatedAt: 1_760_000_000_000 + number,
  }
}

function heapBytes(): number {
  // The first may only end a collection that was under way, which keeps whatever has died since that began.
  globalThis.gc?.()
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** What the files take, holes left out. */
function diskBytesOf(directory: string): number {
  const BLOCK_BYTES = 512
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.mdb(\.new)?$|\.(ldb|log|sst)$|MANIFEST/.test(entry.name))
    .reduce((sum, entry) => sum + (statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.blocks ?? 0) * BLOCK_BYTES, 0)
}
