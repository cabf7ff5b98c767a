/** `causeway demo`: a network of real processes on this machine, cut and healed before your eyes. */
import type { DeclareVerb } from '../verb.ts'
import { numberBetween, outputOption } from '../verb.ts'
import type { DemoOptions } from '../demo/run-demo.ts'

export const declareDemo: DeclareVerb = (program, onResult) => {
  program
    .command('demo')
    .summary('a whole network on this machine, cut and healed before your eyes')
    .description(
      'Starts hubs and edge sites as real processes on loopback, with wide-area delays emulated between them; replicates, cuts, kills, heals; exit 0 only if all that it shows held.',
    )
    .option('--hubs <n>', 'hubs', numberBetween(2, 8), 3)
    .option('--sites <n>', 'edge sites', numberBetween(2, 32), 6)
    .option('--nodes <n>', 'nodes of each site', numberBetween(1, 8), 2)
    .option('--seconds <n>', 'how long each flow of messages runs', numberBetween(4, 600), 7)
    .option('--seed <n>', 'chooses the places whose delays are emulated', numberBetween(0, 2 ** 31), 5)
    .option('--stay', 'keep the network up afterwards, to try things on')
    .addOption(outputOption())
    .addHelpText('after', '\nExamples:\n  $ causeway demo\n  $ causeway demo --sites 3 --stay\n  $ causeway demo -o json | jq .cut\n')
    .action(async (options: DemoOptions) => {
      const { INTERRUPTED, runDemo } = await import('../demo/run-demo.ts')
      const code = await runDemo(options)
      onResult(code)
      // All is ended; a scene that was cut short would hold the process until its last timer.
      if (code === INTERRUPTED) process.exit(code)
    })
}
