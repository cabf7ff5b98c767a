/** How long a small message and its echo take: through relays at idle, and beside bulk on links of a given rate. */
import { setTimeout as pause } from 'node:timers/promises'
import { type Measured, type Row, judge } from '../bench.ts'
import { quantileOf } from '../statistics.ts'
import { type Haul, SOCAT, TCP, YGGDRASIL, startCauseway } from './hauler.ts'
import { type Line, inLine } from './in-line.ts'
import { lineOf } from './line.ts'
import { notInstalled } from '../failover/carrier.ts'
import type { Lab } from '../../netlab/lab.ts'

const SMALL_BYTES = 64
const INTERVAL_MS = 5
/** Estimates have settled and code is compiled by then. */
const WARM_UP_MS = 4_000
const BULK_BYTES = 65_536
/** Of the design: what one relay may add at idle, and what a round trip may take under load. */
const ADDED_MS_MAX = { p50: 0.3, p99: 2 }
const LOADED_SLACK_MS = 5
const LOADED_LINK = 'delay=5 rate=50 queue=100'

interface Trips {
  readonly count: number
  readonly p50: number | null
  readonly p99: number | null
}

type Start = (lab: Lab, directory: string) => Promise<Haul>

interface Candidate {
  readonly name: string
  readonly start: Start
}

const CAUSEWAY: Candidate = { name: 'causeway', start: (lab) => startCauseway(lab, 'ordered') }
const CONTROL = 'causeway control'
const CAUSEWAY_LATEST: Candidate = { name: 'causeway latest', start: (lab) => startCauseway(lab, 'latest') }

export async function measureRoundTrips(seconds: number): Promise<Measured> {
  const rows: Row[] = []
  const trips = new Map<string, Trips>()
  for (const { name, start } of [CAUSEWAY, TCP, SOCAT, YGGDRASIL].filter(isInstalled)) {
    for (const relays of [0, 1, 2]) {
      const own = await inLine(lineOf(relays, 'veth'), start, (line) => tripsOver(line, seconds))
      trips.set(`${name} ${relays}`, own)
      const direct = trips.get(`${name} 0`)
      rows.push({ carrier: name, relays, ...own, addedP50: difference(own.p50, direct?.p50), addedP99: difference(own.p99, direct?.p99) })
    }
  }
  const added = rows.find(({ carrier, relays }) => carrier === CAUSEWAY.name && relays === 1)
  return {
    columns: [
      { key: 'carrier', head: 'CARRIER' },
      { key: 'relays', head: 'RELAYS' },
      { key: 'count', head: 'ROUND TRIPS' },
      { key: 'p50', head: 'p50 ms', digits: 3 },
      { key: 'p99', head: 'p99', digits: 3 },
      { key: 'addedP50', head: 'MORE THAN DIRECT p50 ms', digits: 3 },
      { key: 'addedP99', head: 'p99', digits: 3 },
    ],
    rows,
    judgements: [
      judge('one relay adds, p50', (added?.['addedP50'] as number | null) ?? null, ADDED_MS_MAX.p50, 'ms'),
      judge('one relay adds, p99', (added?.['addedP99'] as number | null) ?? null, ADDED_MS_MAX.p99, 'ms'),
    ],
    notes: [`${SMALL_BYTES} bytes each ${INTERVAL_MS} ms over plain veth; of p99 the difference of percentiles`],
    charts: [],
  }
}

export async function measureUnderLoad(seconds: number): Promise<Measured> {
  const rows: Row[] = []
  for (const { name, start } of [CAUSEWAY_LATEST, CAUSEWAY, TCP, YGGDRASIL].filter(isInstalled)) {
    const figures = await inLine(lineOf(1, LOADED_LINK), start, (line) => besideBulk(line, seconds, () => tripsOver(line, seconds)))
    rows.push({ carrier: name, ...figures })
  }
  rows.push(await controlUnderLoad(seconds))
  const judgements = rows
    .filter(({ carrier }) => carrier === CAUSEWAY_LATEST.name || carrier === CONTROL)
    .map(({ carrier, loadedP99, idleP99 }) =>
      judge(`${carrier} under load, p99`, loadedP99 as number, 2 * (idleP99 as number) + LOADED_SLACK_MS, 'ms'),
    )
  return {
    columns: [
      { key: 'carrier', head: 'CARRIER' },
      { key: 'idleP50', head: 'IDLE p50 ms', digits: 1 },
      { key: 'idleP99', head: 'p99', digits: 1 },
      { key: 'loadedP50', head: 'BESIDE BULK p50 ms', digits: 1 },
      { key: 'loadedP99', head: 'p99', digits: 1 },
      { key: 'megabits', head: 'BULK Mbit/s', digits: 1 },
    ],
    rows,
    judgements,
    notes: [
      'two links of 5 ms and 50 Mbit/s with 100 ms of queue; bulk is a flow of its own between the same nodes, tcp: a connection of its own',
    ],
    charts: [],
  }
}

