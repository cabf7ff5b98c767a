/** `causeway events`: state changes of this node with their reasons. */
import type { EventView } from '@causeway/protocol'
import { tint } from '../colour.ts'
import { DONE } from '../fault.ts'
import { printDocument, printItem } from '../output.ts'
import { addReadingOptions, connectTo, type DeclareVerb, type ReadingOptions, untilInterrupted } from '../verb.ts'

export const declareEvents: DeclareVerb = (program, onResult) => {
  addReadingOptions(program.command('events'))
    .summary('state changes with their reasons')
    .description('Prints what has lately changed in the state of this node, and why, one line each; with -f also what changes from now on.')
    .option('-f, --follow', 'go on with what happens from now, until Ctrl-C')
    .addHelpText('after', '\nExamples:\n  $ causeway events -f\n  $ causeway events -f -o ndjson >> events.ndjson\n')
    .action(async (options: ReadingOptions & { follow?: boolean }) => {
      const causeway = await connectTo(options.api)
      const { output, follow = false } = options
      const events = causeway.events({ follow, signal: untilInterrupted() })
      const items: EventView[] = []
      for await (const event of events) {
        if (follow) await printItem(output, event, () => eventLine(event))
        else items.push(event)
      }
      if (!follow) await printDocument(output, { items }, () => items.map(eventLine).join('\n'))
      onResult(DONE)
    })
}

function eventLine({ at, name, data }: EventView): string {
  const facts = Object.entries(data).map(([key, value]) => `${key}=${String(value)}`)
  return `${tint('faint', new Date(at).toISOString().slice(11, 23))}  ${name.padEnd(16)}  ${facts.join(' ')}`
}
