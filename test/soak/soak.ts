/**
 * Real daemons in namespaces, used all the time while links are cut and thin, and nodes are killed, stopped and cut off:
 *
 *     a, b, c: site near, with a LAN      each linked with h1, h2, h3
 *     d, e:    site far, with a LAN       each linked with h1, h2, h3
 *
 * Programs beside the edge nodes write records, run one task of each policy, and count over TCP through a forward to the
 * other site. In the end everything is healed, and everybody must hold every write that was acknowledged; nobody may have had
 * an echo of something else, run what another ran, broken the protocol, or ended by itself; and all must be alive for all.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { SeededRandom } from '@causeway/protocol'
import { eventually } from '../e2e/eventually.ts'
import { Fleet } from '../netlab/fleet.ts'
import { Lab } from '../netlab/lab.ts'
import { TaskRuns } from '../netlab/task-runs.ts'
import { SoakFaults } from './soak-faults.ts'

const HUBS = ['h1', 'h2', 'h3']
const SITES: Readonly<Record<string, readonly string[]>> = { near: ['a', 'b', 'c'], far: ['d', 'e'] }
const EDGES = Object.values(SITES).flat()
const LINKS = [
  ...EDGES.flatMap((edge) => HUBS.map((hub, at) => `${edge}-${hub} delay=${8 + 4 * at}`)),
  ...['a-b', 'a-c', 'b-c', 'd-e'].map((pair) => `${pair} delay=0.1`),
  ...['h1-h2', 'h1-h3', 'h2-h3'].map((pair) => `${pair} delay=5`),
]
const COUNTING = fileURLToPath(new URL('./counting.ts', import.meta.url))
const PORTS = { service: 9_300, forward: 9_301 }
const ITEMS = 'items'
const WRITE_EVERY_MS = 300
const SAY_EVERY_MS = 30_000
const WHOLE_MS_MAX = 60_000

export interface SoakOptions {
  readonly seconds: number
  readonly seed: number
  /** Hears how it goes. */
  readonly say: (line: string) => void
}

export interface SoakReport {
  readonly faults: SoakFaults['counts']
  readonly asked: number
  readonly acknowledged: number
  readonly echoed: number
  /** Connections that ended: with a node at either end. */
  readonly broken: number
  readonly objections: readonly string[]
}

export async function runSoak({ seconds, seed, say }: SoakOptions): Promise<SoakReport> {
  await using cleanup = new AsyncDisposableStack()
  const lab = cleanup.use(await Lab.up(LINKS.map((link) => `link ${link.replace('-', ' ')}`)))
  const siteOf = (host: string): string => Object.keys(SITES).find((site) => SITES[site]?.includes(host)) ?? 'core'
  const state = { interest: ['config/**', `${ITEMS}/**`, 'nodes/{region}/**'] }
  const fleet = cleanup.use(new Fleet(lab, siteOf, { state, leases: { engine: 'embedded', hub: 'h1' } }))
  await fleet.prepare()
  const counters = countAcross(lab, fleet)
  for (const host of lab.hosts) await fleet.launch(host)
  await allAlive(fleet, lab)
  const tasks = new TaskRuns((host) => fleet.at(host))
  await tasks.begin('near', SITES['near'] ?? [])
  cleanup.defer(() => tasks.end())
  const faults = new SoakFaults(lab, fleet, pairs(), new SeededRandom(seed))
  const writes = new Writes(fleet)
  const telling = setInterval(() => say(`${JSON.stringify(faults.counts)}, ${writes.acknowledged.size} writes acknowledged`), SAY_EVERY_MS)
  cleanup.defer(() => clearInterval(telling))
  await faults.rage(performance.now() + seconds * 1000)
  await writes.end()
  await faults.heal()
  const objections = [
    ...(await objectionOf('all are alive for all', () => allAlive(fleet, lab))),
    ...(await objectionOf('all hold what was acknowledged', () => eventually('they do', () => writes.areAt(lab.hosts), WHOLE_MS_MAX))),
    ...tasks.faults(),
    ...lab.hosts.flatMap((host) => faultsIn(fleet.log(host)).map((line) => `${host}: ${line}`)),
  ]
  const tallies = counters.map((file) => tallyIn(file))
  const sum = (of: (tally: Tally) => number): number => tallies.reduce((total, tally) => total + of(tally), 0)
  const wrong = sum((tally) => tally.wrong)
  if (wrong > 0) objections.push(`${wrong} echoes were not of what had been said`)
  const { asked, acknowledged } = writes
  const echoes = { echoed: sum(({ echoed }) => echoed), broken: sum(({ broken }) => broken) }
  return { faults: faults.counts, asked, acknowledged: acknowledged.size, ...echoes, objections }
}

