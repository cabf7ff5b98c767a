/** What logs make, when it is put together again from their batches. */
import { invariant } from '@causeway/protocol'
import { type CheckedUpdate, Document } from './document.ts'
import type { Log } from './log.ts'
import { type KnownClocks, checkUpdate } from './update-gate.ts'

/** Updates in one transaction of Yjs: of 1,000 it makes long runs that it cuts up again, copying what is left. */
export const CHUNK = 100

export interface RunningClocks extends KnownClocks {
  set(epoch: number, clock: number): void
}

/** The clocks as they are now, which may run ahead of the document while a chunk is being judged. */
export function clocksOf(document: Document, logs: readonly Log[]): RunningClocks {
  const clocks = new Map<number, number>(logs.map(({ epoch }) => [epoch, document.clockOf(epoch)]))
  return { clockOf: (epoch) => clocks.get(epoch) ?? 0, set: (epoch, clock) => void clocks.set(epoch, clock) }
}

export function contentOfLogs(logs: readonly Log[]): Document {
  const document = new Document()
  for (const log of logs) {
    const clocks = clocksOf(document, logs)
    const chunk: CheckedUpdate[] = []
    for (const batch of log.batches()) {
      const result = checkUpdate({ ...batch, head: log.head }, clocks)
      invariant(result.ok, 'what is in a log has passed the gate')
      clocks.set(batch.epoch, clocks.clockOf(batch.epoch) + result.checked.entries.length)
      chunk.push(result.checked)
      if (chunk.length === CHUNK) document.apply(chunk.splice(0), new Set())
    }
    if (chunk.length > 0) document.apply(chunk, new Set())
  }
  return document
}
