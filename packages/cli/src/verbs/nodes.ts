/** `causeway nodes`: all nodes of which this one has heard, with their vitals. */
import { DONE } from '../fault.ts'
import { addReadingOptions, addWatchOption, connectTo, type DeclareVerb, type WatchedOptions } from '../verb.ts'

const DESCRIPTION = `Shows the nodes of which this one has heard, those in doubt first: on a hub all, on an edge node those of its site and of \
its interest. The verdict is alive while somebody hears the node; suspect for the first moments of silence; crashed if its own site, which is \
connected, has lost it; cut-off if it fell silent together with its site or with others, as links do; unknown says that nothing is heard, and no \
more. Vitals are the last that it told.`

const EXAMPLES = `
Examples:
  $ causeway nodes -w                        again every second, until Ctrl-C
  $ causeway nodes -o wide                   with what applications tell, and on what the verdict rests
  $ causeway nodes -o json | jq '.items[] | select(.verdict != "alive") | .node'
`

export const declareNodes: DeclareVerb = (program, onResult) => {
  addWatchOption(addReadingOptions(program.command('nodes')))
    .summary('all nodes, with their load')
    .description(DESCRIPTION)
    .addHelpText('after', EXAMPLES)
    .action(async ({ api, output, watch = false }: WatchedOptions) => {
      const causeway = await connectTo(api)
      const [{ showView }, { nodesTable }] = await Promise.all([import('../show-view.ts'), import('../fleet/fleet-tables.ts')])
      const wide = output === 'wide'
      await showView({
        format: output,
        watch,
        read: (signal) => causeway.nodes({ signal }),
        table: ({ items }, rowsMax) => nodesTable(items, { wide, rowsMax, nowMs: Date.now() }),
      })
      onResult(DONE)
    })
}
