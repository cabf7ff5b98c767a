/** `causeway simulate`: one seeded world of real nodes under a virtual clock, with faults and checkers. */
import { CausewayError } from '@causeway/protocol'
import type { RttMatrix, ScenarioReport, TaskScenarioReport } from '@causeway/simulator'
import type { Command } from 'commander'
import { ANSWER_NO, DONE } from '../fault.ts'
import { type Format, printDocument } from '../output.ts'
import { readRttMatrix } from '../rtt-file.ts'
import { type DeclareVerb, numberBetween, outputOption } from '../verb.ts'

interface SimulateOptions {
  readonly hubs?: number
  readonly sites?: number
  readonly nodes?: number
  readonly seed?: number
  readonly seconds?: number
  readonly rtt?: string
  readonly output: Format
}

type Report = ScenarioReport | TaskScenarioReport

const DESCRIPTION = `Runs a whole network in this process: the machines that the daemon runs, over a virtual clock and a network with \
delays measured between real places. Faults of all kinds strike it, everything heals, and checkers look at what came of it. \
The seed tells the whole story: the same seed, the same world. Exit 1 if a checker objects.`

const EXAMPLES = `
Scenarios:
  storm   messages and records under cuts, brown-outs, crashes, stalls, power cuts and wrong clocks
  tasks   tasks with leases under faults that last longer than a lease

Examples:
  $ causeway simulate storm --seed 7
  $ causeway simulate storm --hubs 4 --sites 40 --nodes 2 --seconds 60
  $ causeway simulate tasks --seed 3 -o json
`

const SCENARIOS: Readonly<Record<string, (options: SimulateOptions, matrix: RttMatrix | undefined) => Promise<Report>>> = {
  storm: async ({ hubs, sites, nodes, seed = 1, seconds }, matrix) => {
    const { runScenario } = await import('@causeway/simulator')
    return runScenario({
      seed,
      ...(hubs !== undefined && { hubs }),
      ...(sites !== undefined && { sites }),
      ...(nodes !== undefined && { nodesPerSite: nodes }),
      ...(seconds !== undefined && { seconds }),
      ...(matrix && { fleet: { matrix } }),
    })
  },
  tasks: async ({ hubs, sites, nodes, seed = 1, seconds }, matrix) => {
    const { runTaskScenario } = await import('@causeway/simulator')
    const fleet = {
      ...(hubs !== undefined && { hubs }),
      ...(sites !== undefined && { sites }),
      ...(nodes !== undefined && { nodesPerSite: nodes }),
      ...(matrix && { matrix }),
    }
    return runTaskScenario({ seed, fleet, ...(seconds !== undefined && { seconds }) })
  },
}

export const declareSimulate: DeclareVerb = (program, onResult) => {
  const verb: Command = program.command('simulate')
  verb
    .summary('a seeded world of nodes, faults and checkers')
    .description(DESCRIPTION)
    .argument('<scenario>', Object.keys(SCENARIOS).join(' or '))
    .option('--hubs <n>', 'default: by the seed', numberBetween(1, 20))
    .option('--sites <n>', 'default: by the seed', numberBetween(1, 200))
    .option('--nodes <n>', 'nodes of a site; default: by the seed', numberBetween(1, 16))
    .option('--seed <n>', 'default: 1', numberBetween(0, 2 ** 32 - 1))
    .option('--seconds <n>', 'virtual seconds for which faults strike; default: 30, of tasks 60', numberBetween(1, 86_400))
    .option('--rtt <file>', 'round trips between places: n rows of n numbers in ms, plain or gzipped; default: measured ones of 490 places')
    .addOption(outputOption(['table', 'json']))
    .addHelpText('after', EXAMPLES)
    .action(async (scenario: string, options: SimulateOptions) => {
      const run = Object.hasOwn(SCENARIOS, scenario) ? SCENARIOS[scenario] : undefined
      if (!run) throw new CausewayError('usage', `there is no scenario "${scenario}"`, `choose ${Object.keys(SCENARIOS).join(' or ')}`)
      const matrix = options.rtt === undefined ? undefined : readRttMatrix(options.rtt)
      checkRoom(options, matrix)
      const report = await run(options, matrix)
      await printDocument(options.output, report, () => Promise.resolve(story(scenario, report)))
      onResult(report.objections.length === 0 ? DONE : ANSWER_NO)
    })
}

/** The simulator wants twice as many places as it takes, so that it can choose. */
function checkRoom({ hubs = 4, sites = 8, rtt }: SimulateOptions, matrix: RttMatrix | undefined): void {
  if (!matrix || 2 * (hubs + sites) <= matrix.size) return
  throw new CausewayError(
    'usage',
    `${rtt} has ${matrix.size} places, too few for ${hubs} hubs and ${sites} sites`,
    'ask for fewer with --hubs and --sites',
  )
}

function story(scenario: string, report: Report): string {
  const { seed, nodes, objections, happened } = report
  const faults = report.faults.map((fault) => (typeof fault === 'string' ? fault : `${fault.what} (hit ${fault.dropped})`))
  const traffic =
    'pings' in report
      ? `${report.pings.answered} of ${report.pings.sent} messages answered, longest gap ${report.pings.longestGapMs} ms; ${report.writes.acknowledged} of ${report.writes.asked} writes acknowledged`
      : `${report.tasks} tasks of ${report.orders} orders, run ${report.runs} times (${report.engine} leases)`
  const verdict = objections.length === 0 ? ['held: no checker objects'] : ['NOT held:', ...objections.map((objection) => `  ${objection}`)]
  return [
    `${scenario}, seed ${seed}: ${nodes} nodes, ${happened} events`,
    ...faults.map((fault) => `  ${fault}`),
    traffic,
    ...verdict,
  ].join('\n')
}
