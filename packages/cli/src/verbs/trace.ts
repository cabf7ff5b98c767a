/** `causeway trace`: delay and loss of every hop of the path in use, each direction by itself. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { TraceHop, TraceView } from '@causeway/protocol'
import { tintState } from '../colour.ts'
import { ANSWER_NO, DONE } from '../fault.ts'
import { isTable, printDocument, printItem } from '../output.ts'
import { milliseconds, percent } from '../quantity.ts'
import { addReadingOptions, connectTo, type DeclareVerb, nodeName, numberBetween, type ReadingOptions, untilInterrupted } from '../verb.ts'

interface TraceVerbOptions extends ReadingOptions {
  readonly count: number
  readonly interval: number
}

const DESCRIPTION = `Asks every node on the path in use what its link to the next one is like, as both ends of the link measure it all the time: \
delay one way (→ towards TO; off by at most ±, since clocks do not agree), round trip, loss of each direction in the last minute. Nothing is \
sent over the path itself. Exit 1 if there is no way.`

export const declareTrace: DeclareVerb = (program, onResult) => {
  addReadingOptions(program.command('trace'))
    .summary('delay and loss of every hop to another node')
    .description(DESCRIPTION)
    .argument('<to>', 'name of the other node', nodeName)
    .option('-c, --count <n>', 'how often to ask', numberBetween(1, 1_000_000), 1)
    .option('-i, --interval <seconds>', 'time between two', numberBetween(0.01, 3600, 'real'), 1)
    .addHelpText('after', '\nExamples:\n  $ causeway trace nrt-2-a\n  $ causeway trace nrt-2-a -c 60 -o ndjson >> trace.ndjson\n')
    .action(async (to: string, { api, count, interval, output }: TraceVerbOptions) => {
      const causeway = await connectTo(api)
      const interrupted = untilInterrupted()
      let view: TraceView | undefined
      for (let asked = 0; asked < count && !interrupted.aborted; asked++) {
        if (asked > 0) await sleep(interval * 1000, undefined, { signal: interrupted }).catch(() => {})
        view = await causeway.trace(to)
        if (output === 'ndjson') await printItem(output, view, () => '')
        else if (isTable(output)) await printDocument(output, view, () => traceTable(view as TraceView))
      }
      if (view && output !== 'ndjson' && !isTable(output)) await printDocument(output, view, () => '')
      onResult(view?.hops.every(({ state }) => state === 'up' || state === 'degraded') ? DONE : ANSWER_NO)
    })
}

async function traceTable({ hops, unknown, rttMs }: TraceView): Promise<string> {
  const { renderTable } = await import('../table.ts')
  const rows = hops.map((hop, index) => [String(index + 1), ...hopRow(hop)])
  const heads = ['HOP', 'LINK', 'STATE', '>→ ms', '>← ms', '>± ms', '>RTT p50', '>p95', '>LOSS →', '>←']
  const gaps = unknown.map(({ from, to, reason }) => `${from} > ${to} is not known: ${reason}`)
  return [renderTable(heads, rows), ...gaps, `rtt of all hops: ${milliseconds(rttMs)} ms\n`].join('\n')
}

function hopRow({ from, to, state, oneWayMs, uncertaintyMs, rttMs, lossRatio }: TraceHop): string[] {
  const delays = [oneWayMs.forward, oneWayMs.backward, uncertaintyMs, rttMs.p50, rttMs.p95].map(milliseconds)
  return [`${from} > ${to}`, tintState(state), ...delays, percent(lossRatio.forward), percent(lossRatio.backward)]
}
