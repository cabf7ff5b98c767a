/** `causeway links`: every link of this node with what was measured on it. */
import type { LinkView } from '@causeway/protocol'
import { tint, tintState } from '../colour.ts'
import { DONE } from '../fault.ts'
import { print, printDocument } from '../output.ts'
import { bytes, duration, milliseconds, percent } from '../quantity.ts'
import { addReadingOptions, connectTo, type DeclareVerb, type ReadingOptions, untilInterrupted } from '../verb.ts'

const REFRESH_MS = 1000
const CLEAR_SCREEN = '\u001B[H\u001B[2J'

export const declareLinks: DeclareVerb = (program, onResult) => {
  addReadingOptions(program.command('links'))
    .summary('links of this node, as measured')
    .description('Shows the links of this node: round trip, jitter, loss each way (last 60 s), cost, and why each is in its state.')
    .option('-w, --watch', 'refresh every second until Ctrl-C')
    .addHelpText('after', '\nExamples:\n  $ causeway links -w\n  $ causeway links -o json | jq \'.[] | select(.state != "up")\'\n')
    .action(async (options: ReadingOptions & { watch?: boolean }) => {
      const causeway = await connectTo(options.api)
      const show = async (): Promise<void> => {
        const links = await causeway.links()
        if (options.watch && options.output === 'table' && process.stdout.isTTY) {
          process.stdout.write(CLEAR_SCREEN)
          print(tint('faint', `${new Date().toLocaleTimeString()}  Ctrl-C ends`))
        }
        await printDocument(options.output, links, () => linksTable(links))
      }
      await show()
      const stop = options.watch ? untilInterrupted() : AbortSignal.abort()
      while (!stop.aborted) {
        await pause(REFRESH_MS, stop)
        if (!stop.aborted) await show()
      }
      onResult(DONE)
    })
}

async function linksTable(links: readonly LinkView[]): Promise<string> {
  const { renderTable } = await import('../table.ts')
  const columns = [
    'TO',
    'STATE',
    '>RTT ms',
    '>P50',
    '>P95',
    '>JITTER',
    '>LOSS OUT',
    '>IN',
    '>COST ms',
    'EVIDENCE',
    '>SENT',
    '>RECEIVED',
    '>FOR',
    'REASON',
  ]
  return links.length === 0 ? 'no links' : renderTable(columns, links.map(linkRow))
}

function linkRow(link: LinkView): readonly string[] {
  return [
    link.to,
    tintState(link.state),
    milliseconds(link.rttMs.smoothed),
    milliseconds(link.rttMs.p50),
    milliseconds(link.rttMs.p95),
    milliseconds(link.jitterMs),
    percent(link.lossRatio.forward),
    percent(link.lossRatio.backward),
    milliseconds(link.costMs),
    link.evidence,
    bytes(link.bytesOut),
    bytes(link.bytesIn),
    duration((Date.now() - link.since) / 1000),
    link.reason,
  ]
}

/** Ends early when aborted. */
async function pause(ms: number, stop: AbortSignal): Promise<void> {
  const { setTimeout } = await import('node:timers/promises')
  await setTimeout(ms, undefined, { signal: stop }).catch(() => undefined)
}
