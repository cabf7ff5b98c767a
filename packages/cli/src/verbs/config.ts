/** `causeway config`: what may stand in a config, for editors and for people. */
import { DONE } from '../fault.ts'
import { print } from '../output.ts'
import type { DeclareVerb } from '../verb.ts'

const EXAMPLES = `
Examples:
  $ causeway config schema > config.schema.json     then: "# yaml-language-server: $schema=./config.schema.json"
  $ causeway config reference | less
  $ CAUSEWAY_UPLINKS=2 causeway run --config edge.yaml --check
`

export const declareConfig: DeclareVerb = (program, onResult) => {
  const config = program
    .command('config')
    .summary('what may stand in a config: its JSON Schema, its reference')
    .description('Prints what may stand in the config of a node. Whether one is right, "causeway run --config FILE --check" tells.')
    .usage('schema|reference')
    .addHelpText('after', EXAMPLES)
  config
    .command('schema')
    .description('The JSON Schema (2020-12), for editors that complete and explain keys.')
    .addHelpText('after', '\nExample:\n  $ causeway config schema > config.schema.json\n')
    .action(async () => {
      const { configJsonSchema } = await import('@causeway/daemon')
      print(JSON.stringify(configJsonSchema(), null, 2))
      onResult(DONE)
    })
  config
    .command('reference')
    .description('Every key with its default, what it means, when to change it, and its variable of the environment, as Markdown.')
    .addHelpText('after', '\nExample:\n  $ causeway config reference | less\n')
    .action(async () => {
      const { configReference } = await import('@causeway/daemon')
      print(configReference())
      onResult(DONE)
    })
}
