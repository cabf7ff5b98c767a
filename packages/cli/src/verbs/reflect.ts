/** `causeway reflect`: a STAMP reflector (RFC 8762) until Ctrl-C, with what it did at the end. */
import { CausewayError } from '@causeway/protocol'
import { DONE } from '../fault.ts'
import { type Format, printItem } from '../output.ts'
import { parseMilliseconds } from '../probe/option-parsers.ts'
import { type DeclareVerb, numberBetween, outputOption, untilInterrupted } from '../verb.ts'

interface ReflectOptions {
  readonly listen: string
  readonly maxRate?: number
  readonly clockError?: number
  readonly output: Format
}

export const declareReflect: DeclareVerb = (program, onResult) => {
  program
    .command('reflect')
    .summary('answer test packets of "causeway probe" and other STAMP senders')
    .description('Runs a stateful STAMP reflector (RFC 8762, unauthenticated) until Ctrl-C. A reply is never longer than its request.')
    .option('--listen <host:port>', 'UDP address of this machine', '0.0.0.0:862')
    .option('--max-rate <n>', 'reply to at most so many packets a second', numberBetween(1, 10_000_000))
    .option('--clock-error <ms>', 'say that this clock is synchronised, and how far off it is at most', parseMilliseconds)
    .addOption(outputOption())
    .addHelpText('after', '\nExamples:\n  $ causeway reflect\n  $ causeway reflect --listen [::]:8620 --max-rate 5000\n')
    .action(async (options: ReflectOptions) => {
      const { StampReflector, parseListenAddress } = await import('@causeway/daemon/probing')
      const listen = parseListenAddress(options.listen)
      if (!listen) throw badAddress(options.listen)
      const stop = untilInterrupted()
      const reflector = await StampReflector.start({ listen, packetsPerSecondMax: options.maxRate, clockErrorMs: options.clockError })
      const { address } = reflector
      await printItem(options.output, { event: 'listening', address }, () => `causeway: reflecting STAMP on UDP ${address}`)
      await new Promise<void>((done) => (stop.aborted ? done() : stop.addEventListener('abort', () => done())))
      const counts = reflector.counts
      await reflector.stop()
      const { received, reflected, malformed, refused, unsent, sessions } = counts
      await printItem(
        options.output,
        { event: 'stopped', address, ...counts },
        () =>
          `causeway: ${received} packets received, ${reflected} reflected for ${sessions} sessions, ${malformed} malformed, ${refused} over the rate, ${unsent} not sent`,
      )
      onResult(DONE)
    })
}

function badAddress(text: string): CausewayError {
  return new CausewayError(
    'usage',
    `"${text}" is no address to listen on`,
    'give an IP address of this machine and a port, like 0.0.0.0:862',
  )
}
