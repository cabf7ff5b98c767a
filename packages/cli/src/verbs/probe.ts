/** `causeway probe`: loss each way, round trip and jitter to reflectors, ports and nodes, as a table or for scripts. */
import { Option } from 'commander'
import { durationBetween, parseDscp, parseMilliseconds, parsePercent } from '../probe/option-parsers.ts'
import type { ProbeFormat } from '../probe/run-probe.ts'
import { addApiOption, type DeclareVerb, numberBetween } from '../verb.ts'

interface ProbeVerbOptions {
  readonly api?: string
  readonly output: ProbeFormat
  readonly count?: number
  readonly interval: number
  readonly size?: number
  readonly timeout: number
  readonly duration?: number
  readonly dscp?: number
  readonly ports: number
  readonly clockError?: number
  readonly maxLoss?: number
  readonly maxRttP95?: number
  readonly maxJitter?: number
}

const FORMATS = ['table', 'json', 'ndjson', 'csv', 'prom'] as const satisfies readonly ProbeFormat[]

const EXAMPLES = `
Targets:
  NODE                 a node of the network, end to end, by way of the local daemon
  stamp://HOST[:862]   a STAMP reflector (RFC 8762), such as "causeway reflect"
  tcp://HOST:PORT      whatever listens there: the time to connect

Examples:
  $ causeway probe stamp://192.0.2.7 tcp://192.0.2.7:443
  $ causeway probe nrt-2-a -c 100 -i 0.05 -o json
  $ causeway probe stamp://192.0.2.7 -c 600 -i 0.1 --max-loss 1% --max-rtt-p95 80 || echo "not today"
`

/** Told in seconds, kept in milliseconds. */
function seconds(flags: string, description: string, usual: number): Option {
  return new Option(flags, description).argParser(durationBetween(0.001, 3600)).default(usual * 1_000, `${usual}`)
}

export const declareProbe: DeclareVerb = (program, onResult) => {
  addApiOption(program.command('probe'))
    .summary('measure loss each way, round trip and jitter')
    .description(
      'Sends test packets to each target and tells what became of them. On a terminal it runs until Ctrl-C; else it sends 10. Exit 1 if a target never answers or a threshold is breached.',
    )
    .argument('<target...>', 'what to probe')
    .addOption(new Option('-o, --output <format>', 'how to print').choices(FORMATS).default('table'))
    .option('-c, --count <n>', 'how many to send to each target', numberBetween(1, 100_000_000))
    .addOption(seconds('-i, --interval <seconds>', 'time between two', 1))
    .option('-s, --size <bytes>', 'bytes of a packet (UDP payload, or message to a node)', numberBetween(0, 65_507))
    .addOption(seconds('-t, --timeout <seconds>', 'what is not answered by then is lost', 2))
    .option('--duration <seconds>', 'stop sending after this time', durationBetween(0.001, 31_536_000))
    .option('--dscp <class>', 'class of service of what is sent: 0 to 63, ef, af41, …', parseDscp)
    .option('--ports <n>', 'source ports, used in turn, to see all ways of routers that spread by port', numberBetween(1, 256), 1)
    .option('--clock-error <ms>', 'say that this clock is synchronised, and how far off it is at most', parseMilliseconds)
    .option('--max-loss <percent>', 'exit 1 if more are lost', parsePercent)
    .option('--max-rtt-p95 <ms>', 'exit 1 if the 95th percentile of the round trip is above', parseMilliseconds)
    .option('--max-jitter <ms>', 'exit 1 if the jitter (RFC 3550) is above', parseMilliseconds)
    .addHelpText('after', EXAMPLES)
    .action(async (targets: string[], options: ProbeVerbOptions) => {
      const { runProbe } = await import('../probe/run-probe.ts')
      const { api, output, maxLoss, maxRttP95, maxJitter } = options
      const plan = {
        count: options.count ?? null,
        intervalMs: options.interval,
        bytes: options.size ?? null,
        timeoutMs: options.timeout,
        durationMs: options.duration ?? null,
        ports: options.ports,
        dscp: options.dscp ?? null,
        clockErrorMs: options.clockError ?? null,
      }
      onResult(await runProbe({ targets, plan, thresholds: { maxLoss, maxRttP95, maxJitter }, output, api }))
    })
}
