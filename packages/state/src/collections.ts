/**
 * Collections for a program that has a replica of its own and no daemon: reads, writes that answer when they are durable,
 * and watches, all by callbacks. Whoever drives the replica gives it what `submit` says, and carries out what `take` leaves of
 * its effects; see the example in index.ts.
 *
 *  1. A write is answered once, when readers and watches have been told.
 *  2. Callbacks come from `take`, `wake` and `watch`, and must not throw.
 */
import { type HistoryView, type Instant, type Random, type RecordView, type WatchEvent, invariant } from '@causeway/protocol'
import type { JournalLimits } from './journal.ts'
import type { PageQuery, RecordPage } from './record-page.ts'
import type {
  ChangeEffect,
  Durability,
  ReplicaEffect,
  SharedWriteInput,
  WriteChange,
  WriteInput,
  WriteOperation,
  WriteOutcome,
  WrittenEffect,
} from './replica-contract.ts'
import { parseSelector } from './selector.ts'
import type { SharedDocuments } from './shared-documents.ts'
import { Watches, type WatchedReplica } from './watches.ts'

export interface CollectionsParts {
  readonly replica: WatchedReplica & {
    get(collection: string, partition: string, key: string): RecordView | undefined
    readonly shared: Pick<SharedDocuments, 'client' | 'state'>
  }
  /** Hands an input to the replica, and its effects to `take`; at once or later. */
  readonly submit: (input: WriteInput | SharedWriteInput) => void
  readonly random: Random
  readonly now: Instant
  /** Wall clock minus monotonic instant, milliseconds. */
  readonly wallOffsetMs: number
  readonly journal?: JournalLimits
}

/**
 * One session of an application with a shared document. Its Y.Doc takes `clientId` before anything is edited, then `state`; gives
 * each of its own updates to `write`, and applies those that `follow` tells of. Yjs makes nothing of an update that it has.
 */
export interface SharedDocument {
  readonly clientId: number
  /** All of it, as one Yjs update. To be asked for before `follow` tells anything. */
  state(): Uint8Array
  write(update: Uint8Array, done: Done): void
  /** Returns how to end it. */
  follow(listener: (update: Uint8Array) => void): () => void
}

export interface RecordPlace {
  readonly collection: string
  readonly partition: string
  readonly key: string
}

export interface WriteConditions {
  /** Write only if this is the revision here now. */
  readonly revision?: string
  /** @default 'local' */
  readonly durability?: Durability
}

type Patch = Extract<WriteOperation, { type: 'patch' }>
type Put = Extract<WriteOperation, { type: 'put' | 'create' | 'update' }>
type Done = (outcome: WriteOutcome) => void

/** A list or a watch, its selector as text: `a=b, c!=d, e in (x,y), !f`. */
type Selected<Query> = Omit<Query, 'selector'> & { readonly selector?: string }
type WatchOptions = Selected<{ readonly collection: string; readonly partition?: string; readonly since?: string }>

export class Collections {
  readonly #parts: CollectionsParts
  readonly #watches: Watches
  readonly #writes = new Map<number, Done>()
  readonly #shared = new Map<string, Set<(update: Uint8Array) => void>>()
  #wallOffsetMs: number
  #request = 0
  #now: Instant

  constructor(parts: CollectionsParts) {
    const { replica, random, now, wallOffsetMs, journal } = parts
    this.#parts = parts
    this.#wallOffsetMs = wallOffsetMs
    this.#now = now
    this.#watches = new Watches(replica, random, now, now + wallOffsetMs, journal)
  }

  get({ collection, partition, key }: RecordPlace): RecordView | undefined {
    return this.#parts.replica.get(collection, partition, key)
  }

  /** Throws `usage`. */
  list(query: Selected<PageQuery>): RecordPage {
    return this.#watches.page(withSelector(query))
  }

  put(place: RecordPlace, value: unknown, done: Done, options: WriteConditions & Pick<Put, 'labels' | 'ttlMs'> = {}): void {
    this.#change(place, putOperation('put', value, options), options, done)
  }

  /** Answers `conflict` if the record exists here. */
  create(place: RecordPlace, value: unknown, done: Done, options: WriteConditions & Pick<Put, 'labels' | 'ttlMs'> = {}): void {
    this.#change(place, putOperation('create', value, options), options, done)
  }

  /** Answers `not-found` if it does not. */
  update(place: RecordPlace, value: unknown, done: Done, options: WriteConditions & Pick<Put, 'labels' | 'ttlMs'> = {}): void {
    this.#change(place, putOperation('update', value, options), options, done)
  }

