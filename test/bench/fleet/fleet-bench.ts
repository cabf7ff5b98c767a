/**
 * A whole fleet of real nodes on this machine: what it takes until all gateways have their uplinks when they start at once, when a
 * hub has died, and when all hubs have died and come back and everybody returns at once; and when a record that a hub writes
 * is seen at every gateway.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { availableParallelism } from 'node:os'
import { type Bench, type Column, type Flag, type Measured, type Row, type Settings, judge } from '../bench.ts'
import { maxOf, quantileOf } from '../statistics.ts'
import { FleetLab } from './fleet-lab.ts'

const FLAGS = {
  gateways: { what: 'sites of one node', usual: 192, quick: 24 },
  hubs: { what: 'hubs', usual: 4, quick: 3 },
  uplinks: { what: 'hubs that a gateway holds links with', usual: 4, quick: 2 },
  processes: { what: 'processes that the gateways are spread over', usual: 8, quick: 2 },
  writes: { what: 'records that are written after each event', usual: 10, quick: 3 },
  patience: { what: 'seconds to wait for the last link', usual: 180, quick: 120 },
} as const satisfies Record<string, Flag>

type FleetSettings = Settings<keyof typeof FLAGS>

const LOOK_MS = 500
const WRITE_MS = 1_000
/** After the last write. */
const SEEN_MS = 5_000
const REST_MS = 20_000
const DOWN_MS = 5_000
const COLUMNS: readonly Column[] = [
  { key: 'what', head: 'WHAT' },
  { key: 'links', head: 'LINKS' },
  { key: 'seconds', head: 'ALL UP s', digits: 1 },
  { key: 'hubCpu', head: 'CPU s, A HUB', digits: 1 },
  { key: 'gatewayCpu', head: 'CPU ms, A GATEWAY' },
  { key: 'hubMegabytes', head: 'MB, A HUB' },
  { key: 'seenP50', head: 'SEEN p50 ms' },
  { key: 'seenMax', head: 'MAX' },
  { key: 'unseen', head: 'UNSEEN' },
]

export const FLEET_BENCH: Bench<keyof typeof FLAGS> = {
  name: 'fleet',
  what: 'a fleet of real nodes on loopback that joins, loses hubs, and returns to them all at once',
  flags: FLAGS,
  parts: [{ name: 'causeway', what: 'hubs as processes, gateways many to a process', measure }],
}

async function measure(settings: FleetSettings): Promise<Measured> {
  const { gateways, hubs, uplinks, processes } = settings
  await using lab = new FleetLab({ gateways, hubs, uplinks, processes })
  await lab.prepare()
  const held = Math.min(uplinks, hubs)
  const [first = '', ...others] = lab.hubs
  const last = others.at(-1) ?? first
  const watched = new Watched(lab, settings)
  await watched.event('all gateways start at once', gateways * held, () => lab.startGateways())
  await watched.rest()
  await watched.event('a hub is killed', gateways * Math.min(uplinks, hubs - 1), () => lab.kill(last))
  await watched.event('it comes back', gateways * held, () => lab.restart(last))
  await watched.event('all hubs are killed, and come back', gateways * held, async () => {
    await Promise.all(lab.hubs.map((hub) => lab.kill(hub)))
    await sleep(DOWN_MS)
    await Promise.all(lab.hubs.map((hub) => lab.restart(hub)))
  })
  const { rows } = watched
  const sum = (key: 'missing' | 'unseen'): number => rows.reduce((total, row) => total + Number(row[key] ?? 0), 0)
  return {
    columns: COLUMNS,
    rows,
    judgements: [
      judge('links that did not come within the time', sum('missing'), 0, ''),
      judge('records that a gateway did not see', sum('unseen'), 0, ''),
    ],
    notes: [
      `${gateways} gateways with ${held} of ${hubs} hubs each, on ${availableParallelism()} processors; CPU of each row since the row before`,
      'gateways are whole nodes without a datagram lane: their links are probed over the control connection, which costs a hub more',
    ],
    charts: [],
  }
}

/** What happens to a fleet, a row for each event. */
class Watched {
  readonly rows: Row[] = []
  readonly #lab: FleetLab
  readonly #settings: FleetSettings
  #usage: ReturnType<FleetLab['usage']>
  #written = 0

  constructor(lab: FleetLab, settings: FleetSettings) {
    this.#lab = lab
    this.#settings = settings
    this.#usage = lab.usage()
  }

  /** Lets it happen, waits for that many links, and writes. */
  async event(what: string, wanted: number, happen: () => Promise<void>): Promise<void> {
    await happen()
    const began = performance.now()
    const patienceMs = this.#settings.patience * 1_000
    let links = await this.#lab.links()
    while (links !== wanted && performance.now() - began < patienceMs) {
      await sleep(LOOK_MS)
      links = await this.#lab.links()
    }
    const seconds = links === wanted ? (performance.now() - began) / 1_000 : null
    const used = this.#used()
    this.rows.push({ what, links, seconds, missing: Math.max(0, wanted - links), ...used, ...(await this.#write()) })
    this.#used()
  }

  /** What a fleet costs that has nothing to do. */
  async rest(): Promise<void> {
    const links = await this.#lab.links()
    this.#used()
    await sleep(REST_MS)
    this.rows.push({ what: `${REST_MS / 1_000} s of rest`, links, seconds: null, ...this.#used() })
  }

  /** On average, since the last time; a hub that was started meanwhile began with nothing. */
  #used(): Row {
    const [before, now] = [this.#usage, this.#lab.usage()]
    this.#usage = now
    const spent = now.hubs.map(({ cpuSeconds }, hub) => {
      const earlier = before.hubs[hub]?.cpuSeconds ?? 0
      return cpuSeconds < earlier ? cpuSeconds : cpuSeconds - earlier
    })
    const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
    return {
      hubCpu: average(spent),
      gatewayCpu: (now.gateways.cpuSeconds - before.gateways.cpuSeconds) * 1_000,
      hubMegabytes: average(now.hubs.map(({ megabytes }) => megabytes)),
    }
  }

  async #write(): Promise<Row> {
    await this.#lab.take()
    const { gateways, writes } = this.#settings
    const writtenAt = new Map<string, number>()
    for (let n = 0; n < writes; n++) {
      const key = `record-${this.#written++}`
      writtenAt.set(key, await this.#lab.put('core-1', key))
      await sleep(WRITE_MS)
    }
    await sleep(SEEN_MS)
    const seenMs = (await this.#lab.take()).flatMap(({ key, atMs }) => {
      const at = writtenAt.get(key)
      return at === undefined ? [] : [atMs - at]
    })
    return { seenP50: quantileOf(seenMs, 0.5), seenMax: maxOf(seenMs), unseen: gateways * writes - seenMs.length }
  }
}
