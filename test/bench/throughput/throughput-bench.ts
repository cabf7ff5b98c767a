/**
 * How much goes through relays, at what price in processor time, and what a relay adds to a round trip: Causeway beside
 * plain relays of TCP, a bare js-libp2p stream, and what people run today. Hosts are joined by veth pairs, so the two ends
 * and all relays share the processors of this machine.
 */
import { labMissing } from '../../netlab/lab.ts'
import { type Bench, type Flag, type Judgement, type Measured, type Part, judge } from '../bench.ts'
import { notInstalled } from '../failover/carrier.ts'
import { BULK_COLUMNS, type BulkFigures, measureBulk, rowOf } from './bulk.ts'
import { CAUSEWAY, type Hauler, LIBP2P, NATS, SOCAT, TCP, YGGDRASIL } from './hauler.ts'
import { measureRoundTrips, measureUnderLoad } from './round-trips.ts'

const FLAGS = {
  seconds: { what: 'seconds of each flood', usual: 5, quick: 2 },
  runs: { what: 'floods one after the other, of which the median counts', usual: 3, quick: 1 },
  'trip-seconds': { what: 'seconds of small messages and their echoes', usual: 20, quick: 5 },
} as const satisfies Record<string, Flag>

/** How many times the small messages of NATS ours must be. */
const SMALL_TIMES_NATS = 1.5

/** Of all carriers so far; the last part compares them. */
const figures: BulkFigures[] = []

function part(hauler: Hauler): Part<keyof typeof FLAGS> {
  return {
    name: hauler.name,
    what: hauler.what,
    missing: () => labMissing() ?? notInstalled(hauler),
    measure: async ({ seconds, runs }) => {
      const own = await measureBulk(hauler, seconds, runs)
      figures.push(...own)
      return { columns: BULK_COLUMNS, rows: own.map(rowOf), judgements: [], notes: [], charts: [] }
    },
  }
}

export const THROUGHPUT_BENCH: Bench<keyof typeof FLAGS> = {
  name: 'throughput',
  what: 'bytes and messages per second through 0, 1 and 2 relays, their price, and the delay of relays',
  flags: FLAGS,
  parts: [
    ...[CAUSEWAY, TCP, SOCAT, LIBP2P, YGGDRASIL, NATS].map(part),
    {
      name: 'compared',
      what: 'the channel beside the others, through one relay',
      missing: () => (new Set(figures.map(({ hauler }) => hauler)).size > 1 ? undefined : 'nothing to compare: only one carrier was run'),
      measure: () => Promise.resolve(compare()),
    },
    {
      name: 'round-trips',
      what: 'what a relay adds at idle',
      missing: labMissing,
      measure: (settings) => measureRoundTrips(settings['trip-seconds']),
    },
    {
      name: 'under-load',
      what: 'small messages beside bulk on the same links',
      missing: labMissing,
      measure: (settings) => measureUnderLoad(settings['trip-seconds']),
    },
  ],
}

function compare(): Measured {
  const at = (hauler: string, messageBytes: number): BulkFigures | undefined =>
    figures.find((each) => each.hauler === hauler && each.relays === 1 && each.messageBytes === messageBytes)
  const sizes = [...new Set(figures.map(({ messageBytes }) => messageBytes))]
  const rows = sizes.flatMap((messageBytes) => {
    const ours = at(CAUSEWAY.name, messageBytes)
    return figures
      .filter((each) => each.relays === 1 && each.messageBytes === messageBytes && each.hauler !== CAUSEWAY.name)
      .map(({ hauler, bytesPerSecond, cpuPerGb }) => ({
        messageBytes,
        hauler,
        rate: ours ? ours.bytesPerSecond / bytesPerSecond : null,
        cpu: ours ? ours.cpuPerGb / cpuPerGb : null,
      }))
  })
  const judgements: Judgement[] = []
  const hold = (what: string, other: BulkFigures | undefined, ours: BulkFigures | undefined, times: number): void => {
    if (other && ours) judgements.push(judge(what, (times * other.bytesPerSecond) / ours.bytesPerSecond, 1, 'times'))
  }
  const bulk = CAUSEWAY.sizes[0] as number
  const small = CAUSEWAY.sizes.at(-1) as number
  hold('64 KiB messages: the rate of yggdrasil to ours', at(YGGDRASIL.name, bulk), at(CAUSEWAY.name, bulk), 1)
  hold(
    `${small} B messages: ${SMALL_TIMES_NATS} × the rate of NATS to ours`,
    at(NATS.name, small),
    at(CAUSEWAY.name, small),
    SMALL_TIMES_NATS,
  )
  const chart = {
    title: 'Through one relay',
    unit: 'MB/s',
    categories: [...new Set(figures.filter(({ relays }) => relays === 1).map(({ hauler }) => hauler))],
    bars: sizes.map((size) => ({
      name: `${size} B`,
      values: [...new Set(figures.filter(({ relays }) => relays === 1).map(({ hauler }) => hauler))].map((hauler) => {
        const rate = at(hauler, size)?.bytesPerSecond
        return rate === undefined ? null : rate / 1e6
      }),
    })),
  }
  return {
    columns: [
      { key: 'messageBytes', head: 'MESSAGE bytes' },
      { key: 'hauler', head: 'BESIDE' },
      { key: 'rate', head: 'OUR RATE TO ITS', digits: 2 },
      { key: 'cpu', head: 'OUR CPU s/GB TO ITS', digits: 2 },
    ],
    rows,
    judgements,
    notes: ['yggdrasil encrypts end to end as we do; tcp, socat and nats do not encrypt'],
    charts: [chart],
  }
}
