/**
 * What a node tells of itself and the fleet, once or every second until Ctrl-C. On a terminal the table is redrawn in place, as far as it fits;
 * programs get one document a second, each on a line of its own.
 */
import { setTimeout } from 'node:timers/promises'
import { type Format, isTable, printDocument, printItem } from './output.ts'
import { untilInterrupted } from './verb.ts'

const REFRESH_MS = 1_000
/** Headings, what is left out, the cursor. */
const OTHER_LINES = 3

export interface ViewShow<View> {
  readonly format: Format
  readonly watch: boolean
  readonly read: (signal?: AbortSignal) => Promise<View>
  readonly table: (view: View, rowsMax?: number) => string | Promise<string>
}

export async function showView<View>({ format, watch, read, table }: ViewShow<View>): Promise<void> {
  if (!watch) {
    const view = await read()
    await printDocument(format, view, () => table(view))
    return
  }
  const stop = untilInterrupted()
  const live = isTable(format) && process.stdout.isTTY
  const draw = live ? (await import('log-update')).createLogUpdate(process.stdout, { showCursor: true }) : undefined
  try {
    while (!stop.aborted) {
      const view = await read(stop)
      const text = isTable(format) ? await table(view, draw && Math.max(1, process.stdout.rows - OTHER_LINES)) : ''
      if (draw) draw(text)
      else await printItem(format, view, () => text)
      await setTimeout(REFRESH_MS, undefined, { signal: stop }).catch(() => undefined)
    }
  } catch (error) {
    if (!stop.aborted) throw error
  } finally {
    draw?.done()
  }
}
