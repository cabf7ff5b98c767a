/**
 * Tells when etcd has lost what it knew: it was restored from an older copy, or is a new one in place of the old. Its revisions,
 * of which tokens are made, are lower then, and it may know leases no more that it has given.
 *
 *     token = base + revision          base: of the *era*, in a register of etcd; 0 at first
 *
 *  1. What etcd answers counts only if it is not below any token that was heard of before it was asked, and the register of the
 *     era is as it was. Who finds it below, or the register gone, begins a new era, whose base is above all tokens before it.
 *  2. A new era begins with a pause, as long as a lease: nobody knows who holds what. Nothing is granted in it, and nothing is
 *     taken for free; who renews what was granted before gets it back.
 *  3. Nothing is granted but in the era that the asking hub knows of, outside of a pause.
 */
import { LEASE_TIMES } from '@causeway/protocol'
import { z } from 'zod'
import type { EtcdClient, EtcdCompare, EtcdOperation, EtcdRegister, EtcdTxnResult } from './etcd-client.ts'

const PAUSE_SECONDS = Math.ceil(LEASE_TIMES.regrantMs / 1_000)
/** More revisions than an etcd will ever have: 1,000 a second for 35 years. There can be 8,192 eras. */
const ERA_TOKENS = 2 ** 40
const LOST = `etcd has lost what it knew: nothing is granted for ${PAUSE_SECONDS} s, what runs goes on`

const eraSchema = z.object({ base: z.number().int().nonnegative() })

export interface Era {
  readonly base: number
  /** The revision of its register. */
  readonly since: number
}

interface Question {
  readonly compare: readonly EtcdCompare[]
  readonly success: readonly EtcdOperation[]
  readonly failure: readonly EtcdOperation[]
}

export class EtcdEras {
  readonly #client: EtcdClient
  readonly #eraKey: string
  readonly #pauseKey: string
  #era: Era | undefined
  #isPaused = false
  /** No token that etcd has given, as far as its answers show, is above this. */
  #highest = 0

  /** `root`: what all its keys begin with. */
  constructor(client: EtcdClient, root: string) {
    this.#client = client
    this.#eraKey = `${root}era`
    this.#pauseKey = `${root}pause`
  }

  /** Why nothing is granted, as last heard; `null`: it is. */
  get fault(): string | null {
    return this.#isPaused ? LOST : null
  }

  /** It is still so while this comparison holds: nobody has been granted anything since etcd has lost what it knew. */
  get pause(): EtcdCompare {
    return { key: this.#pauseKey, present: true }
  }

  /** The era as last heard. Throws in a pause. */
  async open(): Promise<Era> {
    const era = this.#era && !this.#isPaused ? this.#era : await this.survey(0)
    if (this.#isPaused) throw new Error(LOST)
    return era
  }

  /** A transaction in the era that is open. `known`: the highest token of what it is about. Throws if that era is no more. */
  async txn(era: Era, known: number, { compare, success, failure }: Question): Promise<EtcdTxnResult> {
    const heard = Math.max(known, this.#highest)
    const guards: EtcdCompare[] = [
      { key: this.#eraKey, revision: era.since },
      { key: this.#pauseKey, absent: true },
    ]
    const result = await this.#client.txn([...compare, ...guards], success, [...failure, ...this.#gets()])
    const { isPaused, since } = this.#split(result.registers)
    const isOpen = result.succeeded || (since === era.since && !isPaused)
    if (isOpen && this.#hear(era, result.revision, heard)) return this.#without(result)
    await this.survey(heard)
    throw new Error(LOST)
  }

  /** Looks at registers, also in a pause. Throws if a new era has begun. */
  async read(known: number, keys: readonly string[]): Promise<readonly EtcdRegister[]> {
    const before = this.#era ?? (await this.survey(0))
    const heard = Math.max(known, this.#highest)
    const result = await this.#client.txn([], [...keys.map((get) => ({ get })), ...this.#gets()], [])
    const { isPaused, since } = this.#split(result.registers)
    if (since !== before.since || !this.#hear(before, result.revision, heard)) {
      await this.survey(heard)
      throw new Error(LOST)
    }
    if (this.#era === before) this.#isPaused = isPaused
    return this.#without(result).registers
  }

  /** Asks for the era, and begins one if there is none, or if etcd does not know as much as has been heard of. */
  async survey(known: number): Promise<Era> {
    for (;;) {
      const heard = Math.max(known, this.#highest)
      const { revision, registers } = await this.#client.txn([], this.#gets(), [])
      const { isPaused, since, base } = this.#split(registers)
      const isGone = since === undefined && this.#era !== undefined
      const era = { base, since: since ?? 0 }
      if (since !== undefined && this.#hear(era, revision, heard)) {
        this.#era = era
        this.#isPaused = isPaused
        return era
      }
      await this.#begin(since, isGone || base + revision < heard ? heard : undefined)
    }
  }

  /** `heard`: etcd has lost what it knew. If another hub is faster, that is as well. */
  async #begin(since: number | undefined, heard: number | undefined): Promise<void> {
    const base = heard === undefined ? 0 : (Math.floor(heard / ERA_TOKENS) + 1) * ERA_TOKENS
    if (base + ERA_TOKENS > Number.MAX_SAFE_INTEGER) throw new Error(`no token can be above ${heard}: start with a new network`)
    const pause = heard === undefined ? [] : [{ put: this.#pauseKey, value: '', lease: await this.#client.grantLease(PAUSE_SECONDS) }]
    const as: EtcdCompare = since === undefined ? { key: this.#eraKey, absent: true } : { key: this.#eraKey, revision: since }
    await this.#client.txn([as], [{ put: this.#eraKey, value: JSON.stringify({ base }), lease: '0' }, ...pause], [])
  }

  /** Whether etcd knows as much as was heard of before it was asked. */
  #hear({ base }: Era, revision: number, heard: number): boolean {
    if (base + revision < heard) return false
    this.#highest = Math.max(this.#highest, base + revision)
    return true
  }

  #gets(): readonly EtcdOperation[] {
    return [{ get: this.#eraKey }, { get: this.#pauseKey }]
  }

  #split(registers: readonly EtcdRegister[]): { readonly isPaused: boolean; readonly since: number | undefined; readonly base: number } {
    const register = registers.find(({ key }) => key === this.#eraKey)
    return {
      isPaused: registers.some(({ key }) => key === this.#pauseKey),
      since: register?.revision,
      base: register ? eraSchema.parse(JSON.parse(register.value)).base : 0,
    }
  }

  #without(result: EtcdTxnResult): EtcdTxnResult {
    return { ...result, registers: result.registers.filter(({ key }) => key !== this.#eraKey && key !== this.#pauseKey) }
  }
}
