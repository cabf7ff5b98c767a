/**
 * Leases and fencing tokens from etcd, for when one hub is not enough: any hub serves, and a minority of etcd's members
 * may be gone. A register is a key, its token the revision of its last put: etcd hands out none twice, and only higher ones.
 *
 *  1. A register is taken by a transaction that compares: of two hubs at once one wins.
 *  2. Each grant has an etcd lease of its own, of the time after which a task may be granted again, begun anew by each
 *     renewal. So a register is there as long as nobody else may have it, and nobody's clock but etcd's counts.
 *  3. "Still held" is read after the lease has begun anew: it was so at an instant from which the whole lease follows.
 *  4. A grant whose answer was lost, and that is tried again, is recognised by its mark and not made twice.
 *  5. What was granted last is remembered for a day after its lease has run out: a hub that was away meanwhile, and knows of less
 *     than that, is granted nothing. Whoever has the task may go on with it alone.
 *  6. `ok: null` if etcd does not answer: what became of the call is then not known.
 */
import { randomUUID } from 'node:crypto'
import { LEASE_TIMES } from '@causeway/protocol'
import type { LeaseAnswer, LeaseCall, LeaseState } from '@causeway/node'
import { z } from 'zod'
import type { EtcdClient, EtcdCompare, EtcdRegister } from './etcd-client.ts'

type Call<Op extends LeaseCall['op']> = Extract<LeaseCall, { readonly op: Op }>

const TTL_SECONDS = Math.ceil(LEASE_TIMES.regrantMs / 1_000)
/** Where the registers are; only the first have leases of their own, and are listed. */
const LEASES = 'leases/'
const LAST = 'last-grants/'
const CLAIMS = 'claims/'
/** Who creates a task is decided once. When that runs out everybody has seen what was created. */
const ONCE = 'create/'
const ONCE_SECONDS = 3_600
const LAST_SECONDS = 86_400
const SHARED_MS = 600_000
/** etcd takes 128 operations in a transaction unless it is told otherwise. */
const GETS_MAX = 100

const valueSchema = z.object({ holder: z.string(), mark: z.string(), lease: z.string() })

interface Register extends LeaseState {
  readonly mark: string
  readonly lease: string
}

export interface EtcdLeasesOptions {
  readonly client: EtcdClient
  /** So that several networks can share an etcd. */
  readonly network: string
  /** Told when etcd stops answering, with the reason, and when it answers again, with `null`. */
  readonly onHealth?: (fault: string | null) => void
}

export class EtcdLeases {
  readonly #client: EtcdClient
  readonly #root: string
  readonly #onHealth: (fault: string | null) => void
  #healthy = true
  /** By how many seconds they last. */
  readonly #shared = new Map<number, { readonly lease: Promise<string>; readonly at: number }>()

  constructor({ client, network, onHealth }: EtcdLeasesOptions) {
    this.#client = client
    this.#root = `/causeway/${network}/`
    this.#onHealth = onHealth ?? (() => {})
  }

  async answer(call: LeaseCall): Promise<LeaseAnswer> {
    try {
      const answer = await this.#answer(call)
      this.#health(null)
      return answer
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#health(reason)
      return { ok: null, error: reason }
    }
  }

