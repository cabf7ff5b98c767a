/**
 * One seed, one story of silence: on a fleet that is at rest something happens to a site (a cut, a split LAN, a crash, a
 * pause) or to those that watch it (a hub that stands still, dies, or is cut off), often two at once; then all heals.
 */
import { SeededRandom, type Verdict } from '@causeway/protocol'
import type { Fault } from './fault.ts'
import { type Fleet, makeFleet } from './fleet.ts'
import { CRASH_KNOWN_MS, VerdictWatch } from './verdict-watch.ts'

export interface VerdictStory {
  readonly seed: number
  readonly told: readonly string[]
  /** How long it took until every hub knew of a crash. */
  readonly crashKnownMs: number | null
  /** Looks at which some hub took a node for crashed that ran, spared or not. */
  readonly falseCrashes: number
  readonly objections: readonly string[]
}

const WARM_UP_MS = 12_000
const HEAL_MS = 60_000
const HIT_MS = 12_000

type Plot = 'cut' | 'crash' | 'power' | 'split' | 'pause'
const PLOTS: readonly Plot[] = ['cut', 'cut', 'crash', 'power', 'split', 'pause']

export function runVerdictStory(seed: number): VerdictStory {
  const random = new SeededRandom(seed)
  const between = (from: number, to: number): number => from + (random.uint32() % (to - from + 1))
  const fleet = makeFleet({
    ...{ seed, hubs: between(1, 3), sites: between(1, 3), nodesPerSite: between(1, 5) },
    introduced: random.float() < 0.5,
    wide: { lossRatio: random.float() < 0.3 ? 0.01 : 0 },
  })
  const story = new Story(fleet, random)
  story.run(PLOTS[random.uint32() % PLOTS.length] ?? 'cut', random.float() < 0.5)
  const { told, crashKnownMs, watch } = story
  return { seed, told, crashKnownMs, falseCrashes: watch.falseCrashes, objections: watch.objections }
}

class Story {
  readonly told: string[] = []
  readonly watch: VerdictWatch
  crashKnownMs: number | null = null
  readonly #fleet: Fleet
  readonly #random: SeededRandom
  readonly #site: readonly string[]
  /** Those who watch have troubles of their own: what they say may be late, but not wrong. */
  #disturbed = false

  constructor(fleet: Fleet, random: SeededRandom) {
    this.#fleet = fleet
    this.#random = random
    this.watch = new VerdictWatch(fleet)
    this.#site = this.#pick([...fleet.sites.values()]) ?? []
  }

  run(plot: Plot, disturbed: boolean): void {
    const { world, edges } = this.#fleet
    this.watch.run(WARM_UP_MS)
    this.#expect(
      'at rest',
      edges.map(({ name }) => name),
    )
    if (disturbed) this.#disturb()
    this.watch.run(this.#random.float() * 2_000)
    this.#tell(plot)
    if (plot === 'cut') this.#cut()
    else if (plot === 'split') this.#split()
    else if (plot === 'pause') this.#pause()
    else this.#crash(plot === 'power')
    world.healAll()
    for (const { name } of edges) {
      const tookMs = this.watch.runUntil(name, ['alive'], HEAL_MS)
      if (tookMs === undefined) this.#object(`${name} is not alive ${HEAL_MS / 1000} s after the heal`, name)
    }
    for (const fault of world.faults) if (fault.dropped === 0) this.#object(`${fault.what} hit nothing`)
  }

