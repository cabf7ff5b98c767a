/** `causeway revoke`: the network's word for a node is taken back, and running hubs are told. */
import { REVOCATIONS, REVOCATIONS_PARTITION } from '@causeway/protocol'
import { DONE } from '../fault.ts'
import { isTable, print, printDocument } from '../output.ts'
import { addReadingOptions, connectTo, type DeclareVerb, type ReadingOptions } from '../verb.ts'

export const declareRevoke: DeclareVerb = (program, onResult) => {
  addReadingOptions(program.command('revoke'))
    .summary('take the credential of a node back')
    .description(
      'Signs that a node is not one of the network any more, and hands that to a running hub: all nodes end their links with it and take no others, and hubs take over what it wrote. Its name is not issued again.',
    )
    .argument('<dir>', 'the directory that "causeway init" made')
    .argument('<name>', 'name of the node')
    .addHelpText('after', '\nExamples:\n  $ causeway revoke ./net hkg-1-a --api /run/causeway/core-1.sock\n')
    .action(async (dir: string, name: string, { api, output }: ReadingOptions) => {
      const { revokeNode } = await import('@causeway/daemon')
      const { atMs, signature } = revokeNode(dir, name)
      const written = `revocation of ${name} written to ${dir}/network.json; now handing it to a hub (if that fails, run this again with --api)`
      if (isTable(output)) print(written)
      const causeway = await connectTo(api)
      await causeway.collection(REVOCATIONS).put(name, { atMs, signature }, { partition: REVOCATIONS_PARTITION })
      const text = `${name} is revoked: all nodes that hear of it end their links with it`
      await printDocument(output, { name, revokedAt: new Date(atMs).toISOString(), handedOver: true }, () => text)
      onResult(DONE)
    })
}
