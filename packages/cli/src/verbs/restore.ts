/** `causeway restore`: a backup becomes the store of a node again. */
import { DONE } from '../fault.ts'
import { print } from '../output.ts'
import type { DeclareVerb } from '../verb.ts'

export const declareRestore: DeclareVerb = (program, onResult) => {
  program
    .command('restore')
    .summary('put a backup back as the store of a node')
    .description(
      'Puts a backup in place as the store of a node that does not run. What the node wrote since comes back from its peers, as far as they have it.',
    )
    .argument('<file>', 'what "causeway backup" wrote')
    .argument('<dir>', 'the dataDir of the node')
    .option('--force', 'also if there is a store; that is kept as store.mdb.replaced')
    .addHelpText('after', '\nExamples:\n  $ causeway restore ./monday.backup ./data\n')
    .action(async (file: string, dir: string, options: { force?: boolean }) => {
      const { restoreStore } = await import('@causeway/daemon')
      const { entries } = await restoreStore(file, dir, options.force ?? false)
      print(`${dir}: ${entries} entries restored; start its node with the credential that it had`)
      onResult(DONE)
    })
}
