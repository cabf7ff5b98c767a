/**
 * How far long work has come: one line on stderr that is redrawn in place, and gone when the work is done. Only for people who look at a
 * terminal, and only if it takes long enough to wonder: programs, pipes and quick work never see it.
 *
 * Work that never yields can tell as well, since writing to a terminal needs no event loop; work that only waits is redrawn by a timer.
 */
import type { TellProgress } from '@causeway/daemon'
import { type Format, isTable } from './output.ts'
import { duration } from './quantity.ts'

/** Before that nobody wonders. */
const PATIENCE_MS = 400
const REDRAW_MS = 100
const BAR_CELLS = 24
/** The cursor stays out of the last column, where some terminals would begin another line. */
const MARGIN = 1

/** Does `work` and shows how it goes, if there is somebody to show it to. */
export async function withProgress<Result>(
  format: Format,
  work: (tell: TellProgress) => Promise<Result>,
  { stream = process.stderr, patienceMs = PATIENCE_MS }: { readonly stream?: NodeJS.WriteStream; readonly patienceMs?: number } = {},
): Promise<Result> {
  if (!stream.isTTY || !isTable(format)) return work(() => {})
  const { createLogUpdate } = await import('log-update')
  const draw = createLogUpdate(stream, { showCursor: true })
  const began = performance.now()
  let [step, ratio, nextDraw]: [string, number | undefined, number] = ['', undefined, began + patienceMs]
  const redraw = (): void => {
    const now = performance.now()
    if (now < nextDraw || step === '') return
    nextDraw = now + REDRAW_MS
    draw(progressLine({ step, ratio, seconds: (now - began) / 1000 }, stream.columns - MARGIN))
  }
  const ticker = setInterval(redraw, REDRAW_MS)
  try {
    return await work((toldStep, toldRatio) => {
      step = toldStep
      ratio = toldRatio
      redraw()
    })
  } finally {
    clearInterval(ticker)
    draw.clear()
  }
}

export interface ProgressState {
  readonly step: string
  /** From 0 to 1; `undefined` while nobody can know. */
  readonly ratio: number | undefined
  readonly seconds: number
}

/** `reading ./data  [██████░░░░░░]  48%  3s`, or less of it where there is no room. */
export function progressLine({ step, ratio, seconds }: ProgressState, columns: number): string {
  const known = ratio === undefined ? undefined : Math.min(1, Math.max(0, ratio))
  const percent = known === undefined ? '' : `  ${String(Math.floor(known * 100)).padStart(3)}%`
  const tail = `${percent}  ${duration(seconds)}`
  const full = known === undefined ? 0 : Math.round(known * BAR_CELLS)
  const bar = known === undefined ? '' : `  [${'█'.repeat(full)}${'░'.repeat(BAR_CELLS - full)}]`
  const line = `${step}${bar}${tail}`
  return line.length <= columns ? line : `${step}${tail}`.slice(0, Math.max(0, columns))
}
