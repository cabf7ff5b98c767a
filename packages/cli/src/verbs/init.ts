/** `causeway init`: a new network, which is a key pair of its authority and nothing else. */
import { DONE } from '../fault.ts'
import { type Format, printDocument } from '../output.ts'
import { type DeclareVerb, outputOption } from '../verb.ts'

export const declareInit: DeclareVerb = (program, onResult) => {
  program
    .command('init')
    .summary('make a new network')
    .description('Makes a new network: an authority key that signs credentials, and what nodes need to check them.')
    .argument('<dir>', 'where to put authority.key (keep it offline) and network.json')
    .option('--name <name>', 'name of the network', 'causeway')
    .option('--dry-run', 'say what would come of it, and do nothing')
    .addOption(outputOption())
    .addHelpText('after', '\nExample:\n  $ causeway init ./net --name lab\n')
    .action(async (dir: string, { name: wanted, dryRun = false, output }: { name: string; dryRun?: boolean; output: Format }) => {
      const { createNetwork } = await import('@causeway/daemon')
      const { name, keyFile } = createNetwork(dir, wanted, { dryRun })
      if (dryRun) {
        await printDocument(output, { name, keyFile, dryRun }, () => `would make network ${name} with ${keyFile}\nnothing is done`)
        return onResult(DONE)
      }
      const next = `causeway issue ${dir} --role hub --name core-1 --site core-1 --region core --out core-1.cred`
      await printDocument(output, { name, keyFile }, () => `network ${name} made; keep ${keyFile} safe and offline\nnext: ${next}`)
      onResult(DONE)
    })
}
