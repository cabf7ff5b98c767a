/** `causeway task submit`: asks for something to be run once. */
import type { SubmittedTask, TaskPolicy, TaskSubmission } from '@causeway/protocol'
import { type Command, Option } from 'commander'
import { DONE } from '../../fault.ts'
import { printDocument } from '../../output.ts'
import type { ReadingOptions } from '../../verb.ts'
import { readValue } from '../kv/subcommand.ts'
import { addSubcommand, collectLabels, DRY_RUN, parseAmounts, placeText, tasksOf } from './subcommand.ts'
import { printDryRun } from './why-text.ts'

type SubmitOptions = ReadingOptions &
  Pick<TaskSubmission, 'id' | 'convergeKey' | 'site' | 'near' | 'needs' | 'nodes' | 'labels'> & {
    readonly policy?: TaskPolicy
    readonly label?: Readonly<Record<string, string>>
    readonly dryRun?: boolean
  }

const POLICY = `what becomes of it when its lease cannot be renewed: at-most-one: it stops; sticky (default): it goes on while its site is cut off, \
and nobody else is granted it; at-least-one: it goes on, and is granted anew`

const DESCRIPTION = `Submits a task. The spec is for its worker: JSON, or else taken as text; "-" reads it from stdin. Exit 1 if it is refused. \
While the allocator is out of reach the task is kept here, in phase pending.`

export function declareSubmit(task: Command, onResult: (code: number) => void): void {
  addSubcommand(task, 'submit [spec]', DESCRIPTION, [
    'submit \'{"channel": "c7"}\' --labels kind=record --near hkg-1',
    'submit --labels kind=render --needs gpu=1 --nodes disk=nvme --policy at-least-one < /dev/null',
    'submit --labels kind=render --needs gpu=1 --dry-run    # where it would go, and why',
    "submit - --converge-key record-c7 < spec.json    # twice is once: the second is answered with the first one's task",
  ])
    .option('--id <id>', 'its name; default: drawn, or the hash of the converge key')
    .option('--converge-key <key>', 'two submissions with the same key are the same task')
    .option('--labels <k=v,...>', 'labels, by which workers choose and lists select', collectLabels)
    .addOption(new Option('--label <k=v>', 'the same').argParser(collectLabels).hideHelp())
    .addOption(new Option('--policy <policy>', POLICY).choices(['at-most-one', 'sticky', 'at-least-one']))
    .option('--near <site>', "there, or as near as there is room; default: this node's site")
    .option('--site <site>', 'only there')
    .option('--needs <k=v,...>', 'what must be free at the node, as its workers or vitals tell: gpu=1,mem=4', parseAmounts)
    .option('--nodes <conditions>', 'labels that must hold for the node')
    .option(...DRY_RUN)
    .action(async (spec: string | undefined, { api, output, label, labels, dryRun, ...rest }: SubmitOptions) => {
      const given = { ...label, ...labels }
      const tasks = await tasksOf({ ...(api !== undefined && { api }) })
      const task = {
        spec: spec === undefined ? {} : await readValue(spec),
        ...rest,
        ...(Object.keys(given).length > 0 && { labels: given }),
      }
      if (dryRun) await printDryRun(output, await tasks.dryRun({ type: 'submit', ...task }))
      else {
        const submitted = await tasks.submit(task)
        await printDocument(output, submitted, () => submittedText(submitted))
      }
      onResult(DONE)
    })
}

function submittedText(task: SubmittedTask): string {
  if (task.phase === 'pending') return `${task.id} pending: ${task.reason}`
  return `${task.id} ${task.created ? 'submitted' : 'was there already'}: ${placeText(task)}${task.node === null && task.reason !== '' ? `: ${task.reason}` : ''}`
}
