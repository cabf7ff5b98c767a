/**
 * Links as they change, asked for once a second. On a terminal a table that is redrawn in place; otherwise something
 * that can be kept: a line for each link that has changed, and nothing while all stays as it is.
 */
import { setTimeout } from 'node:timers/promises'
import { stripVTControlCharacters } from 'node:util'
import type { Causeway } from '@causeway/client'
import { CausewayError, type LinkState, type LinkView } from '@causeway/protocol'
import { tint, tintState } from '../colour.ts'
import { type Format, isTable, printItem } from '../output.ts'
import { milliseconds, percent } from '../quantity.ts'
import { sparkline } from '../sparkline.ts'
import { linksTable } from './links-table.ts'

const REFRESH_MS = 1_000
/** Values in the column of round trips: one each refresh. */
const TREND_VALUES = 20
/** Lines of a terminal that are not rows of links: headings, what is left out, the summary, the cursor. */
const OTHER_LINES = 5
const ROWS_MIN = 1

export interface LinksOutput {
  show(links: readonly LinkView[], nowMs: number): void | Promise<void>
  end(): void
}

/** Shows links until `stop`; throws `daemon-unreachable` when the daemon goes away. */
export async function watchLinks(causeway: Causeway, output: LinksOutput, stop: AbortSignal): Promise<void> {
  let seen = false
  try {
    while (!stop.aborted) {
      await output.show(await causeway.links({ signal: stop }), Date.now())
      seen = true
      await setTimeout(REFRESH_MS, undefined, { signal: stop }).catch(() => undefined)
    }
  } catch (error) {
    if (!stop.aborted) throw seen ? goneAway(error, causeway.api) : error
  } finally {
    output.end()
  }
}

function goneAway(error: unknown, api: string): unknown {
  if (!(error instanceof CausewayError) || error.code !== 'daemon-unreachable') return error
  const remedy = 'see its log for the reason, and watch again when it runs'
  return new CausewayError('daemon-unreachable', `the daemon at ${api} has gone away`, remedy, { cause: error })
}

/** A table in place, with the last round trips of each link. */
export async function liveLinks(stream: NodeJS.WriteStream, wide: boolean): Promise<LinksOutput> {
  const { createLogUpdate } = await import('log-update')
  // A cursor that is never hidden need not be brought back, however this ends.
  const draw = createLogUpdate(stream, { showCursor: true })
  const recent = new Map<string, (number | undefined)[]>()
  return {
    show(links, nowMs) {
      for (const { to, rttMs } of links) recent.set(to, [...(recent.get(to) ?? []), rttMs.last ?? undefined].slice(-TREND_VALUES))
      const column = { head: 'LAST RTTS', cell: ({ to }: LinkView): string => blocks(recent.get(to) ?? []).padEnd(TREND_VALUES) }
      const table = (rowsMax: number): string =>
        linksTable(links, { wide, nowMs, rowsMax: Math.max(ROWS_MIN, Math.floor(rowsMax)), more: [column] })
      const rows = stream.rows - OTHER_LINES
      // Rows that are too long for the terminal take several of its lines.
      const linesPerRow = Math.ceil(widthOf(table(rows)) / stream.columns)
      draw(`${table(rows / linesPerRow)}\n\n${summary(links, nowMs)}`)
    },
    end: () => draw.done(),
  }
}

function blocks(delays: readonly (number | undefined)[]): string {
  return sparkline(delays, TREND_VALUES)
    .map(({ text }) => text)
    .join('')
}

function widthOf(text: string): number {
  return Math.max(
    ...stripVTControlCharacters(text)
      .split('\n')
      .map((line) => line.length),
  )
}

function summary(links: readonly LinkView[], nowMs: number): string {
  const counts = (['up', 'degraded', 'probing', 'down'] as const satisfies readonly LinkState[]).flatMap((state) => {
    const count = links.filter((link) => link.state === state).length
    return count === 0 ? [] : [`${count} ${tintState(state)}`]
  })
  return `${new Date(nowMs).toLocaleTimeString()}  ${counts.join(', ')}${tint('faint', '  Ctrl-C ends')}`
}

/**
 * A line for each link whose state, evidence or epoch has changed; for programs an item for each link of which anything
 * has, with the instant `at` which that was seen.
 */
export function changedLinks(format: Format): LinksOutput {
  const before = new Map<string, string>()
  return {
    async show(links, nowMs) {
      for (const link of links) {
        const now = isTable(format) ? `${link.state} ${link.evidence} ${link.epoch}` : JSON.stringify(link)
        if (before.get(link.to) === now) continue
        before.set(link.to, now)
        await printItem(format, { at: nowMs, ...link }, () => changeLine(link, nowMs))
      }
    },
    end: () => undefined,
  }
}

function changeLine(link: LinkView, nowMs: number): string {
  const { to, rttMs, lossRatio, epoch, reason } = link
  const figures = `rtt ${milliseconds(rttMs.p50)}/${milliseconds(rttMs.p95)} ms, loss ${percent(lossRatio.forward)}/${percent(lossRatio.backward)}`
  return `${tint('faint', new Date(nowMs).toISOString())}  ${to}  ${tintState(link.state)}  ${figures}, epoch ${epoch}: ${reason}`
}
