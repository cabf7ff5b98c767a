/** `causeway sites`: the fleet by site. */
import { DONE } from '../fault.ts'
import { addReadingOptions, connectTo, type DeclareVerb, type ReadingOptions } from '../verb.ts'

interface SitesVerbOptions extends ReadingOptions {
  readonly watch?: boolean
}

const DESCRIPTION = `Shows the sites of which this node has heard, those in doubt first: how many of their nodes are heard of, and the vitals of \
these: shares as the mean over the nodes, network as the sum. A site is alive while one of its nodes is; silent, it is cut-off or unknown, since \
nobody is left who could tell of a crash. Two gateways: its LAN is split.`

const EXAMPLES = `
Examples:
  $ causeway sites -w                        again every second, until Ctrl-C
  $ causeway sites -o json | jq '.items[] | {site, cpu: .vitals.cpu.max}'
`

export const declareSites: DeclareVerb = (program, onResult) => {
  addReadingOptions(program.command('sites'))
    .summary('all sites, with the load of their nodes')
    .description(DESCRIPTION)
    .option('-w, --watch', 'go on until Ctrl-C')
    .addHelpText('after', EXAMPLES)
    .action(async ({ api, output, watch = false }: SitesVerbOptions) => {
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
