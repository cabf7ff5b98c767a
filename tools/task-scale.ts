/**
 * Many tasks over many sites in one simulated world: submitted at every site, placed, run, listed, and done. Tells what each
 * step costs a task in processor time of this one process, which plays all nodes, and how long it takes in the world.
 *
 *     node_modules/.bin/node --max-old-space-size=8192 tools/task-scale.ts [--sites 500] [--tasks 100000] [--hubs 2] [--seed 1]
 */
import { parseArgs } from 'node:util'
import { type Fleet, makeFleet, tiledPlanetlab } from '@causeway/simulator'

const WARM_UP_MS = 20_000
const SUBMIT_MS = 20_000
const STEADY_MS = 10_000
const WAIT_MS = 120_000
const LISTS = 1_000
const TILES = 3
/** Tasks that share a label. */
const GROUP = 100
/** Of what went wrong. */
const TOLD_MAX = 10

interface Step {
  readonly what: string
  readonly tasks: number
  readonly cpuMs: number
  readonly worldMs: number
  readonly heapMb: number
}

function main(sites: number, tasks: number, hubs: number, seed: number): number {
  const perSite = Math.ceil(tasks / sites)
  const all = perSite * sites
  const fleet = makeFleet({
    seed,
    hubs,
    sites,
    nodesPerSite: 1,
    uplinks: 2,
    matrix: tiledPlanetlab(TILES),
    allocator: { engine: 'embedded', hub: 'core-1' },
  })
  const { world } = fleet
  const programs = new Programs(fleet)
  const hub = world.node('core-1').machine
  const allocated = (): number => hub.tasks.list({ phase: 'allocated', limit: all + 1 }).length
  const steps: Step[] = []
  const step = (what: string, run: () => void): void => {
    const [cpu, now] = [process.cpuUsage(), world.now]
    run()
    const { user, system } = process.cpuUsage(cpu)
    steps.push({
      what,
      tasks: all,
      cpuMs: (user + system) / 1000,
      worldMs: world.now - now,
      heapMb: process.memoryUsage().heapUsed / 2 ** 20,
    })
    process.stderr.write(`${what}\n`)
  }
  step('sites join', () => world.run(WARM_UP_MS))
  programs.offer(perSite)
  world.run(3_000)
  step('submit and run', () => {
    programs.submit(perSite, SUBMIT_MS)
    world.run(SUBMIT_MS)
    world.runUntil(
      every(1_000, fleet, () => programs.running === all),
      WAIT_MS,
    )
  })
  const [ran, placed] = [programs.running, allocated()]
  if (placed < all) {
    const without = hub.tasks.list({ limit: all }).filter(({ phase }) => phase !== 'allocated')
    tell(without.map(({ id, phase, conditions }) => `not granted: ${id} is ${phase}: ${JSON.stringify(conditions)}`))
  }
  step(`${STEADY_MS / 1000} s of renewals`, () => world.run(STEADY_MS))
  const lists = timesOfLists(fleet)
  step('done', () => {
    programs.finish()
    world.runUntil(
      every(1_000, fleet, () => allocated() === 0),
      WAIT_MS,
    )
  })
  tell(programs.refused)
  print(steps)
  const answers = quantiles(programs.answeredMs)
  process.stdout.write(`answered to submissions in the world: p50 ${answers.p50} ms, p99 ${answers.p99} ms\n`)
  for (const [selector, said] of lists) process.stdout.write(`list 100 of "${selector}" at a hub: ${said}\n`)
  const held = ran === all && placed === all && allocated() === 0 && programs.twice === 0
  const counts = `${programs.refused.length} refused, ${placed} granted, ${ran} ran, ${programs.twice} of them twice, ${allocated()} left`
  process.stdout.write(`${all} tasks at ${sites} sites: ${counts}; ${held ? 'held' : 'FAILED'}\n`)
  return held ? 0 : 1
}

/** Asked once in a while: a list of all is no light thing. */
function every(ms: number, { world }: Fleet, condition: () => boolean): () => boolean {
  let next = world.now
  return () => {
    if (world.now < next) return false
    next = world.now + ms
    return condition()
  }
}

/** One program on every node, which runs what it is given until it is told to finish. */
class Programs {
  readonly answeredMs: number[] = []
  /** Orders that were not carried out, or of which it is not known whether they were. */
  readonly refused: string[] = []
  /** Given to somebody who had been given them, or after somebody else. */
  twice = 0
  readonly #fleet: Fleet
  readonly #given = new Map<string, { readonly name: string; readonly token: number }>()
  readonly #asked = new Map<string, number>()

