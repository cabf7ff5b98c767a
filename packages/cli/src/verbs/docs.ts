/** `causeway docs`: the documents that a node holds, and its store on disk. */
import type { StoreReport } from '@causeway/daemon'
import type { DocumentsView } from '@causeway/protocol'
import type { Command } from 'commander'
import { ANSWER_NO, DONE } from '../fault.ts'
import { printDocument, type Format } from '../output.ts'
import { withProgress } from '../progress.ts'
import { bytes } from '../quantity.ts'
import {
  addReadingOptions,
  addWatchOption,
  connectTo,
  type DeclareVerb,
  outputOption,
  type ReadingOptions,
  type WatchedOptions,
} from '../verb.ts'

const EXAMPLES = `
Examples:
  $ causeway docs                            as "docs list"
  $ causeway docs list -w
  $ causeway docs list ./data
  $ causeway docs verify ./data
  $ causeway docs verify ./monday.backup
  $ causeway docs compact ./data
`

const STORE = 'dataDir of a node, or a backup'

export const declareDocs: DeclareVerb = (program, onResult) => {
  const docs = program
    .command('docs')
    .summary('the documents of a node, and its store: list, verify, compact')
    .description('Looks at the documents that a node holds, or at its store on disk. Its node may run, except for compact.')
    .usage('[list|verify|compact] [DIR] [options]')
    .addHelpText('after', EXAMPLES)

  addWatchOption(addReadingOptions(docs.command('list', { isDefault: true })))
    .description('Shows the documents that a running node holds; with a directory, those on its disk.')
    .argument('[dir]', STORE)
    .action(async (dir: string | undefined, options: WatchedOptions) => {
      onResult(await (dir === undefined ? listHeld(options) : listStored(dir, options)))
    })

  subcommand(docs, 'verify', STORE, 'Reads and checks all of a store, or of a backup; exit 1 if anything is damaged.').action(
    async (dir: string, { output }: { output: Format }) => {
      const { inspectStore } = await import('@causeway/daemon')
      const report = await withProgress(output, (tell) => inspectStore(dir, tell))
      await printDocument(output, report, () => verdict(report))
      onResult(report.faults.length === 0 ? DONE : ANSWER_NO)
    },
  )

  subcommand(
    docs,
    'compact',
    'dataDir of a node',
    'Writes a store anew without the room that deleted entries left; its node must not run.',
  ).action(async (dir: string, { output }: { output: Format }) => {
    const { compactStore } = await import('@causeway/daemon')
    const { bytesBefore, bytesAfter } = await withProgress(output, (tell) => compactStore(dir, tell))
    await printDocument(output, { dir, bytesBefore, bytesAfter }, () => `${dir}: ${bytes(bytesBefore)} before, ${bytes(bytesAfter)} after`)
    onResult(DONE)
  })
}

async function listHeld({ api, output, watch = false }: WatchedOptions): Promise<number> {
  const causeway = await connectTo(api)
  const { showView } = await import('../show-view.ts')
  await showView({ format: output, watch, read: () => causeway.documents(), table: heldTable })
  return DONE
}

async function heldTable({ items }: DocumentsView): Promise<string> {
  const { renderTable } = await import('../table.ts')
  const rows = items.map(({ collection, partition, writer, logs, contentHash }) => {
    const batches = logs.reduce((sum, { seq }) => sum + seq, 0)
    return [collection, partition, writer, String(logs.length), String(batches), contentHash.slice(0, 12)]
  })
  return rows.length === 0 ? 'no documents' : renderTable(['COLLECTION', 'PARTITION', 'WRITER', '>EPOCHS', '>BATCHES', 'CONTENT'], rows)
}

async function listStored(dir: string, { output }: ReadingOptions): Promise<number> {
  const { inspectStore } = await import('@causeway/daemon')
  const report = await withProgress(output, (tell) => inspectStore(dir, tell))
  await printDocument(output, { items: report.documents }, () => documentsTable(report))
  return DONE
}

function subcommand(docs: Command, name: 'verify' | 'compact', store: string, description: string): Command {
  return docs.command(name).description(description).argument('<dir>', store).addOption(outputOption())
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
