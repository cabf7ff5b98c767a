/**
 * Runs many simulated worlds, one per seed, on all cores, until it is interrupted, and says which seeds objected and how to
 * replay each. With `--storm` a world is replicas only, in which more goes wrong: lost disks, old backups, cuts longer than it
 * takes to be retired.
 *
 *     node_modules/.bin/node tools/swarm.ts [--seeds N] [--from S] [--seed S] [--seconds T] [--storm] [-o json]
 */
import { parseArgs } from 'node:util'
import { type ScenarioReport, runScenario } from '@causeway/simulator'
import { type StormReport, runStorm } from '../packages/state/src/replica-storm.ts'
import { runWorlds, serveWorlds } from './world-pool.ts'

interface Task {
  readonly seconds: number
  readonly storm: boolean
}

type Report = ScenarioReport | StormReport

if (!serveWorlds(run)) await main()

function run(seed: number, { seconds, storm }: Task): Report {
  return storm ? runStorm(seed) : runScenario({ seed, seconds })
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '20' },
      from: { type: 'string', default: '1' },
      seed: { type: 'string' },
      seconds: { type: 'string', default: '30' },
      storm: { type: 'boolean', default: false },
      output: { type: 'string', short: 'o', default: 'text' },
    },
  })
  const from = Number(values.seed ?? values.from)
  const count = values.seed === undefined ? Number(values.seeds) : 1
  const seconds = Number(values.seconds)
  if (![from, count, seconds].every((number) => Number.isInteger(number) && number >= 0)) {
    process.stderr.write('swarm: --seeds, --from, --seed and --seconds take whole numbers\n')
    process.exit(2)
  }
  const began = performance.now()
  const reports = await runWorlds<Task, Report>({
    file: import.meta.filename,
    task: { seconds, storm: values.storm },
    seeds: Array.from({ length: count }, (_, index) => from + index),
    done: (report) => values.output !== 'json' && print(report, seconds, values.seed !== undefined),
  })
  const failed = reports.filter((report) => report.objections.length > 0)
  const happened = reports.reduce((sum, { happened: count }) => sum + (typeof count === 'number' ? count : total(count)), 0)
  const tookSeconds = (performance.now() - began) / 1000
  if (values.output === 'json') process.stdout.write(`${JSON.stringify({ reports, failed: failed.map(({ seed }) => seed) }, null, 2)}\n`)
  else {
    const rate = Math.round(happened / tookSeconds / 1000)
    process.stdout.write(
      `swarm: ${reports.length - failed.length} of ${reports.length} worlds held, ${happened} events in ${tookSeconds.toFixed(1)} s (${rate} k/s)\n`,
    )
  }
  process.exitCode = failed.length === 0 ? 0 : 1
}

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}

function print(report: Report, seconds: number, all: boolean): void {
  if ('hubs' in report) {
    printWorld(report, seconds, all)
    return
  }
  const { seed, objections, happened } = report
  const counts = Object.entries(happened).map(([what, count]) => `${count} ${what}`)
  process.stdout.write(`${objections.length === 0 ? 'held  ' : 'FAILED'} storm ${seed}${all ? `: ${counts.join(', ')}` : ''}\n`)
  for (const objection of objections) process.stdout.write(`       ${objection}\n`)
  if (objections.length > 0 && !all) process.stdout.write(`       replay: node_modules/.bin/node tools/swarm.ts --storm --seed ${seed}\n`)
}

function printWorld(report: ScenarioReport, seconds: number, all: boolean): void {
  const { seed, hubs, sites, nodes, faults, writes, pings, directLinks, objections } = report
  const fleet = `${hubs} hubs, ${sites} sites, ${nodes} nodes, ${faults.length} faults`
  const traffic = `${pings.answered}/${pings.sent} pings (gap ${pings.longestGapMs} ms), ${writes.acknowledged}/${writes.asked} writes, ${directLinks} direct links`
  process.stdout.write(`${objections.length === 0 ? 'held  ' : 'FAILED'} seed ${seed}: ${fleet}, ${traffic}\n`)
  if (all) for (const { what, dropped } of faults) process.stdout.write(`         ${what} (hit ${dropped})\n`)
  if (objections.length === 0) return
  for (const objection of objections.slice(0, all ? 100 : 5)) process.stdout.write(`       ${objection}\n`)
  if (!all) process.stdout.write(`       replay: node_modules/.bin/node tools/swarm.ts --seed ${seed} --seconds ${seconds}\n`)
}
