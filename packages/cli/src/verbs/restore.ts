/** `causeway restore`: a backup becomes the store of a node again. */
import { DONE } from '../fault.ts'
import { type Format, printDocument } from '../output.ts'
import { type DeclareVerb, outputOption } from '../verb.ts'

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
    .addOption(outputOption())
    .addHelpText('after', '\nExamples:\n  $ causeway restore ./monday.backup ./data\n')
    .action(async (file: string, dir: string, { force = false, output }: { force?: boolean; output: Format }) => {
      const { restoreStore } = await import('@causeway/daemon')
      const { entries } = await restoreStore(file, dir, force)
      const text = `${dir}: ${entries} entries restored; start its node with the credential that it had`
      await printDocument(output, { dir, entries }, () => text)
      onResult(DONE)
    })
}