  #answer(call: LeaseCall): Promise<LeaseAnswer> {
    switch (call.op) {
      case 'grant':
        return this.#grant(call)
      case 'renew':
        return this.#renew(call)
      case 'release':
        return this.#release(call)
      case 'claim':
        return this.#claim(call)
      case 'list':
        return this.#list()
    }
  }

  async #grant({ task, holder, expected, seen }: Call<'grant'>): Promise<LeaseAnswer> {
    const [key, last] = [this.#keyOf(task), this.#root + LAST + task]
    const mark = randomUUID()
    const lease = await (task.startsWith(ONCE) ? this.#sharedLease(ONCE_SECONDS) : this.#client.grantLease(TTL_SECONDS))
    const value = JSON.stringify({ holder, mark, lease })
    const compare: EtcdCompare[] = [expected === null ? { key, absent: true } : { key, revision: expected }]
    const puts = [{ put: key, value, lease }]
    if (seen !== undefined) {
      compare.push({ key: last, revisionMax: seen })
      puts.push({ put: last, value, lease: await this.#sharedLease(LAST_SECONDS) })
    }
    const result = await this.#client.txn(compare, puts, [{ get: key }, { get: last }])
    if (result.succeeded) return { ok: true, leases: [{ task, holder, token: result.revision, free: false }] }
    const there = this.#registers(result.registers)
    return { ok: there[0]?.mark === mark, leases: there.slice(0, 1).map(stateOf) }
  }

  async #renew({ holder, leases }: Call<'renew'>): Promise<LeaseAnswer> {
    const tokens = new Map(leases.map(({ task, token }) => [task, token]))
    const isHeld = (register: Register): boolean => register.holder === holder && tokens.get(register.task) === register.token
    const before = (await this.#read([...tokens.keys()])).filter(isHeld)
    const alive = await this.#client.keepAlive(before.map(({ lease }) => lease))
    const after = await this.#read(before.map(({ task }) => task))
    return { ok: true, leases: after.filter((register) => isHeld(register) && alive.has(register.lease)).map(stateOf) }
  }

  async #release({ task, token }: Call<'release'>): Promise<LeaseAnswer> {
    const key = this.#keyOf(task)
    const result = await this.#client.txn([{ key, revision: token }], [{ delete: key }], [{ get: key }])
    const there = result.succeeded ? [] : this.#registers(result.registers)
    return { ok: there.length === 0, leases: there.map(stateOf) }
  }

  async #claim({ name, expected, value }: Call<'claim'>): Promise<LeaseAnswer> {
    const key = this.#root + CLAIMS + name
    const mark = randomUUID()
    const compare = expected === null ? { key, absent: true as const } : { key, revision: expected }
    const put = JSON.stringify({ holder: value, mark, lease: '0' })
    const result = await this.#client.txn([compare], [{ put: key, value: put, lease: '0' }], [{ get: key }])
    if (result.succeeded) return { ok: true, leases: [{ task: name, holder: value, token: result.revision, free: false }] }
    const [there] = this.#registers(result.registers)
    return { ok: there?.mark === mark, leases: there ? [stateOf(there)] : [] }
  }

  async #list(): Promise<LeaseAnswer> {
    return { ok: true, leases: this.#registers(await this.#client.list(this.#root + LEASES)).map(stateOf) }
  }

  async #read(tasks: readonly string[]): Promise<readonly Register[]> {
    const registers: Register[] = []
    for (let at = 0; at < tasks.length; at += GETS_MAX) {
      const gets = tasks.slice(at, at + GETS_MAX).map((task) => ({ get: this.#keyOf(task) }))
      registers.push(...this.#registers((await this.#client.txn([], gets, [])).registers))
    }
    return registers
  }

  #registers(found: readonly EtcdRegister[]): readonly Register[] {
    return found.map(({ key, value, revision }) => {
      const { holder, mark, lease } = valueSchema.parse(JSON.parse(value))
      const path = key.slice(this.#root.length)
      const task = path.startsWith(ONCE) ? path : path.slice(path.indexOf('/') + 1)
      return { task, holder, token: revision, free: path.startsWith(LAST), mark, lease }
    })
  }

  #keyOf(task: string): string {
    return this.#root + (task.startsWith(ONCE) ? task : LEASES + task)
  }

  /** One lease serves many registers: it is never renewed, and each has at least most of it before it. */
  #sharedLease(seconds: number): Promise<string> {
    const now = performance.now()
    const known = this.#shared.get(seconds)
    if (known && now - known.at <= SHARED_MS) return known.lease
    const lease = this.#client.grantLease(seconds)
    this.#shared.set(seconds, { lease, at: now })
    lease.catch(() => this.#shared.delete(seconds))
    return lease
  }

  #health(fault: string | null): void {
    if (this.#healthy === (fault === null)) return
    this.#healthy = fault === null
    this.#onHealth(fault)
  }
}

function stateOf({ task, holder, token, free }: Register): LeaseState {
  return { task, holder, token, free }
}
