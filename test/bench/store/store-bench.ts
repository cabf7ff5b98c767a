/**
 * What a store gives: acknowledged writes a second, and what a million overwrites leave behind on the disk, in memory, and
 * in the time to start again. Each job is a process of its own, on a fresh directory of this machine's disk.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Bench, type Column, type Flag, type Measured, type Row, type Settings, judge } from '../bench.ts'
import { DrivenReplica } from './driven-replica.ts'
import { replay } from './replay.ts'
import { type StoreResult, runStoreJob } from './store-job.ts'
import type { TableKind } from './table.ts'

const FLAGS = {
  seconds: { what: 'how long each rate is measured', usual: 5, quick: 1 },
  overwrites: { what: 'writes upon the same records', usual: 1_000_000, quick: 50_000 },
  batches: { what: 'batches that a node that joins has to take', usual: 1_000_000, quick: 20_000 },
  'peer-overwrites': { what: 'the same upon y-leveldb', usual: 100_000, quick: 50_000 },
} as const satisfies Record<string, Flag>

type StoreSettings = Settings<keyof typeof FLAGS>

const KINDS: readonly TableKind[] = ['causeway', 'y-leveldb']
const WRITERS = [1, 16, 256]
const KEYS = 1_000
const RESIDENT_MB_MAX = 500
const [DISK_RATIO_MAX, HEAP_RATIO_MAX] = [3, 3]
/** As many as a replica gathers at most. */
const FILLERS = 1_000
const FILL_SECONDS_MAX = 1_200
/** A document is folded once more when nobody has written to it for a minute, and what that replaces stays for ten seconds. */
const REST_SECONDS = 75
const NO_END = Number.MAX_SAFE_INTEGER

export const STORE_BENCH: Bench<keyof typeof FLAGS> = {
  name: 'store',
  what: 'acknowledged writes, and what overwrites leave behind, beside y-leveldb',
  flags: FLAGS,
  parts: [
    { name: 'rate', what: 'acknowledged writes a second', measure: measureRates },
    { name: 'replay', what: 'a node without anything that joins one with many small batches', measure: measureReplay },
    { name: 'overwrites', what: `what is left of many writes upon ${KEYS} records`, measure: measureOverwrites },
  ],
}

async function measureRates({ seconds }: StoreSettings): Promise<Measured> {
  const rows: Row[] = []
  for (const kind of KINDS) {
    for (const writers of WRITERS) {
      const job = { kind, withHub: false, restSeconds: 0, writes: NO_END, expected: 0, writers, keys: KEYS, secondsMax: seconds }
      const { writesPerSecond, ackMsP50, ackMsP99 } = await inDirectory((directory) => runStoreJob({ ...job, directory }))
      rows.push({ what: kind, writers, writesPerSecond, ackMsP50, ackMsP99 })
    }
  }
  const columns: Column[] = [
    { key: 'what', head: 'STORE' },
    { key: 'writers', head: 'WRITERS AT ONCE' },
    { key: 'writesPerSecond', head: 'WRITES/s' },
    { key: 'ackMsP50', head: 'ACK ms P50', digits: 2 },
    { key: 'ackMsP99', head: 'P99', digits: 2 },
  ]
  const notes = [
    'a write is acknowledged by causeway when it is flushed to the disk, by y-leveldb when LevelDB has taken it, flushed or not',
    'causeway flushes a lone write at once, and what comes meanwhile together: a single writer that waits for each is as fast as the disk flushes',
  ]
  return { columns, rows, judgements: [], notes, charts: [] }
}

async function measureReplay({ batches }: StoreSettings): Promise<Measured> {
  const { joined, started } = await inDirectory((directory) => replay({ directory, batches, keys: KEYS }))
  const rows = [
    { what: 'joins', ...joined },
    { what: 'starts again', ...started },
  ]
  const columns: Column[] = [
    { key: 'what', head: 'A NODE' },
    { key: 'seconds', head: 'SECONDS', digits: 1 },
    { key: 'userSeconds', head: 'CPU s', digits: 1 },
    { key: 'bareMb', head: 'BARE MB' },
    { key: 'residentMb', head: 'RESIDENT MB, MOST' },
    { key: 'anonMb', head: 'OF ITS OWN' },
    { key: 'fileMb', head: 'OF FILES' },
    { key: 'found', head: 'RECORDS' },
  ]
  const judgements = rows.flatMap(({ what, found, residentMb }) => [
    judge(`records that a node that ${what} does not have`, KEYS - found, 0, 'records'),
    judge(`resident memory of a node that ${what}, at the most`, residentMb, RESIDENT_MB_MAX, 'MB'),
  ])
  const notes = [`${batches} batches of one record each, upon ${KEYS} records, which their writer has never folded`]
  return { columns, rows, judgements, notes, charts: [] }
}

