/** Rows and bounds of what was measured of systems under the trace. */
import { type Chart, type Column, type Judgement, type Row, judge } from '../bench.ts'
import { quantileOf } from '../statistics.ts'
import type { Floor } from './floor.ts'
import type { SyncOutcome } from './run-system.ts'
import { DELAY_MS } from './system.ts'
import { type BothWays, type Traffic, less } from './wide-area.ts'

/** Per site and minute, both ways together, with vitals: all that the state takes; probes and heartbeats are not in it. */
const PAYLOAD_BYTES_MAX = 13_000
const WIRE_BYTES_MAX = 35_000
/** Of vitals only the latest counts: one that the next overtook is not shown. */
const OVERTAKEN_RATIO_MAX = 0.05
/** From the write to where it is shown, beyond what the path takes. */
const DELAY_MS_MAX = 50

export const COLUMNS: readonly Column[] = [
  { key: 'what', head: 'PER SITE AND MINUTE' },
  { key: 'payloadUp', head: 'PAYLOAD UP' },
  { key: 'payloadDown', head: 'DOWN' },
  { key: 'timesFloorUp', head: '× FLOOR UP', digits: 1 },
  { key: 'timesFloorDown', head: 'DOWN', digits: 1 },
  { key: 'wireUp', head: 'WIRE UP' },
  { key: 'wireDown', head: 'DOWN' },
  { key: 'upMsP50', head: 'UP ms P50', digits: 1 },
  { key: 'upMsP99', head: 'P99', digits: 1 },
  { key: 'downMsP50', head: 'DOWN ms P50', digits: 1 },
  { key: 'downMsP99', head: 'P99', digits: 1 },
  { key: 'delivered', head: 'DELIVERED %', digits: 2 },
  { key: 'cpuCore', head: 'CORE CPU s', digits: 2 },
  { key: 'cpuSite', head: 'SITE', digits: 2 },
]

/** What the state takes; beside it all that crosses; and both with nothing written. */
export function rowsOf(outcome: SyncOutcome, floor: Floor): Row[] {
  const { system, busy, idle, delaysUp, delaysDown } = outcome
  const bytes = (what: string, { payload, wire }: Traffic): Row => ({
    what,
    payloadUp: payload.up,
    payloadDown: payload.down,
    wireUp: wire.up,
    wireDown: wire.down,
  })
  return [
    {
      ...bytes(`${system}, the state`, busy.state),
      timesFloorUp: busy.state.payload.up / floor.up,
      timesFloorDown: busy.state.payload.down / floor.down,
      upMsP50: quantileOf(delaysUp, 0.5),
      upMsP99: quantileOf(delaysUp, 0.99),
      downMsP50: quantileOf(delaysDown, 0.5),
      downMsP99: quantileOf(delaysDown, 0.99),
      delivered: 100 * outcome.deliveredRatio,
      cpuCore: outcome.cpuSecondsCore,
      cpuSite: outcome.cpuSecondsPerSite,
    },
    bytes('  probes, heartbeats and all else', lessTraffic(busy.all, busy.state)),
    bytes('  an idle site: the state', idle.state),
    bytes('  an idle site: all else', lessTraffic(idle.all, idle.state)),
  ]
}

function lessTraffic(a: Traffic, b: Traffic): Traffic {
  return { payload: less(a.payload, b.payload), wire: less(a.wire, b.wire) }
}

export function judgementsOf(outcome: SyncOutcome): Judgement[] {
  const { kinds, busy, delaysUp, delaysDown } = outcome
  const both = ({ up, down }: BothWays): number => up + down
  const withVitals = kinds.includes('vital')
  const max = DELAY_MS + DELAY_MS_MAX
  return [
    ...(withVitals
      ? [
          judge('payload of the state, both ways', both(busy.state.payload), PAYLOAD_BYTES_MAX, 'bytes per site and minute'),
          judge('the same on the wire', both(busy.state.wire), WIRE_BYTES_MAX, 'bytes per site and minute'),
        ]
      : []),
    judge(`site to core, p99 over a path of ${DELAY_MS} ms`, quantileOf(delaysUp, 0.99), max, 'ms'),
    judge(`core to site, p99 over a path of ${DELAY_MS} ms`, quantileOf(delaysDown, 0.99), max, 'ms'),
    judge('not delivered', 1 - outcome.deliveredRatio, withVitals ? OVERTAKEN_RATIO_MAX : 0, 'of 1'),
  ]
}

export function notesOf({ shape, busy, faults, lateMs, delaysUp, delaysDown }: SyncOutcome): string[] {
  const kB = (bytes: number): string => (bytes / 1000).toFixed(1)
  const notes = [
    `${shape.sites} sites of ${shape.nodes} node${shape.nodes === 1 ? '' : 's'} as processes, ${DELAY_MS} ms each way; ${delaysUp.length} deliveries up, ${delaysDown.length} down`,
  ]
  if (busy.bySite.length > 1)
    notes.push(`payload of the state by site: ${kB(Math.min(...busy.bySite))} to ${kB(Math.max(...busy.bySite))} kB`)
  if (lateMs > 20) notes.push(`the writers were up to ${lateMs.toFixed(0)} ms late: the machine was busy`)
  if (faults.length > 0) notes.push(`${faults.length} writes failed, the first: ${faults[0]}`)
  return notes
}

export function chartOf(outcomes: readonly SyncOutcome[], floor: Floor): Chart {
  const whole = (of: (outcome: SyncOutcome) => number): number[] => outcomes.map(of)
  return {
    title: 'The trace T64 over the link of a site',
    unit: 'kB per minute, TCP payload, both ways',
    categories: ['floor', ...outcomes.map(({ system }) => system)],
    bars: [
      { name: 'up', values: [floor.up, ...whole(({ busy }) => busy.state.payload.up)].map((bytes) => bytes / 1000) },
      { name: 'down', values: [floor.down, ...whole(({ busy }) => busy.state.payload.down)].map((bytes) => bytes / 1000) },
    ],
  }
}
