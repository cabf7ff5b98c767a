/**
 * Nodes or sites, once or every second until Ctrl-C. On a terminal the table is redrawn in place, as far as it fits;
 * programs get one document a second, each on a line of its own.
 */
import { setTimeout } from 'node:timers/promises'
import { type Format, printDocument, printItem } from '../output.ts'
import { untilInterrupted } from '../verb.ts'

const REFRESH_MS = 1_000
/** Headings, what is left out, the cursor. */
const OTHER_LINES = 3

export interface FleetShow<View> {
  readonly format: Format
  readonly watch: boolean
  readonly read: (signal?: AbortSignal) => Promise<View>
  readonly table: (view: View, rowsMax?: number) => string
}

export async function showFleet<View>({ format, watch, read, table }: FleetShow<View>): Promise<void> {
  if (!watch) {
    const view = await read()
    await printDocument(format, view, () => table(view))
    return
  }
  const stop = untilInterrupted()
  const live = format === 'table' && process.stdout.isTTY
  const draw = live ? (await import('log-update')).createLogUpdate(process.stdout, { showCursor: true }) : undefined
  try {
    while (!stop.aborted) {
      const view = await read(stop)
      if (draw) draw(table(view, Math.max(1, process.stdout.rows - OTHER_LINES)))
      else await printItem(format, view, () => table(view))
      await setTimeout(REFRESH_MS, undefined, { signal: stop }).catch(() => undefined)
    }
  } catch (error) {
    if (!stop.aborted) throw error
  } finally {
    draw?.done()
  }
}
