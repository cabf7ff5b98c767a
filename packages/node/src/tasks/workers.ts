/**
 * The programs on this node that run tasks: what each offers, and what it has. A task goes to the first that has its labels,
 * a free slot and what it needs.
 */
import { CausewayError, type TaskView, WORKERS_MAX, type WorkerOffer, workerOfferSchema } from '@causeway/protocol'
import { type Selector, parseSelector } from '@causeway/state'

type Amounts = Readonly<Record<string, number>>

interface Worker {
  readonly offer: WorkerOffer
  readonly selects: Selector
  /** Task → what it needs. */
  readonly running: Map<string, Amounts>
}

export class Workers {
  readonly #workers = new Map<number, Worker>()
  /** Counts changes of what is offered. */
  version = 0

  /** Says what is wrong with the offer; then it is none. */
  add(worker: number, offer: WorkerOffer): string | undefined {
    const checked = workerOfferSchema.safeParse(offer).data
    if (!checked) return 'a worker offers a selector, 1 or more slots, and capacities that are not negative'
    if (this.#workers.size >= WORKERS_MAX) return `${WORKERS_MAX} workers are at this node already`
    try {
      this.#workers.set(worker, { offer: checked, selects: parseSelector(checked.selector), running: new Map() })
      this.version++
      return undefined
    } catch (error) {
      return error instanceof CausewayError ? error.message : 'its selector is not understood'
    }
  }

  remove(worker: number): void {
    if (this.#workers.delete(worker)) this.version++
  }

  has(worker: number): boolean {
    return this.#workers.has(worker)
  }

  /** Which worker can take it now. */
  choose({ labels }: Pick<TaskView, 'labels'>, needs: Amounts): number | undefined {
    for (const [number, { offer, selects, running }] of this.#workers) {
      if (running.size >= offer.slots || !selects(labels)) continue
      const enough = Object.entries(needs).every(([what, amount]) => {
        const capacity = offer.capacity[what]
        return capacity === undefined || used(running, what) + amount <= capacity
      })
      if (enough) return number
    }
    return undefined
  }

  begin(worker: number, task: string, needs: Amounts): void {
    this.#workers.get(worker)?.running.set(task, needs)
  }

  end(worker: number, task: string): void {
    this.#workers.get(worker)?.running.delete(task)
  }

  offers(): WorkerOffer[] {
    return [...this.#workers.values()].map(({ offer }) => offer)
  }

  get size(): number {
    return this.#workers.size
  }

  get slots(): number {
    return this.offers().reduce((sum, { slots }) => sum + slots, 0)
  }
}

function used(running: ReadonlyMap<string, Amounts>, what: string): number {
  let sum = 0
  for (const needs of running.values()) sum += needs[what] ?? 0
  return sum
}
