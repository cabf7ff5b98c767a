/** `causeway ping`: messages to another node and back, end to end, naming the path that each answer took. */
import { CausewayError, type PingReply } from '@causeway/protocol'
import { ANSWER_NO, DONE } from '../fault.ts'
import { isTable, print, printDocument, printItem } from '../output.ts'
import { milliseconds, percent } from '../quantity.ts'
import { type Sequencing, sequencing, type Summary, summarise } from '../statistics.ts'
import { addReadingOptions, connectTo, type DeclareVerb, nodeName, numberBetween, type ReadingOptions, untilInterrupted } from '../verb.ts'

interface PingVerbOptions extends ReadingOptions {
  readonly count: number
  readonly interval: number
  readonly size: number
  readonly timeout: number
}

export const declarePing: DeclareVerb = (program, onResult) => {
  addReadingOptions(program.command('ping'))
    .summary('message another node, end to end')
    .description('Sends messages to a node over an ordered channel and prints each answer with the path it took. Exit 1 if any is lost.')
    .argument('<to>', 'name of the other node', nodeName)
    .option('-c, --count <n>', 'how many to send', numberBetween(1, 1_000_000), 10)
    .option('-i, --interval <seconds>', 'time between two', numberBetween(0.001, 3600, 'real'), 1)
    .option('-s, --size <bytes>', 'bytes of a message', numberBetween(8, 16_384), 64)
    .option('-t, --timeout <seconds>', 'give up if not one answer has come by then', numberBetween(0.1, 3600, 'real'), 10)
    .addHelpText('after', '\nExamples:\n  $ causeway ping nrt-2-a\n  $ causeway ping nrt-2-a -c 1000 -i 0.01 -o json\n')
    .action(async (to: string, options: PingVerbOptions) => {
      const causeway = await connectTo(options.api)
      const interrupted = untilInterrupted()
      const silence = new AbortController()
      const { count, interval, size, timeout, output } = options
      const giveUp = setTimeout(() => silence.abort(), timeout * 1000).unref()
      const replies: PingReply[] = []
      const signal = AbortSignal.any([interrupted, silence.signal])
      for await (const reply of causeway.ping(to, { count, intervalMs: interval * 1000, bytes: size, signal })) {
        clearTimeout(giveUp)
        replies.push(reply)
        if (isTable(output)) print(replyLine(to, size, reply))
        else if (output === 'ndjson') await printItem(output, reply, () => '')
      }
      if (silence.signal.aborted) throw noAnswer(to, timeout)
      const report = pingReport(to, replies, interrupted.aborted ? undefined : count)
      if (output !== 'ndjson') await printDocument(output, report, () => reportTable(report))
      onResult(report.lost === 0 && report.received > 0 ? DONE : ANSWER_NO)
    })
}

function noAnswer(to: string, timeout: number): CausewayError {
  return new CausewayError('unreachable', `no answer from ${to} within ${timeout} s`, `see whether there is a way: causeway paths ${to}`)
}

export interface PingReport extends Sequencing {
  readonly to: string
  readonly sent: number
  readonly lost: number
  readonly lossRatio: number | null
  readonly rttMs: Summary
  /** Each path that answers came back on, with how many. */
  readonly paths: readonly { readonly hops: readonly string[]; readonly answers: number }[]
}

/** `sent` is not known of an interrupted ping: then what lies before the last answer counts as sent. */
export function pingReport(to: string, replies: readonly PingReply[], sent: number | undefined): PingReport {
  const order = sequencing(replies.map(({ sequence }) => sequence))
  const numbers = replies.map(({ sequence }) => sequence)
  const known = numbers.length === 0 ? 0 : Math.max(...numbers) - Math.min(...numbers) + 1
  const total = sent ?? known
  const paths = new Map<string, number>()
  for (const { path } of replies) paths.set(path.join('\n'), (paths.get(path.join('\n')) ?? 0) + 1)
  return {
    to,
    sent: total,
    ...order,
    lost: total - order.received,
    lossRatio: total === 0 ? null : (total - order.received) / total,
    rttMs: summarise(replies.map(({ rttMs }) => rttMs)),
    paths: [...paths].map(([key, answers]) => ({ hops: key.split('\n'), answers })),
  }
}

function replyLine(to: string, size: number, reply: PingReply): string {
  return `${size} bytes from ${to}: seq=${reply.sequence} time=${milliseconds(reply.rttMs)} ms path=${reply.path.join('>')}`
}

async function reportTable(report: PingReport): Promise<string> {
  const { renderFacts } = await import('../table.ts')
  const { min, avg, p50, p95, p99, max } = report.rttMs
  const times = [min, avg, p50, p95, p99, max].map(milliseconds).join('/')
  return `\n${renderFacts([
    ['to', report.to],
    ['sent', `${report.sent}, ${report.received} answered, ${report.lost} lost (${percent(report.lossRatio)})`],
    ['out of order', `${report.reordered}, ${report.duplicated} twice`],
    ['rtt ms', `min/avg/p50/p95/p99/max = ${times}`],
    ...report.paths.map(({ hops, answers }) => ['path', `${hops.join(' > ')} (${answers} answers)`] as const),
  ])}`
}
