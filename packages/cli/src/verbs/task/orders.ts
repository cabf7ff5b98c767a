/** `causeway task update|stop|undelete|move`: changes of a task, which the allocator grants or refuses. */
import type { TaskView } from '@causeway/protocol'
import type { Command } from 'commander'
import { DONE } from '../../fault.ts'
import { printDocument } from '../../output.ts'
import { numberBetween, type ReadingOptions } from '../../verb.ts'
import { readValue } from '../kv/subcommand.ts'
import { addSubcommand, collectLabels, placeText, tasksOf } from './subcommand.ts'

type UpdateOptions = ReadingOptions & { readonly labels?: Readonly<Record<string, string>>; readonly generation?: number }
type MoveOptions = ReadingOptions & { readonly to?: string; readonly force?: boolean }

export function declareOrders(task: Command, onResult: (code: number) => void): void {
  const done = async ({ output }: ReadingOptions, changed: TaskView, text: string): Promise<void> => {
    await printDocument(output, changed, () => `${changed.id} ${text}`)
    onResult(DONE)
  }

  addSubcommand(task, 'update <id> [spec]', 'Gives a task another spec or other labels; it goes on running. Exit 1 if there is none.', [
    'update rec-42 \'{"channel": "c7", "bitrate": 64000}\'',
    'update rec-42 --labels kind=record,tier=gold --generation 3',
  ])
    .option('--labels <k=v,...>', 'labels, instead of all that it has', collectLabels)
    .option('--generation <n>', 'only if this is its generation; else exit 1', numberBetween(1, Number.MAX_SAFE_INTEGER))
    .action(async (id: string, spec: string | undefined, { labels, generation, ...options }: UpdateOptions) => {
      const change = { ...(spec !== undefined && { spec: await readValue(spec) }), labels, generation }
      const changed = await (await tasksOf(options)).update(id, change)
      await done(options, changed, `updated: generation ${changed.generation}`)
    })

  addSubcommand(task, 'stop <id>', 'Stops a task: its worker is told to end, and nobody is granted it again. Exit 1 if it may not be.', [
    'stop rec-42',
  ]).action(async (id: string, options: ReadingOptions) => {
    const changed = await (await tasksOf(options)).stop(id)
    await done(options, changed, `stops: ${placeText(changed)}`)
  })

  addSubcommand(task, 'undelete <id>', 'Takes a stop back, as long as the task is a tombstone. Exit 1 if it is not.', [
    'undelete rec-42',
  ]).action(async (id: string, options: ReadingOptions) => {
    const changed = await (await tasksOf(options)).undelete(id)
    await done(options, changed, `is wanted again: ${placeText(changed)}`)
  })

  addSubcommand(task, 'move <id>', 'Moves a task to another node: it is stopped where it runs, and then granted anew.', [
    'move rec-42',
    'move rec-42 --to nrt-2',
    'move rec-42 --to nrt-2 --force   # also if its site is cut off: it may then run twice until that is back',
  ])
    .option('--to <node or site>', 'default: wherever there is room')
    .option('--force', 'also if the present holder may still run it')
    .action(async (id: string, { to, force, ...options }: MoveOptions) => {
      const changed = await (await tasksOf(options)).move(id, { to, force })
      await done(options, changed, `moves: ${placeText(changed)}`)
    })
}
