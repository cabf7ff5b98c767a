/** `causeway task work`: runs a command for each task that this node is granted. */
import type { CausewayError } from '@causeway/protocol'
import { TaskInterruption } from '@causeway/client'
import type { Command } from 'commander'
import { DONE, faultLine } from '../../fault.ts'
import { addApiOption, numberBetween, untilInterrupted } from '../../verb.ts'
import { parseAmounts, SELECTOR, tasksOf } from './subcommand.ts'
import { TaskProcesses } from './task-process.ts'

interface WorkVerbOptions {
  readonly api?: string
  readonly selector?: string
  readonly slots: number
  readonly capacity?: Readonly<Record<string, number>>
}

const DESCRIPTION = `Runs a command for each task that this node is granted, until Ctrl-C. One word is a line for the shell. Exit 0 of the command: \
the task is done; another: it has failed, and is tried again. When the lease is lost or the task is stopped, the command and all that it has \
started get SIGTERM, and 2 s later SIGKILL.`

const ENVIRONMENT = `
The command finds its task in the environment:
  CAUSEWAY_TASK_ID, CAUSEWAY_TASK_SITE, CAUSEWAY_TASK_TOKEN (for fencing),
  CAUSEWAY_TASK_SPEC (JSON, or text if the spec is text), CAUSEWAY_TASK_LABELS (JSON)

Examples:
  $ causeway task work -l kind=record --slots 4 -- ./record.sh
  $ causeway task work -l kind=render --capacity gpu=2 'render "$CAUSEWAY_TASK_SPEC" > out/$CAUSEWAY_TASK_ID'
`

export function declareWork(task: Command, onResult: (code: number) => void): void {
  addApiOption(task.command('work <command...>').description(DESCRIPTION))
    .usage('[options] -- COMMAND [ARGUMENT...]')
    .option(...SELECTOR)
    .option('--slots <n>', 'how many tasks at once', numberBetween(1, 5_000), 1)
    .option('--capacity <k=v,...>', 'what tasks may need of it, shared by those that run at once: gpu=2', parseAmounts)
    .addHelpText('after', ENVIRONMENT)
    .action(async (command: readonly string[], { selector = '', slots, capacity, ...options }: WorkVerbOptions) => {
      const tasks = await tasksOf(options)
      using processes = new TaskProcesses(command)
      const onInterrupted = (fault: CausewayError): void => void process.stderr.write(`${faultLine(fault)} Waiting for it to come back.\n`)
      await tasks.work(
        selector,
        async (one, context) => {
          say(`${one.id} begins (token ${context.token})`)
          try {
            await processes.run(one, context)
            say(`${one.id} is done`)
          } catch (error) {
            const interruption: unknown = context.signal.reason
            say(
              `${one.id} ${interruption instanceof TaskInterruption ? `ends: ${interruption.message}` : `has failed: ${(error as Error).message}`}`,
            )
            throw error
          }
        },
        { slots, capacity, onInterrupted, signal: untilInterrupted() },
      )
      onResult(DONE)
    })
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}
