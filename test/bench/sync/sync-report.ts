/** Rows and bounds of what was measured of systems under the trace. */
import { type Chart, type Column, type Judgement, type Row, judge } from '../bench.ts'
import { quantileOf } from '../statistics.ts'
import type { Floor } from './floor.ts'
import type { SyncOutcome } from './run-system.ts'
import { DELAY_MS } from './system.ts'
import { type BothWays, less } from './wide-area.ts'

/** Per site and minute, both ways together, with vitals; what an idle site pays is not in it. */
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

/** With writes, without, and the difference: what the writes cost. */
export function rowsOf(outcome: SyncOutcome, floor: Floor): Row[] {
  const { system, payload, wire, idlePayload, idleWire, delaysUp, delaysDown } = outcome
  const bytes = (what: string, inside: BothWays, outside: BothWays): Row => ({
    what,
    payloadUp: inside.up,
    payloadDown: inside.down,
    wireUp: outside.up,
    wireDown: outside.down,
  })
  const costs = less(payload, idlePayload)
  return [
    {
      ...bytes(`${system}, the trace`, costs, less(wire, idleWire)),
      timesFloorUp: costs.up / floor.up,
      timesFloorDown: costs.down / floor.down,
      upMsP50: quantileOf(delaysUp, 0.5),
      upMsP99: quantileOf(delaysUp, 0.99),
      downMsP50: quantileOf(delaysDown, 0.5),
      downMsP99: quantileOf(delaysDown, 0.99),
      delivered: 100 * outcome.deliveredRatio,
      cpuCore: outcome.cpuSecondsCore,
      cpuSite: outcome.cpuSecondsPerSite,
    },
    bytes('  with what an idle site pays', payload, wire),
    bytes('  an idle site', idlePayload, idleWire),
  ]
}

export function judgementsOf(outcome: SyncOutcome): Judgement[] {
  const { kinds, payload, wire, idlePayload, idleWire, delaysUp, delaysDown } = outcome
  const both = ({ up, down }: BothWays): number => up + down
  const withVitals = kinds.includes('vital')
  const max = DELAY_MS + DELAY_MS_MAX
  return [
    ...(withVitals
      ? [
          judge('payload of the trace, both ways', both(less(payload, idlePayload)), PAYLOAD_BYTES_MAX, 'bytes per site and minute'),
          judge('the same on the wire', both(less(wire, idleWire)), WIRE_BYTES_MAX, 'bytes per site and minute'),
        ]
      : []),
    judge(`site to core, p99 over a path of ${DELAY_MS} ms`, quantileOf(delaysUp, 0.99), max, 'ms'),
    judge(`core to site, p99 over a path of ${DELAY_MS} ms`, quantileOf(delaysDown, 0.99), max, 'ms'),
    judge('not delivered', 1 - outcome.deliveredRatio, withVitals ? OVERTAKEN_RATIO_MAX : 0, 'of 1'),
  ]
}

export function notesOf({ shape, faults, lateMs, delaysUp, delaysDown }: SyncOutcome): string[] {
  const notes = [
    `${shape.sites} sites of ${shape.nodes} node${shape.nodes === 1 ? '' : 's'} as processes, ${DELAY_MS} ms each way; ${delaysUp.length} deliveries up, ${delaysDown.length} down`,
  ]
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
      { name: 'up', values: [floor.up, ...whole(({ payload, idlePayload }) => payload.up - idlePayload.up)].map((bytes) => bytes / 1000) },
      {
        name: 'down',
        values: [floor.down, ...whole(({ payload, idlePayload }) => payload.down - idlePayload.down)].map((bytes) => bytes / 1000),
      },
    ],
  }
}
