/** A job upon a store, and how it is given to a process. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { TableKind } from './table.ts'

const PROCESS = fileURLToPath(new URL('./store-process.ts', import.meta.url))

export interface StoreJob {
  readonly kind: TableKind
  readonly directory: string
  /** Where a hub matters to what is stored, there is one. */
  readonly withHub: boolean
  /** In all; 0 only opens and reads. */
  readonly writes: number
  /** Writes that were made in all when it ends, so that it can be told what must be there. */
  readonly expected: number
  /** At once. */
  readonly writers: number
  /** The records that are written over and over. */
  readonly keys: number
  readonly secondsMax: number
  /** Between the last write and the stop. */
  readonly restSeconds: number
}

export interface StoreResult {
  /** Until it could be read. */
  readonly openMs: number
  readonly seconds: number
  /** Processor time of the process until then, outside of the system. */
  readonly userMs: number
  readonly writesPerSecond: number
  readonly ackMsP50: number | null
  readonly ackMsP99: number | null
  /** Bytes of heap and buffers, less what the process had before. */
  readonly heapPerRecord: number
  readonly residentBytes: number
  readonly diskBytes: number
  /** While it wrote. */
  readonly diskBytesMax: number
  /** Records that have their newest value in the end. */
  readonly found: number
}

export async function runStoreJob(job: StoreJob): Promise<StoreResult> {
  const child = spawn(process.execPath, ['--expose-gc', PROCESS, JSON.stringify(job)], { stdio: ['ignore', 'pipe', 'pipe'] })
  const [output, complaint, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null, string | null]>,
  ])
  if (code !== 0) throw new Error(`${job.kind} ended with ${signal ?? code}: ${complaint.trim().slice(-500)}`)
  return JSON.parse(output) as StoreResult
}
