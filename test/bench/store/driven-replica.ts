/** A replica on a real LMDB store and a real clock, and nothing else: no network, no API. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { LmdbStore, createNetwork, issueCredential } from '@causeway/daemon'
import { LIMITS, WAKE, instant } from '@causeway/protocol'
import { Replica, type ReplicaInput, type WriteOutcome } from '@causeway/state'
import { loadCredential } from '../../../packages/daemon/src/credential-file.ts'
import { createNodeCrypto } from '../../../packages/daemon/src/node-crypto.ts'
import { SystemRandom } from '../../../packages/daemon/src/system-random.ts'
import type { Table } from './table.ts'

const COLLECTION = 'tasks'
const SITE = 'hkg-1'

export class DrivenReplica implements Table {
  readonly #replica: Replica
  readonly #store: LmdbStore
  readonly #waiting = new Map<number, (outcome: WriteOutcome) => void>()
  readonly #flushed = Promise.withResolvers<void>()
  #lastRequest = 0
  #timer: NodeJS.Timeout | undefined
  #dueAt = Infinity

  /** Opens what is in the directory, or a new store. */
  static async open(directory: string): Promise<DrivenReplica> {
    const store = await LmdbStore.open({
      dataDir: join(directory, 'data'),
      onPersisted: (ticket) => driven.#handle({ type: 'persisted', ticket }),
      onFailure: (error) => {
        throw error
      },
    })
    const driven: DrivenReplica = new DrivenReplica(directory, store)
    driven.#handle({ type: 'wall', offsetMs: performance.timeOrigin })
    return driven
  }

  /** Makes the credential that a store in this directory will be written with. */
  static prepare(directory: string): void {
    mkdirSync(directory, { recursive: true })
    createNetwork(join(directory, 'net'), 'bench')
    issueCredential(join(directory, 'net'), {
      name: 'writer-1',
      site: SITE,
      region: 'lab',
      role: 'edge',
      out: join(directory, 'writer-1.cred'),
    })
  }

  private constructor(directory: string, store: LmdbStore) {
    this.#store = store
    const { credential, signed, seed, authorityKey } = loadCredential(join(directory, 'writer-1.cred'), Date.now())
    const { name: writer, write } = credential
    const config = { writer, interest: [`*/${SITE}`], write, limits: LIMITS, credential: signed, authorityKey }
    const environment = {
      crypto: createNodeCrypto(seed),
      random: new SystemRandom(),
      now: instant(performance.now()),
      wallOffsetMs: performance.timeOrigin,
    }
    this.#replica = new Replica(config, environment, store.load())
  }

  async put(key: string, value: unknown): Promise<void> {
    const request = ++this.#lastRequest
    const answer = Promise.withResolvers<WriteOutcome>()
    this.#waiting.set(request, answer.resolve)
    const changes = [{ key, operation: { type: 'put', value } }] as const
    this.#handle({ type: 'write', request, collection: COLLECTION, partition: SITE, changes })
    const outcome = await answer.promise
    if (!outcome.ok) throw new Error(outcome.message)
  }

  get(key: string): unknown {
    return this.#replica.get(COLLECTION, SITE, key)?.value
  }

  async close(): Promise<void> {
    this.#handle({ type: 'flush' })
    await this.#flushed.promise
    clearTimeout(this.#timer)
    await this.#store.close()
  }

  #handle(input: ReplicaInput): void {
    const now = instant(performance.now())
    for (const effect of this.#replica.handle(now, input)) {
      if (effect.type === 'persist') this.#store.persist(effect)
      else if (effect.type === 'flushed') this.#flushed.resolve()
      else if (effect.type === 'written') {
        this.#waiting.get(effect.request)?.(effect.result)
        this.#waiting.delete(effect.request)
      }
    }
    this.#wakeAt(this.#replica.nextWake() ?? Infinity)
  }

  #wakeAt(at: number): void {
    if (at === this.#dueAt) return
    clearTimeout(this.#timer)
    this.#dueAt = at
    if (at === Infinity) return
    this.#timer = setTimeout(
      () => {
        this.#dueAt = Infinity
        this.#handle(WAKE)
      },
      Math.max(0, at - performance.now()),
    )
  }
}
