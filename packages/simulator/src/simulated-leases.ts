/**
 * An engine that grants leases outside of all hubs, as etcd does: linearizable, with delay, and not always to be reached.
 * What is asked of it may be done although no answer comes back; a lease that is not renewed for 17 s is gone, but for who had it.
 */
import { LEASE_TIMES, type Random } from '@causeway/protocol'
import type { LeaseAnswer, LeaseCall, LeaseState } from '@causeway/node'
import type { SimulatedMachine, World } from './world.ts'

interface Register {
  readonly holder: string
  readonly token: number
  until: number
}

const CREATE = 'create/'
const CREATE_MS = 3_600_000
const DELAY_MS = { least: 1, spread: 30 } as const

export class SimulatedLeases<M extends SimulatedMachine> {
  /** Hubs that cannot reach the engine. */
  readonly unreachable: Set<string> = new Set()
  /** Calls whose way there or back was lost. */
  lost = 0
  readonly #world: World<M>
  readonly #random: Random
  readonly #registers = new Map<string, Register>()
  /** The last grant of each task. */
  readonly #last = new Map<string, Pick<Register, 'holder' | 'token'>>()
  readonly #claims = new Map<string, { readonly holder: string; readonly token: number }>()
  #revision = 0

  constructor(world: World<M>, random: Random) {
    this.#world = world
    this.#random = random
    world.watch((node, effect) => {
      if (effect.type !== 'leaseCall') return
      const { request, call } = effect
      const life = node.incarnation
      this.#later(node.name, () => {
        const answer = this.#answer(call)
        this.#later(node.name, () => {
          if (node.alive && node.incarnation === life) world.request(node.name, { type: 'leaseAnswer', request, answer })
        })
      })
    })
  }

  #later(hub: string, then: () => void): void {
    this.#world.timeline.after(DELAY_MS.least + this.#random.float() * DELAY_MS.spread, () => {
      if (this.unreachable.has(hub)) this.lost++
      else then()
    })
  }

  #answer(call: LeaseCall): LeaseAnswer {
    for (const [task, { until }] of this.#registers) if (until <= this.#world.now) this.#registers.delete(task)
    switch (call.op) {
      case 'grant': {
        const register = this.#registers.get(call.task)
        const as = call.expected === null ? !register : register?.token === call.expected
        const last = this.#last.get(call.task)
        if (as && last && call.seen !== undefined && last.token > call.seen)
          return { ok: false, leases: [{ task: call.task, ...last, free: true }] }
        if (!as) return { ok: false, leases: register ? [stateOf(call.task, register)] : [] }
        const granted = { holder: call.holder, token: ++this.#revision, until: this.#until(call.task) }
        this.#registers.set(call.task, granted)
        if (call.seen !== undefined) this.#last.set(call.task, { holder: call.holder, token: granted.token })
        return { ok: true, leases: [stateOf(call.task, granted)] }
      }
      case 'renew': {
        const held = call.leases.flatMap(({ task, token }) => {
          const register = this.#registers.get(task)
          if (register?.token !== token || register.holder !== call.holder) return []
          register.until = this.#until()
          return [stateOf(task, register)]
        })
        return { ok: true, leases: held }
      }
      case 'release':
        if (this.#registers.get(call.task)?.token === call.token) this.#registers.delete(call.task)
        return { ok: true, leases: [] }
      case 'claim': {
        const { name, expected, value } = call
        const there = this.#claims.get(name)
        const ok = (there?.token ?? null) === expected
        if (ok) this.#claims.set(name, { holder: value, token: ++this.#revision })
        const now = this.#claims.get(name)
        return { ok, leases: now ? [{ task: name, ...now, free: false }] : [] }
      }
      case 'list':
        return {
          ok: true,
          leases: [...this.#registers].filter(([task]) => !task.startsWith(CREATE)).map(([task, register]) => stateOf(task, register)),
        }
    }
  }

  /** The right to create a task is not a lease. */
  #until(task = ''): number {
    return this.#world.now + (task.startsWith(CREATE) ? CREATE_MS : LEASE_TIMES.regrantMs)
  }
}

function stateOf(task: string, { holder, token }: Register): LeaseState {
  return { task, holder, token, free: false }
}
