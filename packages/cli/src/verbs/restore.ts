/** `causeway restore`: a backup becomes the store of a node again. */
import { DONE } from '../fault.ts'
import { type Format, printDocument } from '../output.ts'
import { withProgress } from '../progress.ts'
import { type DeclareVerb, outputOption } from '../verb.ts'

interface RestoreOptions {
  readonly force?: boolean
  readonly dryRun?: boolean
  readonly output: Format
}

export const declareRestore: DeclareVerb = (program, onResult) => {
  program
    .command('restore')
    .summary('put a backup back as the store of a node')
    .description(
      'Puts a backup in place as the store of a node that does not run. What the node wrote since comes back from its peers, as far as they have it.',
    )
    .argument('<file>', 'what "causeway backup" wrote')
    .argument('<dir>', 'the dataDir of the node')
    .option('--force', 'also if there is a store; that is kept beside it as store.mdb.replaced')
    .option('--dry-run', 'say what would come of it, and do nothing')
    .addOption(outputOption())
    .addHelpText(
      'after',
      '\nExamples:\n  $ causeway restore ./monday.backup ./data --dry-run\n  $ causeway restore ./monday.backup ./data\n',
    )
    .action(async (file: string, dir: string, { force = false, dryRun = false, output }: RestoreOptions) => {
      const { restoreStore } = await import('@causeway/daemon')
      const { entries, kept } = await withProgress(output, (tell) => restoreStore(file, dir, { force, dryRun }, tell))
      if (dryRun) {
        const place = kept === null ? 'where no store is' : `in place of the store that is there, which would be kept as ${kept}`
        const text = `would restore ${entries} entries to ${dir}, ${place}\nnothing is done`
        await printDocument(output, { dir, entries, kept, dryRun }, () => text)
        return onResult(DONE)
      }
      const aside = kept === null ? '' : `; the store that was there is kept as ${kept}`
      const text = `${dir}: ${entries} entries restored${aside}; start its node with the credential that it had`
      await printDocument(output, { dir, entries, kept }, () => text)
      onResult(DONE)
    })
}
