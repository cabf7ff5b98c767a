/**
 * Where orders and workers meet the machine: their calls become its inputs, its effects their answers.
 *
 *  1. Every order is answered once; when the node stops, by a refusal.
 *  2. A worker is told nothing after its end.
 */
import { CausewayError, type TaskOrder, type TaskOutcome, type TaskReport, type TaskToken, type TaskWhyView } from '@causeway/protocol'
import type { TaskEffect, TaskInput } from '@causeway/node'
import type { Refusal, WorkEffect, WorkOffer } from './task-backend.ts'

type Answer = TaskOutcome | TaskWhyView

interface Waiting {
  resolve(answer: Answer): void
  reject(error: CausewayError): void
}

export class TaskPort {
  readonly #give: (input: TaskInput) => unknown
  readonly #waiting = new Map<number, Waiting>()
  readonly #workers = new Map<number, (effect: WorkEffect) => void>()
  #lastNumber = 0
  #stopped = false

  constructor(give: (input: TaskInput) => unknown) {
    this.#give = give
  }

  order(order: TaskOrder): Promise<TaskOutcome> {
    return this.#ask((request) => ({ type: 'orderTask', request, order })) as Promise<TaskOutcome>
  }

  explain(about: string | TaskOrder): Promise<TaskWhyView | Refusal> {
    return this.#ask((request) => ({ type: 'explainTask', request, about })) as Promise<TaskWhyView | Refusal>
  }

  /** The number of the worker. */
  work(offer: WorkOffer, onEffect: (effect: WorkEffect) => void): number {
    const worker = ++this.#lastNumber
    this.#workers.set(worker, onEffect)
    this.#give({ type: 'work', worker, ...offer })
    return worker
  }

  report(worker: number, id: string, token: TaskToken, report: TaskReport): void {
    if (this.#workers.has(worker)) this.#give({ type: 'reportTask', worker, id, token, report })
  }

  endWork(worker: number): void {
    if (this.#workers.delete(worker)) this.#give({ type: 'workEnded', worker })
  }

  /** How many programs run tasks here. */
  get workers(): number {
    return this.#workers.size
  }

  effect(effect: TaskEffect): void {
    if (effect.type === 'taskOrdered' || effect.type === 'taskExplained') {
      this.#waiting.get(effect.request)?.resolve(effect.result)
      this.#waiting.delete(effect.request)
    } else {
      this.#workers.get(effect.worker)?.(effect)
    }
  }

  stop(): void {
    this.#stopped = true
    this.#workers.clear()
    for (const waiting of this.#waiting.values()) waiting.reject(stopping())
    this.#waiting.clear()
  }

  #ask(input: (request: number) => TaskInput): Promise<Answer> {
    if (this.#stopped) return Promise.reject(stopping())
    return new Promise((resolve, reject) => {
      const request = ++this.#lastNumber
      this.#waiting.set(request, { resolve, reject })
      this.#give(input(request))
    })
  }
}

function stopping(): CausewayError {
  return new CausewayError('refused', 'this node is stopping; whether the order was taken is not known', 'look at the task once it runs')
}
