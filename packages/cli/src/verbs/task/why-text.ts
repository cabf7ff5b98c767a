/** Why a task is where it is, or would go: a line on the task, and a table of the nodes that were considered. */
import type { TaskWhyView } from '@causeway/protocol'
import { tint } from '../../colour.ts'
import { printDocument } from '../../output.ts'
import { milliseconds } from '../../quantity.ts'
import type { ReadingOptions } from '../../verb.ts'
import { placeText } from './subcommand.ts'

/** What would come of an order; nothing has been done. */
export async function printDryRun(output: ReadingOptions['output'], outcome: TaskWhyView): Promise<void> {
  await printDocument(output, outcome, async () => `nothing is done (--dry-run). ${await whyText(outcome)}`)
}

export async function whyText({ task, candidates }: TaskWhyView): Promise<string> {
  const head = `${task.id}: ${placeText(task)}${task.reason === '' ? '' : `: ${task.reason}`}`
  if (candidates.length === 0) return `${head}\nno node was considered: none has a worker that takes tasks with its labels`
  const { renderTable } = await import('../../table.ts')
  const rows = candidates.map(({ node, site, costMs, load, chosen, rejected }) => [
    node,
    site,
    milliseconds(costMs),
    load === null ? '-' : load.toFixed(2),
    chosen ? tint('good', 'chosen') : rejected,
  ])
  return `${head}\n${renderTable(['NODE', 'SITE', '>COST ms', '>LOAD', 'WHY'], rows)}`
}