async function measureOverwrites(settings: StoreSettings): Promise<Measured> {
  const rows: Row[] = []
  const judgements = []
  for (const kind of KINDS) {
    const overwrites = settings[kind === 'causeway' ? 'overwrites' : 'peer-overwrites']
    const fresh = await fillAndOpen(kind, KEYS)
    const used = await fillAndOpen(kind, overwrites)
    rows.push(rowOf(kind, KEYS, fresh), rowOf(kind, overwrites, used))
    if (kind !== 'causeway') continue
    judgements.push(judge('records without their newest value', KEYS - used.opened.found, 0, 'records'))
    judgements.push(
      judge('disk, beside a store of only the same records', used.opened.diskBytes / fresh.opened.diskBytes, DISK_RATIO_MAX, 'times'),
    )
    judgements.push(
      judge(
        'heap, beside a store of only the same records',
        used.opened.heapPerRecord / fresh.opened.heapPerRecord,
        HEAP_RATIO_MAX,
        'times',
      ),
    )
    judgements.push(judge('the same right after writing', used.filled.heapPerRecord / fresh.filled.heapPerRecord, HEAP_RATIO_MAX, 'times'))
  }
  const columns: Column[] = [
    { key: 'what', head: 'STORE' },
    { key: 'writes', head: 'WRITES' },
    { key: 'seconds', head: 'SECONDS', digits: 1 },
    { key: 'openMs', head: 'START ms' },
    { key: 'diskPerRecord', head: 'DISK/RECORD' },
    { key: 'diskPerRecordMax', head: 'WHILE WRITING' },
    { key: 'heapPerRecord', head: 'HEAP/RECORD' },
    { key: 'heapPerRecordWritten', head: 'RIGHT AFTER WRITING' },
    { key: 'residentMb', head: 'RESIDENT MB' },
    { key: 'found', head: 'RECORDS' },
  ]
  const notes = [
    `${KEYS} records of about 140 bytes; started again in a new process after ${REST_SECONDS} s of rest and a stop in good order; bytes per record that is live`,
    'while it writes, causeway has a hub in its process, which tells what it holds: without, it folds nothing. Right after writing its heap holds that too',
  ]
  return { columns, rows, judgements, notes, charts: [] }
}

interface Filled {
  readonly filled: StoreResult
  /** Of a new process. */
  readonly opened: StoreResult
}

function fillAndOpen(kind: TableKind, writes: number): Promise<Filled> {
  return inDirectory(async (directory) => {
    const job = { kind, directory, restSeconds: 0, expected: writes, keys: KEYS, secondsMax: FILL_SECONDS_MAX, writers: FILLERS }
    const filled = await runStoreJob({ ...job, withHub: true, writes, restSeconds: REST_SECONDS })
    return { filled, opened: await runStoreJob({ ...job, withHub: false, writes: 0 }) }
  })
}

function rowOf(what: string, writes: number, { filled, opened }: Filled): Row {
  const { openMs, diskBytes, heapPerRecord, residentBytes, found } = opened
  return {
    ...{ what, writes, openMs, heapPerRecord, found },
    seconds: filled.seconds,
    diskPerRecord: diskBytes / KEYS,
    diskPerRecordMax: filled.diskBytesMax / KEYS,
    heapPerRecordWritten: filled.heapPerRecord,
    residentMb: residentBytes / 1e6,
  }
}

async function inDirectory<Result>(use: (directory: string) => Promise<Result>): Promise<Result> {
  const directory = mkdtempSync(join(tmpdir(), 'cw-store-'))
  try {
    DrivenReplica.prepare(directory)
    return await use(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
