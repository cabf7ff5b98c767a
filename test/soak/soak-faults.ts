/** What goes wrong in the soak: one fault after the other, several at a time, each undone after a while. All from one seed. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Random } from '@causeway/protocol'
import type { Fleet } from '../netlab/fleet.ts'
import type { Lab } from '../netlab/lab.ts'

const PAUSE_MS = { from: 500, to: 3_000 }
const LASTS_MS = { from: 500, to: 8_500 }
/** Longer than links wait, shorter than a lease. */
const STOPPED_MS_MAX = 5_000
const LOSS_PERCENT = 25
/** So many nodes may be dead or stopped at a time. */
const DOWN_MAX = 2

type Kind = 'cut' | 'isolate' | 'loss' | 'kill' | 'stop'

/** Of twenty faults. */
const SHARES: Readonly<Record<Kind, number>> = { cut: 8, isolate: 2, loss: 3, kill: 3, stop: 4 }
const KINDS = (Object.keys(SHARES) as Kind[]).flatMap((kind) => Array.from({ length: SHARES[kind] }, () => kind))

export class SoakFaults {
  readonly counts: Record<Kind, number> = { cut: 0, isolate: 0, loss: 0, kill: 0, stop: 0 }
  readonly #lab: Lab
  readonly #fleet: Fleet
  readonly #links: readonly string[]
  readonly #random: Random
  /** Nodes that are dead or stopped. */
  readonly #down = new Set<string>()
  readonly #undone: Promise<void>[] = []

  /** `links`: `X-Y`. */
  constructor(lab: Lab, fleet: Fleet, links: readonly string[], random: Random) {
    this.#lab = lab
    this.#fleet = fleet
    this.#links = links
    this.#random = random
  }

  async rage(untilMs: number): Promise<void> {
    while (performance.now() < untilMs) {
      await pause(this.#between(PAUSE_MS))
      await this.#strike(this.#pick(KINDS), this.#between(LASTS_MS))
    }
  }

  /** Waits until all that was broken works again; throws if a node could not be started. */
  async heal(): Promise<void> {
    await Promise.all(this.#undone)
    for (const link of this.#links) {
      await this.#lab.heal(link)
      await this.#lab.set(link, { loss: 0 })
    }
  }

  async #strike(kind: Kind, ms: number): Promise<void> {
    if (kind === 'kill' || kind === 'stop') {
      if (this.#down.size < DOWN_MAX) await this.#fell(kind, ms)
      return
    }
    this.counts[kind]++
    const link = this.#pick(this.#links)
    const [host = ''] = link.split('-')
    const links = kind === 'isolate' ? this.#links.filter((each) => each.split('-').includes(host)) : [link]
    for (const each of links) await (kind === 'loss' ? this.#lab.set(each, { loss: LOSS_PERCENT }) : this.#lab.cut(each))
    this.#later(ms, async () => {
      for (const each of links) await (kind === 'loss' ? this.#lab.set(each, { loss: 0 }) : this.#lab.heal(each))
    })
  }

  async #fell(kind: 'kill' | 'stop', ms: number): Promise<void> {
    const host = this.#pick(this.#lab.hosts.filter((each) => !this.#down.has(each)))
    this.counts[kind]++
    this.#down.add(host)
    if (kind === 'kill') await this.#fleet.kill(host)
    else this.#fleet.signal(host, 'SIGSTOP')
    this.#later(kind === 'kill' ? ms : Math.min(ms, STOPPED_MS_MAX), async () => {
      if (kind === 'kill') await this.#fleet.launch(host)
      else this.#fleet.signal(host, 'SIGCONT')
      this.#down.delete(host)
    })
  }

  #later(ms: number, undo: () => Promise<void>): void {
    const undone = pause(ms).then(undo)
    // Told of by `heal`.
    undone.catch(() => undefined)
    this.#undone.push(undone)
  }

  #between({ from, to }: { readonly from: number; readonly to: number }): number {
    return from + this.#random.float() * (to - from)
  }

  #pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.#random.float() * items.length)]
    if (item === undefined) throw new Error('nothing to pick from')
    return item
  }
}
