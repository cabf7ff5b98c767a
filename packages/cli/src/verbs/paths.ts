/** `causeway paths`: the plan to one destination, best path first. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Causeway } from '@causeway/client'
import { CausewayError, type PathsView } from '@causeway/protocol'
import { tint, tintState } from '../colour.ts'
import { ANSWER_NO, DONE } from '../fault.ts'
import { printDocument } from '../output.ts'
import { milliseconds } from '../quantity.ts'
import { addReadingOptions, addWatchOption, connectTo, type DeclareVerb, nodeName, type WatchedOptions } from '../verb.ts'

const ASKS_AGAIN = 8
const ASK_INTERVAL_MS = 250
const CHECK = 'check the name, and with "causeway status" whether this node reaches a hub'

export const declarePaths: DeclareVerb = (program, onResult) => {
  addWatchOption(addReadingOptions(program.command('paths')))
    .summary('ways to another node, best first')
    .description('Shows the plan that this node holds to another: the paths it may use and the one in use. Exit 1 if none works.')
    .argument('<to>', 'name of the other node', nodeName)
    .addHelpText('after', '\nExamples:\n  $ causeway paths nrt-2-a\n  $ causeway paths nrt-2-a -w\n  $ causeway paths nrt-2-a -o json\n')
    .action(async (to: string, { api, output, watch = false }: WatchedOptions) => {
      const causeway = await connectTo(api)
      let view = await findPaths(causeway, to)
      const read = async (): Promise<PathsView> => (view = await causeway.paths(to))
      if (watch) await (await import('../show-view.ts')).showView({ format: output, watch, read, table: pathsTable })
      else await printDocument(output, view, () => pathsTable(view))
      if (!isPlanned(view)) throw new CausewayError('unreachable', `no way to ${to} is known here`, CHECK)
      onResult(view.paths.some(({ state }) => state !== 'down') ? DONE : ANSWER_NO)
    })
}

/** The first question makes the node ask its hub; the answer takes a round trip. */
async function findPaths(causeway: Causeway, to: string): Promise<PathsView> {
  let view = await causeway.paths(to)
  for (let again = 0; !isPlanned(view) && again < ASKS_AGAIN; again++) {
    await sleep(ASK_INTERVAL_MS)
    view = await causeway.paths(to)
  }
  return view
}

/** Without a plan a node tries any hub and hopes: such a path has no cost, and is no sign that `to` exists. */
function isPlanned({ paths }: PathsView): boolean {
  return paths.some(({ costMs }) => costMs !== null)
}

async function pathsTable(view: PathsView): Promise<string> {
  if (!isPlanned(view)) return ''
  const { paths } = view
  const { renderTable } = await import('../table.ts')
  const rows = paths.map(({ hops, costMs, state, active }) => [
    active ? tint('good', 'in use') : '',
    tintState(state),
    milliseconds(costMs),
    hops.join(' > '),
  ])
  return renderTable(['', 'STATE', '>COST ms', 'PATH'], rows)
}
