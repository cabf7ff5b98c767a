/**
 * Runs many simulated worlds of tasks, one per seed, until it is interrupted, and says which seeds objected and how to replay each.
 *
 *     node_modules/.bin/node tools/task-swarm.ts [--seeds N] [--from S] [--seed S] [--seconds T] [--engine embedded|external] [--workers N] [--follow TASK]
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { type TaskScenarioOptions, type TaskScenarioReport, runTaskScenario } from '@causeway/simulator'
import { runWorlds, serveWorlds } from './world-pool.ts'

type Story = Omit<TaskScenarioOptions, 'seed'>

if (!serveWorlds((seed, story: Story) => runTaskScenario({ ...story, seed }))) await main()

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '20' },
      from: { type: 'string', default: '1' },
      seed: { type: 'string' },
      seconds: { type: 'string', default: '60' },
      engine: { type: 'string' },
      follow: { type: 'string' },
      workers: { type: 'string', default: String(availableParallelism()) },
    },
  })
  const from = Number(values.seed ?? values.from)
  const count = values.seed === undefined ? Number(values.seeds) : 1
  const engine = values.engine === 'embedded' || values.engine === 'external' ? values.engine : undefined
  const story: Story = {
    seconds: Number(values.seconds),
    ...(engine && { engine }),
    ...(values.follow !== undefined && { follow: values.follow }),
  }
  const began = performance.now()
  const reports = await runWorlds<Story, TaskScenarioReport>({
    file: import.meta.filename,
    task: story,
    seeds: Array.from({ length: count }, (_, index) => from + index),
    workers: Number(values.workers),
    done: (report) => print(report, values.seed !== undefined),
  })
  const failed = reports.filter(({ objections }) => objections.length > 0).length
  const sum = (of: (report: TaskScenarioReport) => number): number => reports.reduce((total, report) => total + of(report), 0)
  const took = ((performance.now() - began) / 1000).toFixed(1)
  process.stdout.write(
    `task-swarm: ${reports.length - failed} of ${reports.length} worlds held: ${sum(({ orders }) => orders)} orders, ${sum(({ tasks }) => tasks)} tasks, ${sum(({ runs }) => runs)} runs, ${sum(({ faults }) => faults.length)} faults, ${took} s\n`,
  )
  process.exitCode = failed === 0 ? 0 : 1
}

function print({ seed, engine, nodes, faults, orders, tasks, runs, objections, story }: TaskScenarioReport, all: boolean): void {
  if (objections.length === 0 && !all) return
  const verdict = objections.length === 0 ? 'held  ' : 'FAILED'
  process.stdout.write(
    `${verdict} seed ${seed}: ${engine}, ${nodes} nodes, ${faults.length} faults, ${orders} orders, ${tasks} tasks, ${runs} runs\n`,
  )
  for (const line of story) process.stdout.write(`${line}\n`)
  if (all) for (const what of faults) process.stdout.write(`         ${what}\n`)
  for (const objection of objections.slice(0, all ? 100 : 5)) process.stdout.write(`       ${objection}\n`)
  if (objections.length > 0 && !all) process.stdout.write(`       replay: node_modules/.bin/node tools/task-swarm.ts --seed ${seed}\n`)
}