  /** Changes some fields; `null` removes one. */
  patch(place: RecordPlace, fields: Patch['value'], done: Done, options: WriteConditions & Pick<Patch, 'labels'> = {}): void {
    const { labels } = options
    this.#change(place, { type: 'patch', value: fields, ...(labels && { labels }) }, options, done)
  }

  delete(place: RecordPlace, done: Done, options: WriteConditions = {}): void {
    this.#change(place, { type: 'delete' }, options, done)
  }

  /** Several changes of one partition: all or none. */
  write(collection: string, partition: string, changes: readonly WriteChange[], done: Done, durability: Durability = 'local'): void {
    const request = ++this.#request
    this.#writes.set(request, done)
    this.#parts.submit({ type: 'write', request, collection, partition, changes, durability })
  }

  /**
   * Tells what is there (ADDED) and a BOOKMARK before it returns, then every change; ends when what it returns is called.
   * Throws `usage`, or `gone` if nothing is known any more of what came after `since`.
   */
  watch({ selector, ...rest }: WatchOptions, listener: (event: WatchEvent) => void): () => void {
    const { initial, close } = this.#watches.open(
      this.#now,
      withSelector({ ...rest, ...(selector !== undefined && { selector }) }),
      listener,
    )
    for (const event of initial) listener(event)
    return close
  }

  /** What has lately been seen of a record, oldest first. */
  history({ collection, partition, key }: RecordPlace): HistoryView {
    return this.#watches.history(collection, partition, key)
  }

  /** At least what the token of a write names is shown here: who reads now reads that write. Throws `usage`. */
  covers(token: string): boolean {
    return this.#watches.covers(token)
  }

  /** An application's own Y.Doc, replicated as `documents/NAME`: see `SharedDocument`. */
  sharedDocument(name: string): SharedDocument {
    const { replica, submit } = this.#parts
    const listeners = this.#shared.get(name) ?? new Set()
    this.#shared.set(name, listeners)
    return {
      clientId: replica.shared.client(),
      state: () => replica.shared.state(name),
      write: (update, done) => {
        const request = ++this.#request
        this.#writes.set(request, done)
        submit({ type: 'writeShared', request, name, update })
      },
      follow: (listener) => {
        listeners.add(listener)
        return () => void listeners.delete(listener)
      },
    }
  }

  /** Takes what readers and writers wait for, and returns the rest: disk, sessions, reports. */
  take(now: Instant, effects: readonly ReplicaEffect[]): ReplicaEffect[] {
    this.#now = now
    const wallMs = now + this.#wallOffsetMs
    let changes: ChangeEffect[] = []
    for (const effect of effects) {
      if (effect.type === 'change') changes.push(effect)
      if (effect.type === 'shared') for (const listener of this.#shared.get(effect.name) ?? []) listener(effect.update)
      if (effect.type !== 'unsynced') continue
      this.#watches.changed(now, wallMs, changes)
      this.#watches.unsynced(now, wallMs, effect.collection, effect.partition)
      changes = []
    }
    this.#watches.changed(now, wallMs, changes)
    for (const effect of effects) if (effect.type === 'written') this.#written(effect)
    return effects.filter(({ type }) => type !== 'change' && type !== 'unsynced' && type !== 'shared' && type !== 'written')
  }

  /** The wall clock has been set. */
  wall(offsetMs: number): void {
    this.#wallOffsetMs = offsetMs
  }

  nextWake(): Instant | undefined {
    return this.#watches.nextWake()
  }

  wake(now: Instant): void {
    this.#now = now
    this.#watches.wake(now)
  }

  #change({ collection, partition, key }: RecordPlace, operation: WriteOperation, options: WriteConditions, done: Done): void {
    const { revision, durability } = options
    this.write(collection, partition, [{ key, operation, ...(revision !== undefined && { revision }) }], done, durability)
  }

  #written({ request, result }: WrittenEffect): void {
    const done = this.#writes.get(request)
    invariant(done !== undefined, `nobody waits for write ${request}, or it was answered before`)
    this.#writes.delete(request)
    done(result)
  }
}

function putOperation(type: Put['type'], value: unknown, { labels, ttlMs }: Pick<Put, 'labels' | 'ttlMs'>): Put {
  return { type, value, ...(labels && { labels }), ...(ttlMs !== undefined && { ttlMs }) }
}

function withSelector<Query extends { readonly selector?: string }>({
  selector,
  ...query
}: Query): Omit<Query, 'selector'> & { selector?: ReturnType<typeof parseSelector> } {
  return selector === undefined ? query : { ...query, selector: parseSelector(selector) }
}
