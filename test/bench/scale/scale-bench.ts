/**
 * Whether a fleet grows without costing a site more: whole nodes in the simulator, the same trace for each site, at several sizes.
 * Bytes, processor time and memory for each site should not depend on how many others there are; a hub takes part in all.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { type Bench, type Column, type Flag, type Judgement, type Lists, type Measured, type Row, type Settings, judge } from '../bench.ts'
import { maxOf, sumOf } from '../statistics.ts'
import type { ScaleFigures, ScaleShape } from './scale-world.ts'

const FLAGS = {
  nodes: { what: 'nodes of a site', usual: 2, quick: 1 },
  hubs: { what: 'hubs, the same at every size', usual: 4, quick: 3 },
  seconds: { what: 'seconds of the trace, and of the cut', usual: 30, quick: 10 },
  seed: { what: 'seed of the worlds', usual: 1, quick: 1 },
  memory: { what: 'megabytes of heap that a world may take', usual: 12_288, quick: 4_096 },
} as const satisfies Record<string, Flag>

const LISTS = { sites: { what: 'sites of each world', usual: [64, 128, 256], quick: [8, 32] } } as const

type ScaleSettings = Settings<keyof typeof FLAGS>
type ScaleLists = Lists<keyof typeof LISTS>

/** What a site may cost more in the largest world than in the smallest: by chance and by its place on the map. */
const GROWTH_MAX = 1.25
/** Of processor time, which also grows with the heap of the world, and with what else the machine does. */
const CPU_GROWTH_MAX = 1.5
const CONVERGED_MS_MAX = 30_000
const PROCESS = fileURLToPath(new URL('./scale-process.ts', import.meta.url))
const COLUMNS: readonly Column[] = [
  { key: 'sites', head: 'SITES' },
  { key: 'upKilobytes', head: 'kB/MIN UP, A SITE', digits: 1 },
  { key: 'downKilobytes', head: 'DOWN', digits: 1 },
  { key: 'events', head: 'EVENTS/s, A SITE' },
  { key: 'hubTurns', head: 'TURNS OF A HUB/s, A SITE', digits: 2 },
  { key: 'cpuMs', head: 'CPU ms/s, A SITE', digits: 2 },
  { key: 'hubCpuMs', head: 'OF IT A HUB', digits: 3 },
  { key: 'hubCpu', head: 'A HUB, %', digits: 1 },
  { key: 'heapMegabytes', head: 'HEAP MB, A SITE', digits: 2 },
  { key: 'seenP50', head: 'SEEN p50 ms' },
  { key: 'seenP99', head: 'p99' },
  { key: 'seenMax', head: 'MAX' },
  { key: 'convergedMs', head: 'ONE AGAIN ms' },
]

export const SCALE_BENCH: Bench<keyof typeof FLAGS, keyof typeof LISTS> = {
  name: 'scale',
  what: 'what a site costs in worlds of more and more sites, in the simulator',
  flags: FLAGS,
  lists: LISTS,
  parts: [{ name: 'simulator', what: 'whole nodes, one world after the other, and a region that is cut off', measure }],
}

async function measure(settings: ScaleSettings, { sites }: ScaleLists): Promise<Measured> {
  const { nodes, hubs, seconds, seed, memory } = settings
  const worlds: World[] = []
  for (const count of sites.toSorted((a, b) => a - b)) {
    worlds.push({ sites: count, figures: await play({ seed, nodes, hubs, seconds, sites: count }, memory) })
  }
  const rows = worlds.map((world) => rowOf(world, seconds))
  return {
    columns: COLUMNS,
    rows,
    judgements: judgementsOf(worlds, rows),
    notes: [
      `${hubs} hubs, sites of ${nodes} with 4 uplinks each, ${seconds} s of the trace of the bench of state; then the last hub and a quarter of the sites are cut off for as long`,
      'bytes are those between a site and all hubs, probes and all, without headers of IP and TCP; sessions are packed, seals are not made',
      'CPU is that of one process which plays all nodes and the network between them; what a hub takes is measured around its turns',
    ],
    charts: [
      {
        ...{ title: 'what a site costs', unit: 'as a multiple of what it costs in the smallest world', categories: sites.map(String) },
        bars: SLOPES.map(({ key, what }) => ({ name: what, values: rows.map((row) => ratio(row[key], rows[0]?.[key])) })),
        marks: [{ name: 'bound', values: rows.map(() => GROWTH_MAX) }],
      },
    ],
  }
}