/** Measures at idle, and again beside bulk from a to b. */
async function besideBulk({ a, b }: Line, seconds: number, measure: () => Promise<Trips>): Promise<Omit<Row, 'carrier'>> {
  const idle = await measure()
  for (const end of [a, b]) await end.order({ order: 'heed', flow: 'bulk', how: 'count' })
  await a.order({ order: 'flood', flow: 'bulk', bytes: BULK_BYTES })
  await pause(WARM_UP_MS)
  const before = await b.take('bulk')
  const loaded = await measure()
  const { bytes } = await b.take('bulk')
  const megabits = ((bytes - before.bytes) * 8) / 1e6 / (seconds + WARM_UP_MS / 1000)
  return { idleP50: idle.p50, idleP99: idle.p99, loadedP50: loaded.p50, loadedP99: loaded.p99, megabits }
}

/** The control lane of the first link, one hop, by its probes: where UDP is blocked, all of them are in-band. */
async function controlUnderLoad(seconds: number): Promise<Row> {
  const fleet: { rttMs?: () => Promise<number | null> } = {}
  const start: Start = async (lab) => {
    const { firstLinkRttMs, ...haul } = await startCauseway(lab, 'ordered')
    fleet.rttMs = firstLinkRttMs
    return haul
  }
  const sampled = async ({ a, b }: Line): Promise<Trips> => {
    const flow = 'small'
    for (const end of [a, b]) await end.order({ order: 'heed', flow, how: 'count' })
    // Small messages keep the link in use, so that it is probed five times a second.
    await a.order({ order: 'pace', flow, intervalMs: INTERVAL_MS, bytes: SMALL_BYTES })
    await pause(WARM_UP_MS)
    const times: number[] = []
    for (let sample = 0; sample < seconds * 5; sample++) {
      await pause(200)
      const rttMs = await fleet.rttMs?.()
      if (rttMs !== null && rttMs !== undefined) times.push(rttMs)
    }
    await a.order({ order: 'stop', flow })
    return { count: times.length, p50: quantileOf(times, 0.5), p99: quantileOf(times, 0.99) }
  }
  const figures = await inLine(lineOf(1, LOADED_LINK), start, async (line) => {
    await line.lab.set('a-h1', { noudp: 1 })
    await pause(WARM_UP_MS)
    return besideBulk(line, seconds, () => sampled(line))
  })
  return { carrier: CONTROL, ...figures }
}

function isInstalled(candidate: Candidate & { readonly programs?: Readonly<Record<string, string>> }): boolean {
  return notInstalled({ programs: candidate.programs ?? {} }) === undefined
}

async function tripsOver({ a, b }: Line, seconds: number): Promise<Trips> {
  const flow = 'small'
  await a.order({ order: 'heed', flow, how: 'note' })
  await b.order({ order: 'heed', flow, how: 'reflect' })
  await a.order({ order: 'pace', flow, intervalMs: INTERVAL_MS, bytes: SMALL_BYTES })
  await pause(WARM_UP_MS)
  await a.take(flow)
  await pause(seconds * 1000)
  const { arrivedAt, arrivalSentAt } = await a.take(flow)
  await a.order({ order: 'stop', flow })
  const times = Array.from(arrivedAt, (at, index) => at - (arrivalSentAt[index] as number))
  return { count: times.length, p50: quantileOf(times, 0.5), p99: quantileOf(times, 0.99) }
}

function difference(value: number | null, base: number | null | undefined): number | null {
  return value === null || base === null || base === undefined ? null : value - base
}
