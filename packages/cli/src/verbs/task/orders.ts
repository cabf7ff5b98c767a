/** `causeway task update|stop|undelete|move`: changes of a task, which the allocator grants or refuses. */
import type { Tasks } from '@causeway/client'
import type { TaskOrder, TaskView } from '@causeway/protocol'
import type { Command } from 'commander'
import { DONE } from '../../fault.ts'
import { printDocument } from '../../output.ts'
import { numberBetween, type ReadingOptions } from '../../verb.ts'
import { readValue } from '../kv/subcommand.ts'
import { addSubcommand, collectLabels, DRY_RUN, placeText, tasksOf } from './subcommand.ts'
import { printDryRun } from './why-text.ts'

type OrderOptions = ReadingOptions & { readonly dryRun?: boolean }
type UpdateOptions = OrderOptions & { readonly labels?: Readonly<Record<string, string>>; readonly generation?: number }
type Change = Exclude<TaskOrder, { type: 'submit' }>
type MoveOptions = OrderOptions & { readonly to?: string; readonly force?: boolean }

export function declareOrders(task: Command, onResult: (code: number) => void): void {
  /** Gives the order, or only asks what would come of it. */
  const give = async ({ output, dryRun, ...options }: OrderOptions, order: Change, text: (changed: TaskView) => string): Promise<void> => {
    const tasks = await tasksOf(options)
    if (dryRun) await printDryRun(output, await tasks.dryRun(order))
    else {
      const changed = await orderOf(tasks, order)
      await printDocument(output, changed, () => `${changed.id} ${text(changed)}`)
    }
    onResult(DONE)
  }

  addSubcommand(task, 'update <id> [spec]', 'Gives a task another spec or other labels; it goes on running. Exit 1 if there is none.', [
    'update rec-42 \'{"channel": "c7", "bitrate": 64000}\'',
    'update rec-42 --labels kind=record,tier=gold --generation 3',
  ])
    .option('--labels <k=v,...>', 'labels, instead of all that it has', collectLabels)
    .option('--generation <n>', 'only if this is its generation; else exit 1', numberBetween(1, Number.MAX_SAFE_INTEGER))
    .option(...DRY_RUN)
    .action(async (id: string, spec: string | undefined, { labels, generation, ...options }: UpdateOptions) => {
      const change = { ...(labels && { labels }), ...(generation !== undefined && { generation }) }
      const order = { type: 'update', id, ...(spec !== undefined && { spec: await readValue(spec) }), ...change } as const
      await give(options, order, (changed) => `updated: generation ${changed.generation}`)
    })

  addSubcommand(task, 'stop <id>', 'Stops a task: its worker is told to end, and nobody is granted it again. Exit 1 if it may not be.', [
    'stop rec-42',
  ])
    .option(...DRY_RUN)
    .action((id: string, options: OrderOptions) => give(options, { type: 'stop', id }, (changed) => `stops: ${placeText(changed)}`))

  addSubcommand(task, 'undelete <id>', 'Takes a stop back, as long as the task is a tombstone. Exit 1 if it is not.', ['undelete rec-42'])
    .option(...DRY_RUN)
    .action((id: string, options: OrderOptions) =>
      give(options, { type: 'undelete', id }, (changed) => `is wanted again: ${placeText(changed)}`),
    )

  addSubcommand(task, 'move <id>', 'Moves a task to another node: it is stopped where it runs, and then granted anew.', [
    'move rec-42',
    'move rec-42 --to nrt-2 --dry-run',
    'move rec-42 --to nrt-2 --force   # also if its site is cut off: it may then run twice until that is back',
  ])
    .option('--to <node or site>', 'default: wherever there is room')
    .option('--force', 'also if the present holder may still run it')
    .option(...DRY_RUN)
    .action((id: string, { to, force, ...options }: MoveOptions) => {
      const order = { type: 'move', id, ...(to !== undefined && { to }), ...(force !== undefined && { force }) } as const
      return give(options, order, (changed) => `moves: ${placeText(changed)}`)
    })
}

function orderOf(tasks: Tasks, { type, id, ...change }: Change): Promise<TaskView> {
  return type === 'stop' || type === 'undelete' ? tasks[type](id) : tasks[type](id, change)
}
