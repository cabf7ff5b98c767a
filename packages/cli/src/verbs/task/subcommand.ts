/** What the subcommands of `task` share: how one is declared, options that several take, and a task in one line. */
import type { TaskView } from '@causeway/protocol'
import type { Tasks } from '@causeway/client'
import { type Command, InvalidArgumentError } from 'commander'
import { addReadingOptions, connectTo, parseLabels, type ReadingOptions } from '../../verb.ts'

export function addSubcommand(task: Command, grammar: string, description: string, examples: readonly string[]): Command {
  const help = `\n${examples.length === 1 ? 'Example' : 'Examples'}:\n${examples.map((example) => `  $ causeway task ${example}\n`).join('')}`
  return addReadingOptions(task.command(grammar).description(description)).addHelpText('after', help)
}

export const SELECTOR = ['-l, --selector <conditions>', 'labels that must hold: a=b, c!=d, e in (x,y), f, !g'] as const

export const DRY_RUN = ['--dry-run', 'say what would come of it, and do nothing'] as const

export async function tasksOf({ api }: Pick<ReadingOptions, 'api'>): Promise<Tasks> {
  return (await connectTo(api)).tasks
}

/** `gpu=1,mem=4`. */
export function parseAmounts(text: string): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(parseLabels(text)).map(([name, amount]) => {
      const value = amount === '' ? Number.NaN : Number(amount)
      if (!(value >= 0 && value < Number.POSITIVE_INFINITY))
        throw new InvalidArgumentError(`"${name}=${amount}" is not of the form name=number.`)
      return [name, value]
    }),
  )
}

/** For an option that may be given several times, and with several labels at once. */
export function collectLabels(text: string, previous: Readonly<Record<string, string>> | undefined): Readonly<Record<string, string>> {
  return { ...previous, ...parseLabels(text) }
}

/** Where the task is, as one says it: `allocated to hkg-1-a at hkg-1 (token 7)`. */
export function placeText({ phase, node, site, token }: TaskView): string {
  return node === null ? `${phase} at ${site}` : `${phase} to ${node} at ${site} (token ${token})`
}
