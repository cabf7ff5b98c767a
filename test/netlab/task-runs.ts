/**
 * One task of each policy, workers in this process that run them beside nodes of a lab, and what they saw: who ran which when,
 * under which token. A task is named after its policy.
 */
import type { Causeway } from '@causeway/client'
import type { TaskPolicy } from '@causeway/protocol'
import { eventually } from '../e2e/eventually.ts'

const POLICIES: readonly TaskPolicy[] = ['at-most-one', 'sticky', 'at-least-one']

export interface TaskRun {
  readonly host: string
  readonly task: string
  readonly token: number
  readonly beganAt: number
  endedAt?: number
}

export class TaskRuns {
  readonly #at: (host: string) => Causeway
  readonly #end = new AbortController()
  readonly #workers: Promise<void>[] = []
  readonly #runs: TaskRun[] = []

  constructor(at: (host: string) => Causeway) {
    this.#at = at
  }

  /** Workers at these nodes of a site, and one task of each policy, which run there then; by policy. */
  async begin(site: string, hosts: readonly string[]): Promise<Record<TaskPolicy, TaskRun>> {
    for (const host of hosts) await this.work(host)
    for (const policy of POLICIES) await this.#at('h1').tasks.submit({ id: policy, spec: {}, policy, near: site })
    await eventually('one of each runs', () => this.#runs.length === POLICIES.length)
    const elsewhere = this.#runs.find(({ host }) => !hosts.includes(host))
    if (elsewhere) throw new Error(`${elsewhere.task} runs at ${elsewhere.host}`)
    return Object.fromEntries(this.#runs.map((run) => [run.task, run])) as Record<TaskPolicy, TaskRun>
  }

  /** A worker beside that node, which whoever grants knows of then. */
  async work(host: string): Promise<void> {
    const { tasks } = this.#at(host)
    const handler = ({ id }: { id: string }, { token, signal }: { token: number; signal: AbortSignal }): Promise<void> =>
      new Promise((_, reject) => {
        const run: TaskRun = { host, task: id, token, beganAt: performance.now() }
        this.#runs.push(run)
        signal.addEventListener('abort', () => {
          run.endedAt = performance.now()
          reject(signal.reason as Error)
        })
      })
    this.#workers.push(tasks.work('', handler, { slots: 10, signal: this.#end.signal }))
    await eventually(`the worker of ${host} is known`, async () =>
      (await this.#at('h1').collection('task-workers').list()).items.some(({ key }) => key === host),
    )
  }

  of(task: string): TaskRun[] {
    return this.#runs.filter((run) => run.task === task)
  }

  running(task: string): TaskRun[] {
    return this.of(task).filter(({ endedAt }) => endedAt === undefined)
  }

  /**
   * What should not have been: a token that is not higher than the one before, unless its node was restarted and has the same grant;
   * two that ran it at once, unless that is the policy.
   */
  faults(): string[] {
    return POLICIES.flatMap((task) => {
      const runs = this.of(task).toSorted((a, b) => a.beganAt - b.beganAt)
      return runs.slice(1).flatMap((run, index) => {
        const before = runs[index] as TaskRun
        const both = `${task} at ${before.host} under ${before.token}, then at ${run.host} under ${run.token}`
        const isDouble = task !== 'at-least-one' && (before.endedAt ?? Infinity) >= run.beganAt
        const isNewer = run.token > before.token || (run.token === before.token && run.host === before.host)
        return [...(isNewer ? [] : [`${both}: not higher`]), ...(isDouble ? [`${both}: at once`] : [])]
      })
    })
  }

  async end(): Promise<void> {
    this.#end.abort()
    await Promise.all(this.#workers)
  }
}
