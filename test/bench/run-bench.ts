/** Runs the parts of a bench, one after the other, light neighbours side by side; a part that throws has failed. */
import { loadavg } from 'node:os'
import type { Bench, Lists, Part, Settings } from './bench.ts'
import type { BenchRun, PartOutcome, PartRun } from './report.ts'

export interface BenchOrder {
  /** Names of parts. */
  readonly parts: readonly string[]
  readonly quick: boolean
  readonly settings: Settings<string>
  readonly lists?: Lists<string>
}

/** `done` hears of each part in the order of the list, `begun` of those that are measured now. */
export async function runBench(
  bench: Bench,
  order: BenchOrder,
  done: (part: PartRun) => void,
  begun: (parts: readonly string[]) => void = () => {},
): Promise<BenchRun> {
  const startedAt = Date.now()
  const [loadAverage = 0] = loadavg()
  const parts: PartRun[] = []
  for (const group of groupsOf(bench.parts.filter(({ name }) => order.parts.includes(name)))) {
    begun(group.map(({ name }) => name))
    for (const run of await Promise.all(group.map((part) => runPart(part, order)))) {
      parts.push(run)
      done(run)
    }
  }
  return { bench, startedAt, loadAverage, quick: order.quick, settings: { ...order.settings, ...order.lists }, parts }
}

function groupsOf(parts: readonly Part[]): Part[][] {
  const groups: Part[][] = []
  for (const part of parts) {
    const last = groups.at(-1)
    if (part.light && last?.[0]?.light) last.push(part)
    else groups.push([part])
  }
  return groups
}

async function runPart(part: Part, order: BenchOrder): Promise<PartRun> {
  const began = performance.now()
  const result = await outcomeOf(part, order)
  return { part: part.name, what: part.what, seconds: (performance.now() - began) / 1000, result }
}

async function outcomeOf(part: Part, { settings, lists = {} }: BenchOrder): Promise<PartOutcome> {
  try {
    const why = part.missing?.()
    return why === undefined ? { outcome: 'measured', measured: await part.measure(settings, lists) } : { outcome: 'skipped', why }
  } catch (fault) {
    return { outcome: 'failed', why: reasonsOf(fault).join(': ') }
  }
}

function reasonsOf(fault: unknown): string[] {
  if (!(fault instanceof Error)) return typeof fault === 'string' ? [fault] : []
  return [fault.message, ...reasonsOf(fault.cause)]
}