function pairs(): string[] {
  return LINKS.map((link) => link.split(' ')[0] ?? '')
}

interface Tally {
  readonly echoed: number
  readonly wrong: number
  readonly broken: number
}

/** Servers at one site, clients at the other, and a forward between them; returns where the clients write what they count. */
function countAcross(lab: Lab, fleet: Fleet): string[] {
  const start = (host: string, more: object, job: string, port: number): string => {
    const config = JSON.parse(readFileSync(fleet.configPath(host), 'utf8')) as object
    writeFileSync(fleet.configPath(host), JSON.stringify({ ...config, ...more }))
    const file = join(fleet.directory, `${job}-${host}.log`)
    lab.spawn(host, [process.execPath, COUNTING, job, String(port)], file)
    return file
  }
  for (const host of SITES['far'] ?? [])
    start(host, { services: [{ name: 'echo', tcp: `127.0.0.1:${PORTS.service}` }] }, 'serve', PORTS.service)
  const forwards = [{ listen: `127.0.0.1:${PORTS.forward}`, to: 'echo@far' }]
  return (SITES['near'] ?? []).map((host) => start(host, { forwards }, 'count', PORTS.forward))
}

function tallyIn(file: string): Tally {
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  // The last may be half a line.
  return JSON.parse(lines.at(-2) ?? '{"echoed":0,"wrong":0,"broken":0}') as Tally
}

/** What a daemon logs when it is at fault, or finds that another is. */
function faultsIn(log: string): string[] {
  return log.split('\n').filter((line) => /"level":"?(?:50|60|error|fatal)|a peer broke the protocol/.test(line))
}

function allAlive(fleet: Fleet, lab: Lab): Promise<unknown> {
  return eventually(
    'all are alive for all',
    async () => {
      for (const host of lab.hosts) {
        const alive = (await fleet.at(host).nodes()).items.filter(({ verdict }) => verdict === 'alive')
        if (alive.length !== lab.hosts.length) throw new Error(`for ${host} only ${alive.map(({ node }) => node).join(', ')}`)
      }
      return true
    },
    WHOLE_MS_MAX,
  )
}

async function objectionOf(what: string, check: () => Promise<unknown>): Promise<string[]> {
  try {
    await check()
    return []
  } catch (error) {
    const { message, cause } = error as Error
    return [`${what}: ${message} (${cause instanceof Error ? cause.message : String(cause)})`]
  }
}

/** A program beside each edge node that writes a record of its site now and then. */
class Writes {
  asked = 0
  /** Keys, each with its partition. */
  readonly acknowledged = new Map<string, string>()
  readonly #fleet: Fleet
  readonly #writers: Promise<void>[]
  #over = false

  constructor(fleet: Fleet) {
    this.#fleet = fleet
    this.#writers = Object.entries(SITES).flatMap(([site, hosts]) => hosts.map((host) => this.#write(host, site)))
  }

  async end(): Promise<void> {
    this.#over = true
    await Promise.all(this.#writers)
  }

  async areAt(hosts: readonly string[]): Promise<true> {
    for (const host of hosts) {
      const items = this.#fleet.at(host).collection(ITEMS)
      const there = new Set<string>()
      for (const partition of Object.keys(SITES)) for (const { key } of (await items.list({ partition })).items) there.add(key)
      const lacking = [...this.acknowledged.keys()].filter((key) => !there.has(key))
      if (lacking.length > 0) throw new Error(`${host} lacks ${lacking.length}, such as ${lacking[0]}`)
    }
    return true
  }

  async #write(host: string, partition: string): Promise<void> {
    for (let count = 0; !this.#over; count++) {
      const key = `${host}-${count}`
      this.asked++
      await this.#fleet
        .at(host)
        .collection(ITEMS)
        .put(key, { count }, { partition })
        .then(() => this.acknowledged.set(key, partition))
        // Its node may be dead.
        .catch(() => undefined)
      await pause(WRITE_EVERY_MS)
    }
  }
}