  constructor(fleet: Fleet) {
    const { world } = fleet
    this.#fleet = fleet
    world.watch(({ name }, effect) => {
      if (effect.type === 'taskOrdered') {
        const { request, result } = effect
        this.answeredMs.push(world.now - (this.#asked.get(`${name} ${request}`) ?? 0))
        if (!result.ok) this.refused.push(`refused: order ${request} of ${name}: ${JSON.stringify(result)}`)
      }
      if (effect.type !== 'taskGiven') return
      const { id, token, generation } = effect.task
      if (this.#given.has(id)) this.twice += 1
      this.#given.set(id, { name, token })
      const report = { state: 'running', observedGeneration: generation } as const
      world.timeline.after(0, () => world.request(name, { type: 'reportTask', worker: 1, id, token, report }))
    })
  }

  get running(): number {
    return this.#given.size
  }

  offer(slots: number): void {
    const { world, edges } = this.#fleet
    for (const { name } of edges) world.request(name, { type: 'work', worker: 1, selector: '', slots, capacity: {} })
  }

  submit(perSite: number, ms: number): void {
    const { world, edges } = this.#fleet
    for (const [site, { name }] of edges.entries()) {
      for (let n = 0; n < perSite; n++) {
        const labels = { kind: 'record', group: `g${Math.floor((site * perSite + n) / GROUP)}` }
        // Named here: the worlds' generator has 32 bits of state, and of 100,000 ids that nodes chose four were the same.
        const order = { type: 'submit', id: `t-${site}-${n}`, spec: { channel: `c${site}-${n}`, n }, labels } as const
        world.timeline.after(((n + site / edges.length) * ms) / perSite, () => {
          this.#asked.set(`${name} ${n}`, world.now)
          world.request(name, { type: 'orderTask', request: n, order })
        })
      }
    }
  }

  finish(): void {
    const { world } = this.#fleet
    for (const [id, { name, token }] of this.#given)
      world.request(name, { type: 'reportTask', worker: 1, id, token, report: { state: 'done' } })
  }
}

/** The first of them. */
function tell(lines: readonly string[]): void {
  for (const line of lines.slice(0, TOLD_MAX)) process.stdout.write(`${line}\n`)
}

/** Each alone by the clock of the wall, which others share; together by that of the processor, which is too coarse for one. */
function timesOfLists({ world }: Fleet): (readonly [string, string])[] {
  const { tasks } = world.node('core-1').machine
  return ['group=g7', 'group in (g1,g2)', 'group=nobody', 'group!=g7,kind=record', '!group', 'kind!=record', ''].map((selector) => {
    const before = process.threadCpuUsage()
    const times = Array.from({ length: LISTS }, () => {
      const began = performance.now()
      tasks.list({ selector, limit: 100 })
      return performance.now() - began
    })
    const { user, system } = process.threadCpuUsage(before)
    const { p50, p99 } = quantiles(times)
    return [selector, `p50 ${p50} ms, p99 ${p99} ms, mean ${((user + system) / 1_000 / LISTS).toFixed(2)} ms of CPU`] as const
  })
}

function quantiles(times: readonly number[]): { readonly p50: string; readonly p99: string } {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): string => (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN).toFixed(2)
  return { p50: at(0.5), p99: at(0.99) }
}

function print(steps: readonly Step[]): void {
  process.stdout.write('step                     CPU s   CPU µs/task   world s   heap MB\n')
  for (const { what, tasks, cpuMs, worldMs, heapMb } of steps) {
    const cells = [(cpuMs / 1000).toFixed(1).padStart(7), ((cpuMs * 1000) / tasks).toFixed(0).padStart(13)]
    cells.push((worldMs / 1000).toFixed(1).padStart(9), heapMb.toFixed(0).padStart(9))
    process.stdout.write(`${what.padEnd(23)}${cells.join(' ')}\n`)
  }
}

const { values } = parseArgs({
  options: {
    sites: { type: 'string', default: '500' },
    tasks: { type: 'string', default: '100000' },
    hubs: { type: 'string', default: '2' },
    seed: { type: 'string', default: '1' },
  },
})
process.exitCode = main(Number(values.sites), Number(values.tasks), Number(values.hubs), Number(values.seed))
