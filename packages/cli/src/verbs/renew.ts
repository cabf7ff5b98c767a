/** `causeway renew`: a credential that ends, or that should say something else, signed anew for the same node and key. */
import { DONE } from '../fault.ts'
import { type Format, printDocument } from '../output.ts'
import { collect, type DeclareVerb, outputOption, parseLabels } from '../verb.ts'

interface RenewVerbOptions {
  readonly labels?: Readonly<Record<string, string>>
  readonly write?: readonly string[]
  readonly expires: string
  readonly out: string
  readonly dryRun?: boolean
  readonly output: Format
}

export const declareRenew: DeclareVerb = (program, onResult) => {
  program
    .command('renew')
    .summary('sign the credential of a node anew')
    .description(
      "Signs a node's credential once more, for the same name and key, also if it has expired: with a later end, and with the labels and write patterns that are given. The node goes by it from its next start; what it has written stays valid.",
    )
    .usage('<dir> <credential> --out <file> [options]')
    .argument('<dir>', 'the directory that "causeway init" made')
    .argument('<credential>', 'the credential that the node has')
    .option('--labels <k=v,...>', 'labels of the node, instead of those it has', parseLabels)
    .option('--write <pattern>', 'collection/partition it may write besides; repeatable', collect)
    .option('--expires <time>', 'how long it is valid from now: 12h, 90d', '90d')
    .requiredOption('--out <file>', 'where to write it (mode 0600)')
    .option('--dry-run', 'say what would come of it, and do nothing')
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  $ causeway renew ./net hkg-1-a.cred --out hkg-1-a.new.cred
  $ causeway renew ./net hkg-1-a.cred --out hkg-1-a.new.cred --expires 365d --write 'tasks/**'
`,
    )
    .action(async (dir: string, credential: string, { output, dryRun = false, ...options }: RenewVerbOptions) => {
      const { renewCredential } = await import('@causeway/daemon')
      const renewed = renewCredential(dir, { credential, ...options }, { dryRun })
      const { name, file, write, expires } = renewed
      const terms = `valid until ${expires.slice(0, 10)}; may write ${write.join(', ')}`
      const text = dryRun
        ? `would write a new credential of ${name} to ${file}; ${terms}\nnothing is done`
        : `new credential of ${name} written to ${file}; ${terms}\nnext: put it where the node has its old one, and start the node again`
      await printDocument(output, { ...renewed, ...(dryRun && { dryRun }) }, () => text)
      onResult(DONE)
    })
}
