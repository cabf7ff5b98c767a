/** `causeway kv watch`: what is there, then every change. */
import type { TypedWatchEvent } from '@causeway/client'
import type { Command } from 'commander'
import { DONE, faultLine } from '../../fault.ts'
import { printItem } from '../../output.ts'
import { untilInterrupted } from '../../verb.ts'
import { addSubcommand, collectionOf, EVERYTHING, type KvOptions, SELECTOR, shortValue } from './subcommand.ts'

type WatchOptions = KvOptions & { readonly selector?: string; readonly since?: string; readonly resume: boolean }

export function declareWatch(kv: Command, onResult: (code: number) => void): void {
  addSubcommand(
    kv,
    'watch <collection>',
    'What is there, a bookmark, then every change, until Ctrl-C; goes on by itself when the daemon comes back.',
    EVERYTHING,
    ['watch tasks -l kind=record', 'watch tasks --partition hkg-1 --since TOKEN -o ndjson'],
  )
    .option(...SELECTOR)
    .option('--since <token>', 'not what is there, but what changed since a list, write or bookmark gave this')
    .option('--no-resume', 'end with exit 3 when the daemon goes away')
    .action(async (collection: string, options: WatchOptions) => {
      const { partition, selector, since, resume } = options
      const records = await collectionOf(options, collection)
      const onInterrupted = (fault: Error): void => void process.stderr.write(`${faultLine(fault)} Waiting for it to come back.\n`)
      for await (const event of records.watch({ partition, selector, since, resume, onInterrupted, signal: untilInterrupted() })) {
        await printItem(options.output, event, () => eventLine(event))
      }
      onResult(DONE)
    })
}

function eventLine(event: TypedWatchEvent<unknown>): string {
  switch (event.type) {
    case 'BOOKMARK':
      return event.complete ? '-- all of it so far' : '-- all that is here so far; not yet complete'
    case 'UNSYNCED':
      return `-- ${event.partition} is not held here any more`
    case 'RELISTED':
      return `-- listed again: ${event.reason}`
    case 'DELETED':
      return `${event.type.padEnd(8)}  ${event.record.partition}  ${event.record.key}`
    case 'ADDED':
    case 'MODIFIED':
    case 'VIOLATION':
      return `${event.type.padEnd(8)}  ${event.record.partition}  ${event.record.key}  ${shortValue(event.record.value)}`
  }
}