  /** The whole site, from all hubs; one of its nodes may be started again meanwhile. */
  #cut(): void {
    const { world, hubs } = this.#fleet
    this.watch.spare(this.#site)
    const hubNames = hubs.map(({ name }) => name)
    const cut = world.cut([...this.#site], hubNames)
    if (this.#random.float() < 0.3 && this.#site.length > 1) this.#lanSplit()
    this.watch.run(HIT_MS)
    for (const name of this.#site) {
      const { machine, now } = world.node(name)
      if (!machine.status(now).cutOff) this.#object(`${name} does not know that it is cut off`)
      const verdicts = this.watch.verdicts(name)
      const wrong = !this.#disturbed && verdicts.some((verdict) => verdict === 'alive' || verdict === 'suspect')
      if (wrong) this.#object(`${name} is ${verdicts.join()} though cut off`, name)
    }
    const restarted = this.#random.float() < 0.5 ? this.#pick(this.#site) : undefined
    if (restarted !== undefined) {
      this.#tell(`${restarted} is started again`)
      world.crash(restarted)
      this.watch.run(500)
      world.restart(restarted)
    }
    this.watch.run(this.#random.float() * 20_000)
    for (const fault of world.faults) if (fault !== cut && fault.kind === 'cut') fault.heal()
    cut.heal()
    this.watch.run(15_000)
    this.watch.spareNoMore(this.#site)
  }

  /** Everybody still reaches hubs. */
  #split(): void {
    this.watch.spare(this.#site)
    if (!this.#lanSplit()) return
    this.watch.run(20_000)
    for (const name of this.#site) {
      const verdicts = this.watch.verdicts(name)
      const wrong = !this.#disturbed && verdicts.some((verdict) => verdict !== 'alive')
      if (wrong) this.#object(`${name} is ${verdicts.join()} though only its LAN is split`, name)
    }
  }

  #pause(): void {
    const { world } = this.#fleet
    const name = this.#pick(this.#site) ?? ''
    this.watch.spare(this.#site.filter((other) => other !== name))
    const ms = 500 + this.#random.float() * 12_000
    world.stall(name, ms, { whole: this.#random.float() < 0.7 })
    this.watch.run(ms + 1_000)
  }

  #crash(silently: boolean): void {
    const { world, hubs, edges } = this.#fleet
    const name = this.#pick(this.#site) ?? ''
    this.watch.spare(this.#site.filter((other) => other !== name))
    const all = [...hubs, ...edges].map((node) => node.name).filter((other) => other !== name)
    const power: Fault | undefined = silently ? world.cut(name, all) : undefined
    world.crash(name)
    // A hub that is cut off itself says that it does not know.
    const unsure = this.#site.length === 1 || this.#disturbed
    const expected: Verdict[] = this.#site.length > 1 ? ['crashed'] : ['cut-off']
    if (unsure) expected.push('unknown')
    const tookMs = this.watch.runUntil(name, expected, 20_000)
    this.crashKnownMs = tookMs ?? null
    if (tookMs === undefined) this.#object(`${name} is not ${expected.join(' or ')} though its process died`, name)
    else if (!this.#disturbed && this.#site.length > 1 && tookMs > CRASH_KNOWN_MS)
      this.#object(`${name}: its death was known after ${tookMs} ms`, name)
    this.watch.run(5_000)
    power?.heal()
  }

  /** What happens to those who watch. */
  #disturb(): Fault {
    this.#disturbed = true
    const { world, hubs } = this.#fleet
    const hub = this.#pick(hubs.map(({ name }) => name)) ?? ''
    const others = hubs.map(({ name }) => name).filter((name) => name !== hub)
    this.#tell(`and something with ${hub}`)
    switch (this.#random.uint32() % 3) {
      case 0:
        return world.stall(hub, 300 + this.#random.float() * 15_000, { whole: this.#random.float() < 0.5 })
      case 1:
        return others.length > 0 ? world.crash(hub) : world.stall(hub, 4_000)
      default:
        return others.length > 0 ? world.isolate(hub) : world.stall(hub, 8_000, { whole: true })
    }
  }

  #lanSplit(): boolean {
    if (this.#site.length < 2) return false
    const at = 1 + (this.#random.uint32() % (this.#site.length - 1))
    this.#tell(`the LAN splits after ${at}`)
    this.#fleet.world.cut(this.#site.slice(0, at), this.#site.slice(at))
    return true
  }

  #expect(when: string, names: readonly string[]): void {
    for (const name of names) {
      const verdicts = this.watch.verdicts(name)
      if (verdicts.some((verdict) => verdict !== 'alive')) this.#object(`${when}: ${name} is ${verdicts.join()}`, name)
    }
  }

  #object(objection: string, about?: string): void {
    this.watch.objections.push(about === undefined ? objection : `${objection} (${this.watch.evidence(about)})`)
  }

  #tell(what: string): void {
    this.told.push(what)
  }

  #pick<Item>(items: readonly Item[]): Item | undefined {
    return items[this.#random.uint32() % Math.max(1, items.length)]
  }
}
