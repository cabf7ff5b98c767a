/** `causeway links`: every link of this node with what was measured on it. */
import { DONE } from '../fault.ts'
import { isTable, printDocument } from '../output.ts'
import { addReadingOptions, connectTo, type DeclareVerb, type ReadingOptions, untilInterrupted } from '../verb.ts'

interface LinksVerbOptions extends ReadingOptions {
  readonly watch?: boolean
}

const DESCRIPTION = `Shows the links of this node, those in trouble first: state, since when, and what it rests on; round trip (median and 95th \
percentile), jitter, loss each way in the last 60 s (→ to the peer), cost, bytes, and the number of its connection.`

const EXAMPLES = `
Examples:
  $ causeway links -w                        redrawn every second; without a terminal, a line for each change
  $ causeway links -o wide                   with more round trips, and the reason of every state
  $ causeway links -o json | jq '.[] | select(.state != "up")'
  $ causeway links -w -o ndjson >> links.ndjson
`

export const declareLinks: DeclareVerb = (program, onResult) => {
  addReadingOptions(program.command('links'))
    .summary('links of this node, as measured')
    .description(DESCRIPTION)
    .option('-w, --watch', 'go on until Ctrl-C')
    .addHelpText('after', EXAMPLES)
    .action(async ({ api, output, watch = false }: LinksVerbOptions) => {
      const causeway = await connectTo(api)
      const wide = output === 'wide'
      if (watch) {
        const { changedLinks, liveLinks, watchLinks } = await import('../links/watch-links.ts')
        const live = isTable(output) && process.stdout.isTTY
        await watchLinks(causeway, live ? await liveLinks(process.stdout, wide) : changedLinks(output), untilInterrupted())
      } else {
        const { linksTable } = await import('../links/links-table.ts')
        const links = await causeway.links()
        await printDocument(output, links, () => linksTable(links, { wide, nowMs: Date.now() }))
      }
      onResult(DONE)
    })
}
