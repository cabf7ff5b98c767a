/**
 * The records of a node behind the local API: reads are plain calls to its replica; watches, their journal and bookmarks are
 * `Watches`, which this feeds with changes and wakes; writes go through the driver of the machine.
 */
import {
  type BatchResult,
  CausewayError,
  type HistoryView,
  type Instant,
  LIMITS,
  type RecordView,
  type WatchEvent,
} from '@causeway/protocol'
import {
  type ChangeEffect,
  type JournalLimits,
  type OpenWatch,
  type PageQuery,
  type RecordPage,
  type UnsyncedEffect,
  type WatchedReplica,
  type WatchQuery,
  Watches,
  type WriteInput,
  type WrittenEffect,
} from '@causeway/state'
import { setTimeout as wait } from 'node:timers/promises'
import type { Freshness, RecordAddress, RecordBackend, RecordsWrite } from './api-backend.ts'
import { SystemRandom } from './system-random.ts'

/** What records need of whoever drives the replica. */
export interface ReplicaDriver {
  readonly replica: WatchedReplica & {
    get(collection: string, partition: string, key: string): RecordView | undefined
    wants(collection: string, partition: string): boolean
  }
  now(): Instant
  /** No hub can be reached from this site. */
  cutOff(): boolean
  onChange(listener: (change: ChangeEffect) => void): () => void
  onUnsynced(listener: (left: UnsyncedEffect) => void): () => void
  write(write: Omit<WriteInput, 'type' | 'request'> & { readonly strict?: boolean }): Promise<WrittenEffect>
}

const LOOK_MS = 1_000
const SETTLE_MS_MAX = 2_000
const SETTLE_LOOK_MS = 10
/** A write that should become more durable than this node's disk is given so long. */
const DURABLE_MS_MAX = 10_000

export class NodeRecords implements RecordBackend {
  readonly site: string
  readonly #driver: ReplicaDriver
  readonly #watches: Watches
  readonly #looking: NodeJS.Timeout
  readonly #unfollow: readonly (() => void)[]
  #asOf: number | null = null
  #cutOff = true

  constructor(site: string, driver: ReplicaDriver, limits: JournalLimits = LIMITS) {
    this.site = site
    this.#driver = driver
    this.#watches = new Watches(driver.replica, new SystemRandom(), driver.now(), Date.now(), limits)
    this.#unfollow = [
      driver.onChange((change) => this.#watches.changed(driver.now(), Date.now(), [change])),
      driver.onUnsynced(({ collection, partition }) => this.#watches.unsynced(driver.now(), Date.now(), collection, partition)),
    ]
    this.#looking = setInterval(() => this.#look(), LOOK_MS)
    this.#looking.unref()
  }

  close(): void {
    clearInterval(this.#looking)
    for (const end of this.#unfollow) end()
  }

  /** How many watches are open. */
  get watches(): number {
    return this.#watches.count
  }

  freshness(): Freshness {
    this.#lookAround()
    return { asOf: this.#asOf, cutOff: this.#cutOff }
  }

  complete(): boolean {
    return this.#driver.replica.complete()
  }

  get({ collection, partition, key }: RecordAddress): RecordView | undefined {
    return this.#driver.replica.get(collection, partition, key)
  }

  page(query: PageQuery): RecordPage {
    return this.#watches.page(query)
  }

  history({ collection, partition, key }: RecordAddress): HistoryView {
    return this.#watches.history(collection, partition, key)
  }

  async settle(token: string): Promise<void> {
    for (const until = performance.now() + SETTLE_MS_MAX; !this.#watches.covers(token); await wait(SETTLE_LOOK_MS)) {
      if (performance.now() < until) continue
      const message = `what the token names has not arrived here within ${SETTLE_MS_MAX / 1000} s`
      throw new CausewayError('timeout', message, 'ask again; or without the token, for what is here')
    }
  }

  watch(query: WatchQuery, listener: (event: WatchEvent) => void): OpenWatch {
    return this.#watches.open(this.#driver.now(), query, listener)
  }

  async write({ collection, partition, changes, durability, strict }: RecordsWrite): Promise<BatchResult> {
    const writing = this.#driver.write({ collection, partition, changes, durability, strict })
    const { result } = durability === 'local' ? await writing : await within(DURABLE_MS_MAX, writing, durability)
    if (!result.ok) throw new CausewayError(result.code, result.message, result.remedy)
    await this.#arrival(collection, partition, result.token)
    return { partition: result.partition, items: result.items, token: result.token }
  }

  /** A strict write was made elsewhere: who reads here next, to write again, should read what it has made. */
  async #arrival(collection: string, partition: string, token: string): Promise<void> {
    if (this.#watches.covers(token) || !this.#driver.replica.wants(collection, partition)) return
    // It is done, whether we have seen it or not.
    await this.settle(token).catch(() => {})
  }

  #look(): void {
    this.#lookAround()
    this.#watches.wake(this.#driver.now())
  }

  #lookAround(): void {
    this.#cutOff = this.#driver.cutOff()
    if (!this.#cutOff) this.#asOf = Date.now()
  }
}

async function within<Result>(ms: number, done: Promise<Result>, durability: string): Promise<Result> {
  const patience = new AbortController()
  const late = wait(ms, undefined, { signal: patience.signal }).then((): never => {
    const message = `the write is done here and will spread, but within ${ms / 1000} s nobody has confirmed durability ${durability}`
    throw new CausewayError('timeout', message, 'read the record before you write it again; see "causeway status" for pending state')
  })
  try {
    return await Promise.race([done, late])
  } finally {
    patience.abort()
  }
}
