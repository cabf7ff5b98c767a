/** `causeway backup`: a copy of a node's store, also while it runs. */
import { DONE } from '../fault.ts'
import { type Format, printDocument } from '../output.ts'
import { withProgress } from '../progress.ts'
import { bytes } from '../quantity.ts'
import { type DeclareVerb, outputOption } from '../verb.ts'

export const declareBackup: DeclareVerb = (program, onResult) => {
  program
    .command('backup')
    .summary("copy a node's store to a file, also while it runs")
    .description("Copies the store of a node, as of one moment, to a file. Its key is not in it: keep the node's credential as well.")
    .argument('<dir>', 'the dataDir of the node')
    .argument('<file>', 'where to; must not exist')
    .addOption(outputOption())
    .addHelpText('after', '\nExamples:\n  $ causeway backup ./data ./monday.backup\n  $ causeway docs verify ./monday.backup\n')
    .action(async (dir: string, file: string, { output }: { output: Format }) => {
      const { backupStore } = await import('@causeway/daemon')
      const { entries, fileBytes } = await withProgress(output, (tell) => backupStore(dir, file, tell))
      await printDocument(output, { file, entries, fileBytes }, () => `${file}: ${entries} entries, ${bytes(fileBytes)}`)
      onResult(DONE)
    })
}
