/** `causeway task get|list|watch|why`: what this node knows of tasks, and why. */
import { CausewayError, TASK_PHASES, type TaskPageView, type TaskPhase, type TaskView, type TaskWatchEvent } from '@causeway/protocol'
import { type Command, Option } from 'commander'
import { tint } from '../../colour.ts'
import { DONE, faultLine } from '../../fault.ts'
import { printDocument, printItem } from '../../output.ts'
import { duration } from '../../quantity.ts'
import { numberBetween, type ReadingOptions, untilInterrupted } from '../../verb.ts'
import { shortValue } from '../kv/subcommand.ts'
import { addSubcommand, SELECTOR, tasksOf } from './subcommand.ts'
import { whyText } from './why-text.ts'

type GetOptions = ReadingOptions & { readonly site?: string }
type FilterOptions = GetOptions & { readonly selector?: string; readonly phase?: TaskPhase }
type ListOptions = FilterOptions & { readonly limit?: number; readonly continue?: string }
type WatchOptions = FilterOptions & { readonly resume: boolean }

const SITE = ['--site <site>', 'only of this site'] as const

export function declareReads(task: Command, onResult: (code: number) => void): void {
  declareGet(task, onResult)
  addFilters(
    addSubcommand(task, 'list', 'All tasks that this node knows, or those that -l selects, by site and id.', [
      'list -l kind=record --phase allocated',
      'list --limit 100 -o json   # then the same with --continue and what it gives as "continue"',
    ]),
  )
    .option('--limit <tasks>', 'a page of at most so many; the rest by --continue', numberBetween(1, 10_000))
    .option('--continue <place>', 'the page that follows the one that gave this')
    .action(async (options: ListOptions) => {
      const page = await (await tasksOf(options)).list(options)
      await printDocument(options.output, page, () => tasksTable(page))
      if (page.cutOff && options.output === 'table')
        process.stderr.write('this site is cut off: of other sites this is old, and of this one others may not know\n')
      onResult(DONE)
    })

  addFilters(
    addSubcommand(task, 'watch', 'What is there, a bookmark, then every change, until Ctrl-C; goes on when the daemon comes back.', [
      'watch -l kind=record',
      'watch --site hkg-1 -o ndjson',
    ]),
  )
    .option('--no-resume', 'end with exit 3 when the daemon goes away')
    .action(async ({ selector, site, phase, resume, ...options }: WatchOptions) => {
      const tasks = await tasksOf(options)
      const onInterrupted = (fault: Error): void => void process.stderr.write(`${faultLine(fault)} Waiting for it to come back.\n`)
      for await (const event of tasks.watch({ selector, site, phase, resume, onInterrupted, signal: untilInterrupted() })) {
        await printItem(options.output, event, () => eventLine(event))
      }
      onResult(DONE)
    })

  addSubcommand(task, 'why <id>', 'Why a task is where it is, or nowhere: every node that was considered, and why it was not chosen.', [
    'why rec-42',
  ]).action(async (id: string, options: ReadingOptions) => {
    const why = await (await tasksOf(options)).why(id)
    await printDocument(options.output, why, () => whyText(why))
    onResult(DONE)
  })
}

function declareGet(task: Command, onResult: (code: number) => void): void {
  addSubcommand(task, 'get <id>', 'One task; exit 1 if there is none.', ['get rec-42', 'get rec-42 -o json'])
    .option(...SITE)
    .action(async (id: string, options: GetOptions) => {
      const found = await (await tasksOf(options)).get(id, options.site)
      if (!found) throw new CausewayError('not-found', `there is no task ${id}`, 'check the id, or list the tasks')
      await printDocument(options.output, found, () => taskFacts(found))
      onResult(DONE)
    })
}

function addFilters(command: Command): Command {
  return command
    .option(...SELECTOR)
    .option(...SITE)
    .addOption(new Option('--phase <phase>', 'only in this phase').choices(TASK_PHASES))
}

async function tasksTable({ items, continue: next }: TaskPageView): Promise<string> {
  if (items.length === 0) return 'no tasks'
  const { renderTable } = await import('../../table.ts')
  const rows = items.map((task) => [
    task.id,
    task.site,
    task.phase,
    task.node ?? '-',
    workText(task),
    progressText(task.progress),
    age(task.createdAt),
    labelsText(task.labels),
    task.reason,
  ])
  const table = renderTable(['ID', 'SITE', 'PHASE', 'NODE', 'WORK', '>DONE', '>AGE', 'LABELS', 'REASON'], rows)
  return next === undefined ? table : `${table}\n${tint('faint', `there are more: --continue ${next}`)}`
}

async function taskFacts(task: TaskView): Promise<string> {
  const { renderFacts, renderTable } = await import('../../table.ts')
  const facts = renderFacts([
    ['id', task.id],
    ['site', task.site],
    ['phase', task.phase],
    ['reason', task.reason],
    ['node', task.node ?? '-'],
    ['token', String(task.token)],
    ['policy', task.policy],
    ...(task.convergeKey === null ? [] : [['converge key', task.convergeKey] as const]),
    ['labels', labelsText(task.labels)],
    ['spec', `${shortValue(task.spec)} (generation ${task.generation}, the worker has ${task.observedGeneration ?? 'none'})`],
    ['work', workText(task)],
    ['progress', progressText(task.progress)],
    ['status', task.status === null || task.status === undefined ? '-' : shortValue(task.status)],
    ['age', age(task.createdAt)],
  ])
  if (task.conditions.length === 0) return facts
  const rows = task.conditions.map(({ type, status, reason, at }) => [type, String(status), age(at), reason])
  return `${facts}\n\n${renderTable(['CONDITION', 'HOLDS', '>FOR', 'REASON'], rows)}`
}

function eventLine(event: TaskWatchEvent): string {
  if (event.type === 'BOOKMARK') return event.complete ? '-- all of it so far' : '-- all that is here so far; not yet complete'
  const { task } = event
  const more = [task.phase, task.node ?? '-', workText(task), progressText(task.progress), task.reason].filter((text) => text !== '')
  return `${event.type.padEnd(8)}  ${task.site}  ${task.id}  ${more.join('  ')}`
}

function workText({ running, phase }: TaskView): string {
  if (running) return 'running'
  return phase === 'allocated' ? 'starting' : '-'
}

function progressText(progress: number | null): string {
  return progress === null ? '-' : `${Math.round(progress * 100)}%`
}

function age(at: number): string {
  return duration((Date.now() - at) / 1_000)
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map((pair) => pair.join('='))
    .join(',')
}
