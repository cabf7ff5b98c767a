/** Controllers that submit, update, stop, undelete and move tasks at random nodes, and what they were answered. */
import type { Random, TaskOrder, TaskOutcome, TaskPolicy, TaskView } from '@causeway/protocol'
import type { Fleet } from './fleet.ts'
import type { TaskRuns } from './task-runs.ts'

const POLICIES: readonly TaskPolicy[] = ['at-most-one', 'sticky', 'at-least-one']

export interface OrderRecord {
  readonly node: string
  readonly order: TaskOrder
  readonly at: number
  answeredAt: number | undefined
  result: TaskOutcome | undefined
}

export class TaskTraffic {
  readonly orders: OrderRecord[] = []
  /** Tasks that were promised, by id. */
  readonly promised: Map<string, TaskView> = new Map()
  /** Those that somebody ordered to end, or that ended by themselves. */
  readonly ended: Set<string> = new Set()
  readonly #fleet: Fleet
  readonly #runs: TaskRuns
  readonly #random: Random
  readonly #waiting = new Map<string, OrderRecord>()
  #keys = 0

  constructor(fleet: Fleet, runs: TaskRuns, random: Random) {
    this.#fleet = fleet
    this.#runs = runs
    this.#random = random
    fleet.world.watch((node, effect) => {
      if (effect.type !== 'taskOrdered') return
      const record = this.#waiting.get(`${node.name} ${node.incarnation} ${effect.request}`)
      if (!record) return
      record.answeredAt = fleet.world.now
      record.result = effect.result
      if (effect.result.ok && record.order.type === 'submit') this.promised.set(effect.result.task.id, effect.result.task)
    })
  }

  /** Gives an order at a node; false if it is down. */
  order(name: string, order: TaskOrder): OrderRecord | undefined {
    const { world } = this.#fleet
    const node = world.node(name)
    const record: OrderRecord = { node: name, order, at: world.now, answeredAt: undefined, result: undefined }
    const request = node.nextRequest()
    if (!world.request(name, { type: 'orderTask', request, order })) return undefined
    this.#waiting.set(`${name} ${node.incarnation} ${request}`, record)
    this.orders.push(record)
    return record
  }

  submit(name: string, convergeKey?: string): OrderRecord | undefined {
    const policy = this.#pick(POLICIES) ?? 'sticky'
    const key = convergeKey ?? (this.#random.float() < 0.3 ? `key-${this.#random.uint32() % (1 + this.#keys++)}` : undefined)
    return this.order(name, { type: 'submit', spec: { n: this.orders.length }, policy, ...(key !== undefined && { convergeKey: key }) })
  }

  /** Something, anywhere. */
  next(): void {
    const node = this.#pick(this.#fleet.edges.filter(({ name }) => this.#fleet.world.node(name).alive))?.name
    if (node === undefined) return
    const id = this.#pick([...this.promised.keys()].filter((task) => !this.ended.has(task)))
    const dice = this.#random.float()
    if (id === undefined || dice < 0.4) {
      this.submit(node)
    } else if (dice < 0.55) {
      this.order(node, { type: 'update', id, spec: { n: this.orders.length } })
    } else if (dice < 0.7) {
      this.ended.add(id)
      this.order(node, { type: 'stop', id })
      if (this.#random.float() < 0.5)
        this.#fleet.world.timeline.after(this.#random.float() * 1_500, () => this.order(node, { type: 'undelete', id }))
    } else if (dice < 0.9) {
      this.order(node, { type: 'move', id })
    } else {
      this.#runs.forced.add(id)
      this.order(node, { type: 'move', id, force: true })
    }
  }

  /** Every order was answered, by whoever lived that long. */
  unanswered(within: number): OrderRecord[] {
    const { now } = this.#fleet.world
    return this.orders.filter(({ at, answeredAt }) => (answeredAt ?? now) - at > within)
  }

  #pick<Item>(items: readonly Item[]): Item | undefined {
    return items.length === 0 ? undefined : items[this.#random.uint32() % items.length]
  }
}
