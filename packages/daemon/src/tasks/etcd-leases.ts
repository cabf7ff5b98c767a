/**
 * The lease engine of many hubs: registers in etcd, each with a lease of etcd of its own, so that it is gone 17 s after it was
 * last renewed. The token of a grant is the revision of the transaction that made it, above the base of its era (see `EtcdEras`).
 *
 *  1. Tokens of a register only grow, since revisions do, and eras go on from each other.
 *  2. A register's lease is renewed at etcd after the node has asked, and the node counts its own time from the start of the last
 *     renewal. So a register is there as long as nobody else may have it, and nobody's clock but etcd's counts.
 *  3. "Still held" is read after the lease has begun anew: it was so at an instant from which the whole lease follows.
 *  4. A grant whose answer was lost, and that is tried again, is recognised by its mark and not made twice.
 *  5. What was granted last is remembered for a day after its lease has run out: a hub that was away meanwhile, and knows of less
 *     than that, is granted nothing. Whoever has the task may go on with it alone.
 *  6. What etcd has lost, who renews it soon has again, under its token.
 *  7. `ok: null` if etcd does not answer, or its answer does not count: what became of the call is then not known.
 */
import { randomUUID } from 'node:crypto'
import { LEASE_TIMES } from '@causeway/protocol'
import type { LeaseAnswer, LeaseCall, LeaseState } from '@causeway/node'
import { z } from 'zod'
import type { EtcdClient, EtcdCompare, EtcdOperation, EtcdRegister } from './etcd-client.ts'
import { type Era, EtcdEras } from './etcd-eras.ts'

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

/** `token`: of one that was granted in an earlier era, and put back; else it follows from `base` and the revision. */
const valueSchema = z.object({
  holder: z.string(),
  mark: z.string(),
  lease: z.string(),
  base: z.number().default(0),
  token: z.number().optional(),
})

interface Register extends LeaseState {
  readonly mark: string
  readonly lease: string
  readonly revision: number
}

export interface EtcdLeasesOptions {
  readonly client: EtcdClient
  /** Name of the network; its registers are apart from those of others on the same etcd. */
  readonly network: string
  /** Told when etcd stops answering, with the reason, and when it answers again, with `null`. */
  readonly onHealth?: (fault: string | null) => void
}

export class EtcdLeases {
  readonly #client: EtcdClient
  readonly #eras: EtcdEras
  readonly #root: string
  readonly #onHealth: (fault: string | null) => void
  #healthy = true
  /** By how many seconds they last. */
  readonly #shared = new Map<number, { readonly lease: Promise<string>; readonly at: number }>()

  constructor({ client, network, onHealth }: EtcdLeasesOptions) {
    this.#client = client
    this.#root = `/causeway/${network}/`
    this.#eras = new EtcdEras(client, this.#root)
    this.#onHealth = onHealth ?? (() => {})
  }

