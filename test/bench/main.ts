/**
 * `pnpm bench NAME`: measures, prints a table (or JSON), and keeps a JSON file and an SVG plot under `bench-results/`.
 * Exit 0: all bounds held; 1: one was broken, or a part failed; 2: wrong usage.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildProgram } from '../e2e/built-program.ts'
import type { Bench } from './bench.ts'
import { documentOf, type PartRun } from './report.ts'
import { renderPlot } from './report-plot.ts'
import { renderPart } from './report-table.ts'
import { runBench } from './run-bench.ts'

const BENCHES: Readonly<Record<string, () => Promise<Bench>>> = {
  failover: async () => (await import('./failover/failover-bench.ts')).FAILOVER_BENCH,
  fleet: async () => (await import('./fleet/fleet-bench.ts')).FLEET_BENCH,
  probe: async () => (await import('./probe/probe-bench.ts')).PROBE_BENCH,
  scale: async () => (await import('./scale/scale-bench.ts')).SCALE_BENCH,
  store: async () => (await import('./store/store-bench.ts')).STORE_BENCH,
  sync: async () => (await import('./sync/sync-bench.ts')).SYNC_BENCH,
  tasks: async () => (await import('./tasks/tasks-bench.ts')).TASKS_BENCH,
  throughput: async () => (await import('./throughput/throughput-bench.ts')).THROUGHPUT_BENCH,
}
/** Load that leaves no core to us. */
const BUSY = availableParallelism() - 1
const RESULTS = join(import.meta.dirname, '../../bench-results')

class UsageFault extends Error {}

interface Order {
  readonly bench: Bench
  readonly parts: readonly string[]
  readonly quick: boolean
  readonly json: boolean
  readonly settings: Readonly<Record<string, number>>
  readonly lists: Readonly<Record<string, readonly number[]>>
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (fault) {
  if (!(fault instanceof UsageFault)) throw fault
  process.stderr.write(`bench: ${fault.message}\n`)
  process.exitCode = 2
}

async function main([name, ...words]: readonly string[]): Promise<number> {
  const known = `there are: ${Object.keys(BENCHES).join(', ')}`
  if (name === undefined || name.startsWith('-')) throw new UsageFault(`name a bench, as in "pnpm bench probe"; ${known}`)
  const load = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined
  if (!load) throw new UsageFault(`there is no bench "${name}"; ${known}`)
  const bench = await load()
  if (words.includes('--help') || words.includes('-h')) return help(bench)
  const { parts, quick, json, settings, lists } = readOrder(bench, words)
  const say = (text: string): unknown => (json ? process.stderr : process.stdout).write(`${text}\n`)
  const removeProgram = buildProgram()
  const told = (part: PartRun): unknown => say(`${renderPart(part)}\n`)
  const run = await runBench(bench, { parts, quick, settings, lists }, told, tellBegun).finally(removeProgram)
  const document = documentOf(run)
  const charts = run.parts.flatMap(({ result }) => (result.outcome === 'measured' ? result.measured.charts : []))
  const stem = join(RESULTS, `${name}-${document.startedAt.replaceAll(':', '').slice(0, 17)}`)
  mkdirSync(RESULTS, { recursive: true })
  writeFileSync(`${stem}.json`, `${JSON.stringify(document, null, 2)}\n`)
  if (charts.length > 0) writeFileSync(`${stem}.svg`, renderPlot(`causeway bench ${name}, ${document.startedAt}`, charts))
  if (json) process.stdout.write(`${JSON.stringify(document, null, 2)}\n`)
  const { loadAverage } = run
  if (loadAverage > BUSY)
    say(`the machine was busy (load ${loadAverage.toFixed(1)} at the start): times of real processes are worse than they need be`)
  say(`${document.held ? 'all bounds held' : 'NOT all bounds held'}; kept as ${stem}.json${charts.length > 0 ? ' and .svg' : ''}`)
  return document.held ? 0 : 1
}

/** Whoever sits before it knows what it is at; a part may take minutes. */
function tellBegun(parts: readonly string[]): void {
  if (process.stderr.isTTY) process.stderr.write(`${new Date().toLocaleTimeString('en-GB')} measuring ${parts.join(', ')} …\n`)
}

function readOrder(bench: Bench, words: readonly string[]): Order {
  const flags = Object.keys({ ...bench.flags, ...bench.lists })
  const values = parse(flags, words)
  const quick = values['quick'] === true
  const output = values['output'] ?? 'table'
  if (output !== 'json' && output !== 'table') throw new UsageFault(`-o takes json or table, not "${String(output)}"`)
  const names = bench.parts.map((part) => part.name)
  const only = typeof values['only'] === 'string' ? values['only'].split(',') : names
  const stranger = only.find((part) => !names.includes(part))
  if (stranger !== undefined) throw new UsageFault(`${bench.name} has no part "${stranger}"; it has: ${names.join(', ')}`)
  const settings = Object.entries(bench.flags).map(([flag, { usual, quick: short }]) => {
    const given = values[flag]
    const number = typeof given === 'string' ? Number(given) : quick ? short : usual
    if (!(number > 0 && number < Infinity)) throw new UsageFault(`--${flag} takes a number above 0, not "${String(given)}"`)
    return [flag, number] as const
  })
  const lists = Object.entries(bench.lists ?? {}).map(([flag, { usual, quick: short }]) => {
    const given = values[flag]
    const numbers = typeof given === 'string' ? given.split(',').map(Number) : quick ? short : usual
    const wrong = numbers.some((number) => !(Number.isInteger(number) && number > 0))
    if (wrong) throw new UsageFault(`--${flag} takes whole numbers above 0 with commas between, not "${String(given)}"`)
    return [flag, numbers] as const
  })
  const numbers = { settings: Object.fromEntries(settings), lists: Object.fromEntries(lists) }
  return { bench, parts: only, quick, json: output === 'json', ...numbers }
}

function parse(flags: readonly string[], words: readonly string[]): Readonly<Record<string, string | boolean | undefined>> {
  const text = { type: 'string' } as const
  const options = {
    ...Object.fromEntries(flags.map((flag) => [flag, text])),
    only: text,
    quick: { type: 'boolean' },
    output: { ...text, short: 'o' },
  } as const
  try {
    return parseArgs({ args: [...words], options }).values
  } catch (fault) {
    const [sentence = ''] = (fault as Error).message.split('\n')
    throw new UsageFault(`${sentence}; see "pnpm bench NAME --help"`, { cause: fault })
  }
}

function help({ name, what, flags, lists, parts }: Bench): number {
  const line = (word: string, text: string): string => `  ${word.padEnd(26)}${text}`
  const lines = [
    `pnpm bench ${name} [flags]: ${what}`,
    '',
    'Parts:',
    ...parts.map((part) => line(part.name, part.what)),
    '',
    'Flags:',
    line('--only PART,…', 'only these parts'),
    line('--quick', 'a few minutes at most; figures of rare things are then rough'),
    line('-o json', 'print the document that is kept under bench-results/; the tables go to stderr'),
    ...Object.entries(lists ?? {}).map(([flag, { what, usual, quick }]) =>
      line(`--${flag} N,…`, `${what} (${usual.join(',')}; quick ${quick.join(',')})`),
    ),
    ...Object.entries(flags).map(([flag, { what, usual, quick }]) => line(`--${flag} N`, `${what} (${usual}; quick ${quick})`)),
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
  return 0
}
