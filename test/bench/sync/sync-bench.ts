/**
 * What it costs to keep sites and a core in step, and how long a write takes to be seen: the trace T64 over links with
 * real delay, beside what people use for that, and beside the floor. Bytes of a site do not depend on the number of sites,
 * so fewer than 64 are run, as real processes each.
 */
import { labMissing } from '../../netlab/lab.ts'
import type { Bench, Flag, Measured, Part, Settings } from '../bench.ts'
import { type Floor, floorOf } from './floor.ts'
import { type SyncOutcome, runSystem } from './run-system.ts'
import { COLUMNS, chartOf, judgementsOf, notesOf, rowsOf } from './sync-report.ts'
import type { SyncSystem } from './system.ts'
import { CAUSEWAY } from './systems/causeway.ts'
import { NATS } from './systems/nats.ts'
import { Y_WEBSOCKET } from './systems/y-websocket.ts'
import { type Kind, T64, makeTrace } from './trace.ts'

const FLAGS = {
  sites: { what: 'sites of eight real nodes each', usual: 4, quick: 1 },
  'record-sites': { what: 'sites of one real node each, without vitals', usual: 16, quick: 4 },
  'peer-sites': { what: 'sites of the other systems', usual: 8, quick: 2 },
  seconds: { what: 'how long the trace is played', usual: 60, quick: 20 },
  'idle-seconds': { what: 'how long it is watched before', usual: 60, quick: 20 },
} as const satisfies Record<string, Flag>

type SyncSettings = Settings<keyof typeof FLAGS>

const ALL: readonly Kind[] = ['vital', 'task', 'config']
const RECORDS: readonly Kind[] = ['task', 'config']
const FLUSH_MS = 10
const SLOW_FLUSH_MS = 1_000

/** Of all systems so far; the last part compares them. */
const outcomes: SyncOutcome[] = []

function part(
  system: SyncSystem,
  name: string,
  kinds: readonly Kind[],
  shapeOf: (settings: SyncSettings) => { sites: number; nodes: number },
): Part<keyof typeof FLAGS> {
  return {
    name,
    what: system.mode,
    missing: () => labMissing() ?? system.missing?.(),
    measure: async (settings) => {
      const shape = shapeOf(settings)
      const trace = { ...T64, sites: shape.sites, seconds: settings.seconds }
      const changes = makeTrace(trace)
      const outcome = await runSystem(system, {
        ...shape,
        kinds,
        changes,
        seconds: settings.seconds,
        idleSeconds: settings['idle-seconds'],
      })
      outcomes.push(outcome)
      const floor = perMinute(await floorOf(changes, kinds, shape.sites, FLUSH_MS), settings.seconds)
      const judgements = system === CAUSEWAY ? judgementsOf(outcome) : []
      return { columns: COLUMNS, rows: rowsOf(outcome, floor), judgements, notes: notesOf(outcome), charts: [] }
    },
  }
}

export const SYNC_BENCH: Bench<keyof typeof FLAGS> = {
  name: 'sync',
  what: 'bytes and delay of state between sites and a core, beside the floor and what people use',
  flags: FLAGS,
  parts: [
    { name: 'floor', what: 'zstd of the values, one stream per site and direction', measure: measureFloor },
    part(CAUSEWAY, 'causeway', ALL, ({ sites }) => ({ sites, nodes: T64.nodes })),
    part(CAUSEWAY, 'causeway-records', RECORDS, (settings) => ({ sites: settings['record-sites'], nodes: 1 })),
    part(Y_WEBSOCKET, 'y-websocket', ALL, (settings) => ({ sites: settings['peer-sites'], nodes: 1 })),
    part(NATS, 'nats', ALL, (settings) => ({ sites: settings['peer-sites'], nodes: 1 })),
    {
      name: 'compared',
      what: 'the systems that carried all of the trace, side by side',
      missing: () => (outcomes.filter(isWhole).length > 1 ? undefined : 'nothing to compare: fewer than two systems were run'),
      measure: compare,
    },
  ],
}

async function measureFloor(): Promise<Measured> {
  const changes = makeTrace(T64)
  const rows = []
  for (const [what, kinds] of [
    ['all of the trace', ALL],
    ['without vitals', RECORDS],
  ] as const) {
    for (const flushMs of [FLUSH_MS, SLOW_FLUSH_MS]) {
      const { up, down } = await floorOf(changes, kinds, T64.sites, flushMs)
      rows.push({ what: `${what}, flushed every ${flushMs} ms`, payloadUp: up, payloadDown: down })
    }
  }
  return {
    columns: COLUMNS.slice(0, 3),
    rows,
    judgements: [],
    notes: ['no framing, no headers, no acknowledgements: what a system is compared with, not what one could reach'],
    charts: [],
  }
}

async function compare(): Promise<Measured> {
  const whole = outcomes.filter(isWhole)
  const floor = await floorOf(makeTrace(T64), ALL, T64.sites, FLUSH_MS)
  return {
    columns: COLUMNS,
    rows: whole.flatMap((outcome) => rowsOf(outcome, floor).slice(0, 1)),
    judgements: [],
    notes: [
      'the floor is that of 64 sites over a minute',
      'y-websocket and NATS have one connection and one program for a site of eight nodes; Causeway has eight real nodes there',
    ],
    charts: [chartOf(whole, floor)],
  }
}

function isWhole({ kinds }: SyncOutcome): boolean {
  return kinds === ALL
}

function perMinute({ up, down }: Floor, seconds: number): Floor {
  return { up: (up * 60) / seconds, down: (down * 60) / seconds }
}
