/** `causeway kv`: records, read and written on this node's replica; one subcommand each. */
import type { DeclareVerb } from '../verb.ts'
import { declareReads } from './kv/reads.ts'
import { declareWatch } from './kv/watch.ts'
import { declareWrites } from './kv/writes.ts'

const EXAMPLES = `
Examples:
  $ causeway kv put config/audio/bitrate 64000 --partition global
  $ causeway kv put tasks/rec-42 '{"channel": "c7"}' --labels kind=record
  $ causeway kv patch tasks/rec-42 '{"state": "running"}'
  $ causeway kv get config/audio/bitrate --partition global
  $ causeway kv list tasks -l 'kind=record,zone in (a,b)'
  $ causeway kv watch tasks -o ndjson
  $ causeway kv history tasks/rec-42
`

export const declareKv: DeclareVerb = (program, onResult) => {
  const kv = program
    .command('kv')
    .summary('records: get, list, watch, history, put, create, update, patch, delete, batch')
    .description(
      "Reads and writes records on this node's replica, also while its site is cut off. The first slash ends the collection's name.",
    )
    .usage('get|list|watch|history|put|create|update|patch|delete|batch COLLECTION[/KEY] [options]')
    .addHelpText('after', EXAMPLES)
  declareReads(kv, onResult)
  declareWatch(kv, onResult)
  declareWrites(kv, onResult)
}
