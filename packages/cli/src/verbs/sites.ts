/** `causeway sites`: the fleet by site. */
import { DONE } from '../fault.ts'
import { addReadingOptions, addWatchOption, connectTo, type DeclareVerb, type WatchedOptions } from '../verb.ts'

const DESCRIPTION = `Shows the sites of which this node has heard, those in doubt first: how many of their nodes are heard of, and the vitals of \
these: shares as the mean over the nodes, network as the sum. A site is alive while one of its nodes is; silent, it is cut-off or unknown, since \
nobody is left who could tell of a crash. Two gateways: its LAN is split.`

const EXAMPLES = `
Examples:
  $ causeway sites -w                        again every second, until Ctrl-C
  $ causeway sites -o json | jq '.items[] | {site, cpu: .vitals.cpu.max}'
`

export const declareSites: DeclareVerb = (program, onResult) => {
  addWatchOption(addReadingOptions(program.command('sites')))
    .summary('all sites, with the load of their nodes')
    .description(DESCRIPTION)
    .addHelpText('after', EXAMPLES)
    .action(async ({ api, output, watch = false }: WatchedOptions) => {
      const causeway = await connectTo(api)
      const [{ showView }, { sitesTable }] = await Promise.all([import('../show-view.ts'), import('../fleet/fleet-tables.ts')])
      await showView({
        format: output,
        watch,
        read: (signal) => causeway.sites({ signal }),
        table: ({ items }, rowsMax) => sitesTable(items, { wide: false, rowsMax, nowMs: Date.now() }),
      })
      onResult(DONE)
    })
}
