/**
 * What nodes say of the leases that they hold, and what they are answered: held, if the records and the engine say so; lost,
 * if the records say that somebody else has it, or nobody; nothing, if we do not know.
 *
 *  1. `held` is said of a token only if the engine has renewed just that one since the node asked.
 *  2. An end is acknowledged when the records show it: until then the node repeats it.
 *  3. What there is to do is told only of a task whose record is here.
 *  4. Who still ran a task that is granted to somebody else is told to stop, and the overlap is reported.
 */
import type { GrantRecord, Instant, LeaseEnd, LeaseHeld, LeaseLost } from '@causeway/protocol'
import type { Renew, Renewed, TaskParts } from '@causeway/node'
import type { Allocator } from './allocator.ts'
import type { AllocatorSurroundings } from './allocator-surroundings.ts'
import { isGranted } from './ledger.ts'

export class LeaseClerk {
  readonly #of: AllocatorSurroundings
  readonly #allocator: Allocator
  overlaps = 0

  constructor(surroundings: AllocatorSurroundings, allocator: Allocator) {
    this.#of = surroundings
    this.#allocator = allocator
  }

  renew(now: Instant, from: string, { number, leases, ended, wanted }: Renew, done: (now: Instant, answer: Renewed) => void): void {
    for (const end of ended) this.#ended(now, from, end)
    const settled = ended.filter(({ task, token }) => this.#present(from, task, token)?.token !== token).map(({ task }) => task)
    const tasks = wanted.flatMap((id) => this.#of.index.find(id)?.runnable() ?? [])
    const answer = (at: Instant, kept: ReadonlyMap<string, number>): void => {
      const held: LeaseHeld[] = []
      const lost: LeaseLost[] = []
      for (const { task, token: was } of leases) {
        const grant = this.#present(from, task, was)
        if (!grant) this.#lost(at, from, task, was, lost)
        else if (kept.get(task) === grant.token) held.push({ task, was, token: grant.token, phase: grant.phase })
        else if (kept.get(task) === undefined && !this.#again(at, from, task)) lost.push({ task, was, reason: 'its lease has run out' })
      }
      done(at, { type: 'renewed', number, held, lost, ended: settled, tasks })
    }
    // If it was granted anew to the same node, that is what is renewed.
    const renewals = leases.flatMap(({ task, token }) => {
      const grant = this.#present(from, task, token)
      return grant ? [{ task, token: grant.token }] : []
    })
    if (renewals.length === 0) return answer(now, new Map())
    this.#of.engine.call(now, { op: 'renew', holder: from, leases: renewals }, (at, said) => {
      // If nobody knows, the node hears nothing, and asks again.
      if (said.ok !== null) answer(at, new Map(said.leases.flatMap(({ task, token, holder }) => (holder === from ? [[task, token]] : []))))
    })
  }

  /** The grant that the node has of the task, at least as new as the token. */
  #present(node: string, id: string, token: number): GrantRecord | undefined {
    const grant = this.#of.index.find(id)?.grant
    return grant?.node === node && grant.token >= token && isGranted(grant.phase) ? grant : undefined
  }

  /**
   * The records say that the node has it, and the engine has forgotten: nobody else had it since, or the records would say so.
   * False if it cannot have it again.
   */
  #again(now: Instant, node: string, id: string): boolean {
    const parts = this.#of.index.find(id)
    if (!parts?.task || this.#allocator.isBusy(id)) return true
    if (parts.grant?.phase !== 'allocated' || parts.task.value.policy === 'at-most-one') return false
    this.#allocator.grant(now, parts, { node, site: parts.site }, null, 'found again after its lease had run out')
    return true
  }

  #lost(now: Instant, node: string, id: string, was: number, lost: LeaseLost[]): void {
    const parts = this.#of.index.find(id)
    const grant = parts?.grant
    // A token that we have not heard of is not ours to judge.
    if (!parts || !grant || grant.token < was) return
    const elsewhere = isGranted(grant.phase) && grant.node !== node
    lost.push({ task: id, was, reason: elsewhere ? `it is granted to ${grant.node}` : `it is ${grant.phase}: ${grant.reason}` })
    if (elsewhere) this.#overlap(now, node, parts, grant, was)
  }

  #overlap(now: Instant, node: string, parts: TaskParts, grant: GrantRecord, was: number): void {
    const { id } = parts
    const reason = `${node} had it under token ${was} until now, while ${grant.node} has it under ${grant.token}`
    // It is told in more than one way.
    if (this.#allocator.isBusy(id) || grant.conditions.some((condition) => condition.reason === reason)) return
    this.overlaps += 1
    const { host } = this.#of
    host.emit({ type: 'event', name: 'task-overlap', data: { task: id, node, token: was, by: grant.node } })
    const overlap = { type: 'Overlap', status: true, reason, at: host.wallMs(now) }
    this.#allocator.say(now, parts, { conditions: [...grant.conditions.filter(({ type }) => type !== 'Overlap'), overlap] })
  }

  #ended(now: Instant, from: string, { task: id, token, how, reason }: LeaseEnd): void {
    const parts = this.#of.index.find(id)
    const grant = parts && this.#present(from, id, token)
    const other = parts?.grant
    const elsewhere = other && other.token > token && isGranted(other.phase) && other.node !== from
    if (parts && elsewhere && how === 'lost' && parts.task?.value.policy === 'at-least-one') this.#overlap(now, from, parts, other, token)
    if (!parts || grant?.token !== token || this.#allocator.isBusy(id)) return
    this.#allocator.ended(now, parts, grant, how, `${from}: ${reason}`.slice(0, 500))
  }
}
