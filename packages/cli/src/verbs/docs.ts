/** `causeway docs`: the documents in the store of a node, looked at on disk. */
import type { StoreReport } from '@causeway/daemon'
import type { Command } from 'commander'
import { ANSWER_NO, DONE } from '../fault.ts'
import { print, printDocument, type Format } from '../output.ts'
import { bytes } from '../quantity.ts'
import { type DeclareVerb, outputOption } from '../verb.ts'

const EXAMPLES = `
Examples:
  $ causeway docs list ./data
  $ causeway docs verify ./data
  $ causeway docs verify ./monday.backup
  $ causeway docs compact ./data
`

export const declareDocs: DeclareVerb = (program, onResult) => {
  const docs = program
    .command('docs')
    .summary('the documents in a data directory: list, verify, compact')
    .description('Looks at the store of a node on its disk. Its node may run, except for compact.')
    .usage('list|verify|compact DIR [options]')
    .addHelpText('after', EXAMPLES)

  subcommand(docs, 'list <dir>', 'the documents it holds').action(async (dir: string, options: { output: Format }) => {
    const { inspectStore } = await import('@causeway/daemon')
    const report = await inspectStore(dir)
    await printDocument(options.output, { items: report.documents }, () => documentsTable(report))
    onResult(DONE)
  })

  subcommand(docs, 'verify <dir>', 'read and check all of it, or of a backup; exit 1 if anything is damaged').action(
    async (dir: string, options: { output: Format }) => {
      const { inspectStore } = await import('@causeway/daemon')
      const report = await inspectStore(dir)
      await printDocument(options.output, report, () => verdict(report))
      onResult(report.faults.length === 0 ? DONE : ANSWER_NO)
    },
  )

  docs
    .command('compact <dir>')
    .description('write it anew without the room that deleted entries left; its node must not run')
    .action(async (dir: string) => {
      const { compactStore } = await import('@causeway/daemon')
      const { bytesBefore, bytesAfter } = await compactStore(dir)
      print(`${dir}: ${bytes(bytesBefore)} before, ${bytes(bytesAfter)} after`)
      onResult(DONE)
    })
}

function subcommand(docs: Command, grammar: string, description: string): Command {
  return docs.command(grammar).description(description).addOption(outputOption())
}

function verdict({ path, entries, documents, fileBytes, cleanStop, faults }: StoreReport): string {
  const what = `${path}: ${documents.length} documents, ${entries} entries, ${bytes(fileBytes)}`
  if (faults.length > 0) return [`${what}; DAMAGED`, ...faults.map((fault) => `  ${fault}`)].join('\n')
  return `${what}; all of it is whole${cleanStop ? ', stopped in good order' : ''}`
}

async function documentsTable({ documents }: StoreReport): Promise<string> {
  if (documents.length === 0) return 'no documents'
  const { renderTable } = await import('../table.ts')
  const rows = documents.map((one) => [
    one.collection,
    one.partition,
    one.writer,
    String(one.epochs),
    String(one.batches),
    bytes(one.bytes),
  ])
  return renderTable(['COLLECTION', 'PARTITION', 'WRITER', '>EPOCHS', '>BATCHES', '>SIZE'], rows)
}