interface World {
  readonly sites: number
  readonly figures: ScaleFigures
}

/** What must stay flat. */
const SLOPES = [
  { key: 'upKilobytes', what: 'bytes up', max: GROWTH_MAX },
  { key: 'downKilobytes', what: 'bytes down', max: GROWTH_MAX },
  { key: 'events', what: 'events of the world', max: GROWTH_MAX },
  { key: 'hubTurns', what: 'turns of a hub', max: GROWTH_MAX },
  { key: 'heapMegabytes', what: 'heap', max: GROWTH_MAX },
  { key: 'cpuMs', what: 'CPU of the world', max: CPU_GROWTH_MAX },
  { key: 'hubCpuMs', what: 'CPU of a hub', max: CPU_GROWTH_MAX },
] as const

function rowOf({ sites, figures }: World, seconds: number): Row {
  const aMinute = 60 / seconds / 1_000
  return {
    sites,
    upKilobytes: figures.bytesUp * aMinute,
    downKilobytes: figures.bytesDown * aMinute,
    events: figures.happened / seconds / sites,
    hubTurns: figures.hubTurns / seconds / sites,
    cpuMs: figures.worldCpuMs / seconds / sites,
    hubCpuMs: figures.hubCpuMs / seconds / sites,
    hubCpu: figures.hubCpuMs / seconds / 10,
    heapMegabytes: figures.heapMegabytes / sites,
    seenP50: figures.seenP50Ms,
    seenP99: figures.seenP99Ms,
    seenMax: figures.seenMaxMs,
    convergedMs: figures.convergedMs,
    unseen: figures.unseen,
    silent: figures.silent,
    dropped: figures.dropped,
  }
}

function judgementsOf(worlds: readonly World[], rows: readonly Row[]): Judgement[] {
  const figures = worlds.map((world) => world.figures)
  const converged = figures.map(({ convergedMs }) => convergedMs)
  const [least, most] = [rows[0], rows.at(-1)]
  return [
    judge('readers that a change did not reach', sumOf(figures.map(({ unseen }) => unseen)), 0, ''),
    judge('nodes that a hub did not hear for 7 s', sumOf(figures.map(({ silent }) => silent)), 0, ''),
    judge('cuts that hit nothing', figures.filter(({ dropped }) => dropped === 0).length, 0, ''),
    judge(
      'one again after the cut',
      converged.every((ms) => ms !== null) ? maxOf(converged.filter((ms) => ms !== null)) : null,
      CONVERGED_MS_MAX,
      'ms',
    ),
    ...SLOPES.map(({ key, what, max }) =>
      judge(`${what} for each site, largest to smallest world`, ratio(most?.[key], least?.[key]), max, '×'),
    ),
  ]
}

function ratio(most: unknown, least: unknown): number | null {
  return typeof most === 'number' && typeof least === 'number' && least > 0 ? most / least : null
}

async function play(shape: ScaleShape, megabytes: number): Promise<ScaleFigures> {
  const flags = ['--expose-gc', `--max-old-space-size=${megabytes}`]
  const child = spawn(process.execPath, [...flags, PROCESS, JSON.stringify(shape)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close') as Promise<[number | null, string | null]>
  const [output, [code, signal]] = await Promise.all([text(child.stdout), ended])
  if (code !== 0) throw new Error(`a world of ${shape.sites} sites ended with ${signal ?? code}`)
  return JSON.parse(output) as ScaleFigures
}