  async answer(call: LeaseCall): Promise<LeaseAnswer> {
    try {
      const answer = await this.#answer(call)
      this.#health(this.#eras.fault)
      return answer
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      // A lease that etcd has forgotten may be the reason.
      this.#shared.clear()
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
    const era = await this.#eras.open()
    const key = this.#keyOf(task)
    const last = this.#root + LAST + task
    const mark = randomUUID()
    const lease = await (task.startsWith(ONCE) ? this.#sharedLease(ONCE_SECONDS) : this.#client.grantLease(TTL_SECONDS))
    const value = JSON.stringify({ holder, mark, lease, base: era.base })
    const compare = [expected === null ? { key, absent: true as const } : await this.#as(era, key, expected)]
    const success = [{ put: key, value, lease }]
    if (seen !== undefined) {
      compare.push(await this.#atMost(era, last, seen))
      success.push({ put: last, value, lease: await this.#sharedLease(LAST_SECONDS) })
    }
    const question = { compare, success, failure: [{ get: key }, { get: last }] }
    const result = await this.#eras.txn(era, Math.max(seen ?? 0, expected ?? 0), question)
    if (result.succeeded) return { ok: true, leases: [{ task, holder, token: era.base + result.revision, free: false }] }
    const there = this.#registers(result.registers)
    return { ok: there[0]?.mark === mark, leases: there.slice(0, 1).map(stateOf) }
  }

  async #renew({ holder, leases }: Call<'renew'>): Promise<LeaseAnswer> {
    const tokens = new Map(leases.map(({ task, token }) => [task, token]))
    const isHeld = (register: Register): boolean => register.holder === holder && tokens.get(register.task) === register.token
    const there = await this.#read(tokens)
    const putBack = this.#eras.fault === null ? [] : await this.#putBack(holder, tokens, there)
    const before = there.filter(isHeld)
    const alive = await this.#client.keepAlive(before.map(({ lease }) => lease))
    const after = await this.#read(new Map(before.map(({ task, token }) => [task, token])))
    const held = after.filter((register) => isHeld(register) && alive.has(register.lease))
    return { ok: true, leases: [...held.map(stateOf), ...putBack] }
  }

  /** What the holder was granted before etcd lost it, unless a later grant has been put back already. Only in a pause. */
  async #putBack(holder: string, tokens: ReadonlyMap<string, number>, there: readonly Register[]): Promise<readonly LeaseState[]> {
    const found = new Map(there.map((register) => [register.task, register]))
    const lost = [...tokens].filter(([task, token]) => (found.get(task)?.token ?? 0) < token)
    const states = await Promise.all(
      lost.map(async ([task, token]) => {
        const key = this.#keyOf(task)
        const lease = await this.#client.grantLease(TTL_SECONDS)
        const value = JSON.stringify({ holder, mark: randomUUID(), lease, token })
        const revision = found.get(task)?.revision
        const as: EtcdCompare = revision === undefined ? { key, absent: true } : { key, revision }
        const puts = [
          { put: key, value, lease },
          { put: this.#root + LAST + task, value, lease: await this.#sharedLease(LAST_SECONDS) },
        ]
        const { succeeded } = await this.#client.txn([as, this.#eras.pause], puts, [])
        return succeeded ? [{ task, holder, token, free: false }] : []
      }),
    )
    return states.flat()
  }

  async #release({ task, token }: Call<'release'>): Promise<LeaseAnswer> {
    const key = this.#keyOf(task)
    const as = await this.#as(await this.#eras.open(), key, token)
    const result = await this.#client.txn([as], [{ delete: key }], [{ get: key }])
    const there = result.succeeded ? [] : this.#registers(result.registers)
    return { ok: there.length === 0, leases: there.map(stateOf) }
  }

  /** Claims come and go within seconds, and are known by their revisions alone. */
  async #claim({ name, expected, value }: Call<'claim'>): Promise<LeaseAnswer> {
    const key = this.#root + CLAIMS + name
    const mark = randomUUID()
    const as: EtcdCompare = expected === null ? { key, absent: true } : { key, revision: expected }
    const put: EtcdOperation = { put: key, value: JSON.stringify({ holder: value, mark, lease: '0' }), lease: '0' }
    const result = await this.#eras.txn(await this.#eras.open(), 0, { compare: [as], success: [put], failure: [{ get: key }] })
    if (result.succeeded) return { ok: true, leases: [{ task: name, holder: value, token: result.revision, free: false }] }
    const [there] = this.#registers(result.registers)
    return { ok: there?.mark === mark, leases: there ? [stateOf(there)] : [] }
  }

  async #list(): Promise<LeaseAnswer> {
    const { since } = await this.#eras.open()
    const leases = this.#registers(await this.#client.list(this.#root + LEASES)).map(stateOf)
    // That something is not there counts if etcd knew what it knows all the while.
    await this.#eras.survey(0)
    return (await this.#eras.open()).since === since ? { ok: true, leases } : { ok: null, error: 'etcd has lost what it knew' }
  }

  async #read(tokens: ReadonlyMap<string, number>): Promise<readonly Register[]> {
    const tasks = [...tokens.keys()]
    const known = Math.max(0, ...tokens.values())
    const registers: Register[] = []
    for (let at = 0; at < tasks.length; at += GETS_MAX) {
      const keys = tasks.slice(at, at + GETS_MAX).map((task) => this.#keyOf(task))
      registers.push(...this.#registers(await this.#eras.read(known, keys)))
    }
    return registers
  }

  /** That the register is as the token says. */
  async #as({ base }: Era, key: string, token: number): Promise<EtcdCompare> {
    if (token > base) return { key, revision: token - base }
    const there = await this.#ofEarlierEra(key)
    return { key, revision: there?.token === token ? there.revision : 0 }
  }

  /** That the register is not above the token, or not there. */
  async #atMost({ base }: Era, key: string, token: number): Promise<EtcdCompare> {
    if (token >= base) return { key, revisionMax: token - base }
    const there = await this.#ofEarlierEra(key)
    return { key, revisionMax: there && there.token <= token ? there.revision : 0 }
  }

  /** Of a token that was granted before etcd has lost what it knew, its revision tells nothing. */
  async #ofEarlierEra(key: string): Promise<Register | undefined> {
    const { registers } = await this.#client.txn([], [{ get: key }], [])
    return this.#registers(registers)[0]
  }

  #registers(found: readonly EtcdRegister[]): readonly Register[] {
    return found.map(({ key, value, revision }) => {
      const { holder, mark, lease, base, token = base + revision } = valueSchema.parse(JSON.parse(value))
      const path = key.slice(this.#root.length)
      const task = path.startsWith(ONCE) ? path : path.slice(path.indexOf('/') + 1)
      return { task, holder, token, free: path.startsWith(LAST), mark, lease, revision }
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
