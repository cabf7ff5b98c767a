/** `causeway drain`: everybody moves off this hub; then it may stop without anybody noticing. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Causeway } from '@causeway/client'
import type { TellProgress } from '@causeway/daemon'
import { CausewayError, type StatusView } from '@causeway/protocol'
import { DONE } from '../fault.ts'
import { printDocument } from '../output.ts'
import { withProgress } from '../progress.ts'
import { addReadingOptions, connectTo, type DeclareVerb, numberBetween, type ReadingOptions } from '../verb.ts'

/** When nothing has passed for so long, nothing more will. */
const QUIET_MS = 2_000
const LOOK_MS = 200

interface DrainVerbOptions extends ReadingOptions {
  readonly wait?: boolean
  readonly dryRun?: boolean
  readonly timeout: number
}

export const declareDrain: DeclareVerb = (program, onResult) => {
  addReadingOptions(program.command('drain'))
    .summary('move everybody off this hub')
    .description(
      'Asks all nodes to leave this hub for others, without a break: it goes on relaying what comes. Lasts until "undrain", over restarts too.',
    )
    .option('--wait', `return when nothing has passed through for ${QUIET_MS / 1000} s`)
    .option('-t, --timeout <seconds>', 'with --wait: give up after', numberBetween(1, 86_400, 'real'), 60)
    .option('--dry-run', 'only tell what passes through it now')
    .addHelpText(
      'after',
      '\nExamples:\n  $ causeway drain --dry-run\n  $ causeway drain --wait && systemctl restart causeway\n  $ causeway undrain\n',
    )
    .action(async ({ api, wait = false, dryRun, timeout, output }: DrainVerbOptions) => {
      const causeway = await connectTo(api)
      if (dryRun) return onResult(await tellPassage(causeway, output))
      await causeway.drain(true)
      const status = wait ? await withProgress(output, (tell) => untilQuiet(causeway, timeout * 1000, tell)) : await causeway.status()
      await printDocument(output, status, () => drainLine(status, wait))
      onResult(DONE)
    })
}

async function tellPassage(causeway: Causeway, output: ReadingOptions['output']): Promise<number> {
  const status = await causeway.status()
  const { node, relay, links } = status
  if (!relay) throw new CausewayError('refused', `${node} is an edge node: nothing passes through it that could be moved`, 'drain a hub')
  const text = `would drain ${node}: ${relay.framesPerSecond ?? 'an unknown number of'} frames/s pass through it, ${links} links\nnothing is done`
  await printDocument(output, status, () => text)
  return DONE
}

async function untilQuiet(causeway: Causeway, withinMs: number, tell: TellProgress): Promise<StatusView> {
  let [frames, since] = [-1, performance.now()]
  for (const began = since; performance.now() - began < withinMs; await sleep(LOOK_MS)) {
    const status = await causeway.status()
    tell(`${status.relay?.framesPerSecond ?? 0} frames/s still pass through ${status.node}`)
    if (status.relay && status.relay.frames !== frames) [frames, since] = [status.relay.frames, performance.now()]
    else if (performance.now() - since >= QUIET_MS) return status
  }
  throw new CausewayError(
    'timeout',
    `frames still pass through this hub after ${withinMs / 1000} s`,
    'some nodes have no other way: see "causeway why FROM TO"',
  )
}

function drainLine({ node, relay }: StatusView, quiet: boolean): string {
  if (quiet) return `${node} drains; nothing passes through it any more`
  return `${node} drains; ${relay?.framesPerSecond ?? 'some'} frames/s still pass through it`
}
