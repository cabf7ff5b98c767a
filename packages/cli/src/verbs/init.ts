/** `causeway init`: a new network, which is a key pair of its authority and nothing else. */
import { DONE } from '../fault.ts'
import { print } from '../output.ts'
import type { DeclareVerb } from '../verb.ts'

export const declareInit: DeclareVerb = (program, onResult) => {
  program
    .command('init')
    .summary('make a new network')
    .description('Makes a new network: an authority key that signs credentials, and what nodes need to check them.')
    .argument('<dir>', 'where to put authority.key (keep it offline) and network.json')
    .option('--name <name>', 'name of the network', 'causeway')
    .addHelpText('after', '\nExample:\n  $ causeway init ./net --name lab\n')
    .action(async (dir: string, options: { name: string }) => {
      const { createNetwork } = await import('@causeway/daemon')
      const { name, keyFile } = createNetwork(dir, options.name)
      print(`network ${name} made; keep ${keyFile} safe and offline`)
      print(`next: causeway issue ${dir} --role hub --name core-1 --site core-1 --region core --out core-1.cred`)
      onResult(DONE)
    })
}
