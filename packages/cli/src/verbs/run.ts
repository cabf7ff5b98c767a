/** `causeway run`: the daemon, hub or sidecar as its config says, until it is told to stop. */
import { DONE } from '../fault.ts'
import { type Format, print, printDocument } from '../output.ts'
import { type DeclareVerb, outputOption, untilInterrupted } from '../verb.ts'

export const declareRun: DeclareVerb = (program, onResult) => {
  program
    .command('run')
    .summary('run a node: hub or sidecar, as its config says')
    .description('Runs a node until SIGTERM or Ctrl-C, then stops in good order: peers are told, writes are on disk.')
    .usage('--config <file> [options]')
    .requiredOption('--config <file>', 'config of the node (YAML)')
    .option('--check', 'only check the config and what it points to')
    .addOption(outputOption())
    .addHelpText('after', '\nExamples:\n  $ causeway run --config hkg-1-a.yaml\n  $ causeway run --config hkg-1-a.yaml --check\n')
    .action(async (options: { config: string; check?: boolean; output: Format }) => {
      const { checkConfig, startDaemon } = await import('@causeway/daemon')
      if (options.check) {
        const { credential, warnings } = checkConfig(options.config)
        for (const warning of warnings) process.stderr.write(`causeway: ${warning}\n`)
        const { role, name, site } = credential
        const text = `${options.config} is valid: ${role} ${name} of site ${site}`
        await printDocument(options.output, { config: options.config, valid: true, role, name, site, warnings }, () => text)
      } else {
        const stop = untilInterrupted()
        // A node goes on when nobody takes what it prints.
        process.stdout.removeAllListeners('error').on('error', () => {})
        const daemon = await startDaemon(options.config)
        const { tcp, udp } = daemon.addresses
        print(`causeway: ${daemon.name} is ready; API at ${daemon.apiSocket}; listening on ${tcp}${udp === null ? '' : ` (UDP ${udp})`}`)
        await new Promise<void>((done) => (stop.aborted ? done() : stop.addEventListener('abort', () => done())))
        await daemon.stop()
        // All of ours is closed and on disk; timers that libraries leave behind would hold the process for seconds.
        process.exit(DONE)
      }
      onResult(DONE)
    })
}
