/** `causeway issue`: a credential for one node, signed by the authority of the network. */
import { Option } from 'commander'
import { DONE } from '../fault.ts'
import { type Format, printDocument } from '../output.ts'
import { collect, type DeclareVerb, outputOption, parseLabels } from '../verb.ts'

interface IssueOptions {
  readonly role: 'edge' | 'hub'
  readonly name: string
  readonly site: string
  readonly region: string
  readonly labels?: Readonly<Record<string, string>>
  readonly write?: readonly string[]
  readonly expires: string
  readonly out: string
  readonly dryRun?: boolean
  readonly output: Format
}

export const declareIssue: DeclareVerb = (program, onResult) => {
  program
    .command('issue')
    .summary('make a credential for a node')
    .description("Makes a node's credential, its key included. An edge node may write its own site's partitions, and what --write adds.")
    .usage('<dir> --role edge|hub --name <name> --site <site> --region <region> --out <file> [options]')
    .argument('<dir>', 'the directory that "causeway init" made')
    .addOption(new Option('--role <role>', 'what the node is').choices(['edge', 'hub']).makeOptionMandatory())
    .requiredOption('--name <name>', 'name of the node, unique in the network')
    .requiredOption('--site <site>', 'site the node stands in')
    .requiredOption('--region <region>', 'region the site lies in')
    .option('--labels <k=v,...>', 'labels of the node', parseLabels)
    .option('--write <pattern>', 'collection/partition it may also write, such as "config/**"; repeatable', collect)
    .option('--expires <time>', 'how long it is valid: 12h, 90d', '90d')
    .requiredOption('--out <file>', 'where to write it (mode 0600)')
    .option('--dry-run', 'say what would come of it, and do nothing')
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  $ causeway issue ./net --role hub  --name core-1  --site core-1 --region core --out core-1.cred
  $ causeway issue ./net --role edge --name hkg-1-a --site hkg-1 --region apac --write 'config/**' --out hkg-1-a.cred
`,
    )
    .action(async (dir: string, { output, dryRun = false, ...options }: IssueOptions) => {
      const { issueCredential } = await import('@causeway/daemon')
      const { file, write, expires } = issueCredential(dir, options, { dryRun })
      const issued = { name: options.name, file, write, expires, ...(dryRun && { dryRun }) }
      const terms = `valid until ${expires.slice(0, 10)}; may write ${write.join(', ')}`
      const text = dryRun
        ? `would write a credential of ${options.name} to ${file}; ${terms}\nnothing is done`
        : `credential of ${options.name} written to ${file}; ${terms}`
      await printDocument(output, issued, () => text)
      onResult(DONE)
    })
}
