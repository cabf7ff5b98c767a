/**
 * Watches: what is there, a bookmark, then every change, as etcd and Kubernetes tell them, and where to go on after a break.
 *
 * A token names what a watcher has been told: `POINTS~JOURNAL.POSITION`. At the replica that gave it out, the position leads
 * to the very next change, as long as the journal reaches back. Anywhere else, or later, `points` (of one partition: how much
 * of each writer) tell which records have changed since, and these are told as they are now. Wider tokens have no points.
 *
 *  1. Changes of a record are told in the order in which this replica showed them; none is left out, except after a
 *     resumption by points, when the last one stands for all.
 *  2. A bookmark covers everything told before it, and nothing that is not.
 *  3. What a watch costs does not grow with the records it watches.
 */
import {
  CausewayError,
  type HistoryView,
  type Instant,
  LIMITS,
  type Random,
  type RecordView,
  type WatchEvent,
  after,
} from '@causeway/protocol'
import { Journal, type JournalChange, type JournalEntry, type JournalLimits } from './journal.ts'
import { type PageQuery, type RecordPage, type RecordReader, readPage } from './record-page.ts'
import type { ChangeEffect } from './replica-contract.ts'
import type { Selector } from './selector.ts'

/** What is read of a replica. */
export interface WatchedReplica extends RecordReader {
  /** Every interest has been served. */
  complete(): boolean
  /** Names all that is shown of a partition. */
  partitionToken(collection: string, partition: string): string
  /** At least what the token names is shown. Throws `usage`. */
  covers(token: string): boolean
  /** The records that changed since the token, as they are now; `undefined` if a delete may be missing. Throws `usage`. */
  changedSince(collection: string, partition: string, token: string): readonly Pick<ChangeEffect, 'change' | 'record'>[] | undefined
}

export interface WatchQuery {
  readonly collection: string
  /** @default all that are held */
  readonly partition?: string
  readonly selector?: Selector
  /** A token of a bookmark, a list or a write. */
  readonly since?: string
}

export interface OpenWatch {
  /** What is told first; ends with a bookmark. Changes from now on go to the listener. */
  readonly initial: Iterable<WatchEvent>
  readonly close: () => void
}

interface Watch {
  readonly query: WatchQuery
  readonly listener: (event: WatchEvent) => void
  /** Position of the last change that is part of what was told first. */
  readonly from: number
  told: string
  complete: boolean
  bookmarkAt: Instant
}

interface Token {
  readonly points: string
  /** Of the journal; `undefined` if it is none of ours. */
  readonly position: number | undefined
}

const WATCHES_MAX = 10_000
const BOOKMARK_MS = 10_000
const LOOK_MS = 1_000

export class Watches {
  readonly journal: Journal
  readonly #replica: WatchedReplica
  readonly #open = new Map<string, Set<Watch>>()
  #count = 0
  #now: Instant
  #lookAt: Instant | undefined

  constructor(replica: WatchedReplica, random: Random, now: Instant, wallMs: number, limits: JournalLimits = LIMITS) {
    this.#replica = replica
    this.#now = now
    this.journal = new Journal(limits, random, wallMs)
  }

  get count(): number {
    return this.#count
  }

  /** Names the state as it is shown now: of one partition, or of all (which only this replica understands). */
  token(collection: string, partition?: string): string {
    const points = partition === undefined ? '' : this.#replica.partitionToken(collection, partition)
    return `${points}~${this.journal.id}.${this.journal.end.toString(36)}`
  }

  /** At least what the token names is shown. Throws `usage`, or `gone` for a token that only another replica understands. */
  covers(token: string): boolean {
    const { points, position } = this.#parse(token)
    if (position !== undefined) return true
    if (points === '') throw gone()
    return this.#replica.covers(points)
  }

  page(query: PageQuery): RecordPage {
    return readPage(this.#replica, query, this.token(query.collection, query.partition))
  }

  /** Throws `usage`, or `gone` if the token is too old or of another replica. */
  open(now: Instant, query: WatchQuery, listener: (event: WatchEvent) => void): OpenWatch {
    this.#now = now
    if (this.#count >= WATCHES_MAX) throw new CausewayError('refused', `${WATCHES_MAX} watches are open here`, 'close some of them')
    const { collection, partition, since } = query
    const initial = since === undefined ? this.#present(query) : this.#missed(query, since)
    const token = this.token(collection, partition)
    const complete = this.#replica.complete()
    const watch: Watch = { query, listener, from: this.journal.end, told: token, complete, bookmarkAt: after(now, BOOKMARK_MS) }
    let watches = this.#open.get(collection)
    if (!watches) this.#open.set(collection, (watches = new Set()))
    watches.add(watch)
    this.#count += 1
    this.#lookAt ??= after(now, LOOK_MS)
    return { initial: endingWith(initial, { type: 'BOOKMARK', token, complete }), close: () => this.#close(watch) }
  }

  /** Readers see changes. */
  changed(now: Instant, wallMs: number, effects: readonly ChangeEffect[]): void {
    this.#now = now
    // All are known before any is told: whoever opens a watch when told of one has seen the rest.
    const end = this.journal.end
    for (const { collection, change, record, previous } of effects)
      this.journal.add({ collection, change, record, previous, at: now, wallMs })
    for (const [index, effect] of effects.entries()) {
      for (const { query, listener, from } of this.#open.get(effect.collection) ?? []) {
        const event = from < end + 1 + index ? eventOf(query, effect) : undefined
        if (event) listener(event)
      }
    }
  }

  /** The partition is not held any more. */
  unsynced(now: Instant, wallMs: number, collection: string, partition: string): void {
    this.#now = now
    this.journal.add({ change: 'UNSYNCED', collection, partition, at: now, wallMs })
    for (const { query, listener } of this.#open.get(collection) ?? []) {
      if ((query.partition ?? partition) === partition) listener({ type: 'UNSYNCED', partition })
    }
  }

  /** What has lately been seen of a record, oldest first. */
  history(collection: string, partition: string, key: string): HistoryView {
    const changes = this.journal.history(collection, partition, key)
    const items = changes.map(({ change, record, wallMs }) => ({ type: change, record, at: wallMs }))
    return { key, partition, items, since: this.journal.sinceMs }
  }

  nextWake(): Instant | undefined {
    return this.#lookAt
  }

  /** Bookmarks that are due: when something has changed, and at once when the initial state has become complete. */
  wake(now: Instant): void {
    this.#now = now
    this.journal.trim(now)
    if (this.#lookAt === undefined || this.#lookAt > now) return
    this.#lookAt = this.#count === 0 ? undefined : after(now, LOOK_MS)
    const complete = this.#replica.complete()
    for (const watches of this.#open.values()) for (const watch of watches) this.#bookmark(watch, complete)
  }

  #bookmark(watch: Watch, complete: boolean): void {
    if (watch.bookmarkAt > this.#now && complete === watch.complete) return
    const token = this.token(watch.query.collection, watch.query.partition)
    watch.bookmarkAt = after(this.#now, BOOKMARK_MS)
    if (token === watch.told && complete === watch.complete) return
    watch.told = token
    watch.complete = complete
    watch.listener({ type: 'BOOKMARK', token, complete })
  }

  #close(watch: Watch): void {
    const { collection } = watch.query
    const watches = this.#open.get(collection)
    if (!watches?.delete(watch)) return
    this.#count -= 1
    if (watches.size === 0) this.#open.delete(collection)
  }

  #present({ collection, partition, selector }: WatchQuery): Iterable<WatchEvent> {
    const partitions = partition === undefined ? this.#replica.partitionsOf(collection) : [partition]
    // Taken now, told as the watcher reads.
    return addedEvents(
      partitions.map((name) => this.#replica.list(collection, name)),
      selector,
    )
  }

  #missed(query: WatchQuery, since: string): Iterable<WatchEvent> {
    const { collection, partition, selector } = query
    const { points, position } = this.#parse(since)
    const changes = position === undefined ? undefined : this.journal.after(position)
    if (changes) return missedEvents(query, changes)
    if (points === '') throw gone()
    if (partition === undefined) {
      throw new CausewayError('usage', 'the token is of one partition', 'watch that partition, or list again and watch from there')
    }
    const records = this.#replica.changedSince(collection, partition, points)
    if (!records) throw gone()
    const events = records.map(({ change, record }): WatchEvent => {
      const told = change !== 'DELETED' && (selector?.(record.labels) ?? true)
      return { type: told ? 'MODIFIED' : 'DELETED', record }
    })
    return events
  }

  #parse(token: string): Token {
    const [, points = '', id, position = ''] = /^(.*?)(?:~([a-z0-9]+)\.([a-z0-9]+))?$/s.exec(token) ?? []
    if (points === '' && id === undefined)
      throw new CausewayError('usage', 'a token is empty', 'give it as a list, a watch or a write gave it')
    return { points, position: id === this.journal.id ? this.#positionOf(position) : undefined }
  }

  /** Undefined also for a position that this journal has not reached: somebody made it up. */
  #positionOf(text: string): number | undefined {
    const position = Number.parseInt(text, 36)
    return position <= this.journal.end ? position : undefined
  }
}

/** What a watch tells of a change, if anything: for a selector, a record that comes to match is new, one that no longer does is gone. */
function eventOf(
  { partition, selector }: WatchQuery,
  { change, record, previous }: Pick<JournalChange, 'change' | 'record' | 'previous'>,
): WatchEvent | undefined {
  if ((partition ?? record.partition) !== record.partition) return undefined
  const before = previous !== undefined && (selector?.(previous.labels) ?? true)
  const now = change !== 'DELETED' && (selector?.(record.labels) ?? true)
  if (now) return { type: before ? 'MODIFIED' : 'ADDED', record }
  return before ? { type: 'DELETED', record } : undefined
}

function* missedEvents(query: WatchQuery, changes: readonly JournalEntry[]): Iterable<WatchEvent> {
  for (const change of changes) {
    if (change.collection !== query.collection) continue
    if (change.change === 'UNSYNCED') {
      const { partition } = change
      if ((query.partition ?? partition) === partition) yield { type: 'UNSYNCED', partition }
      continue
    }
    const event = eventOf(query, change)
    if (event) yield event
  }
}

function* addedEvents(partitions: readonly (readonly RecordView[])[], selector: Selector | undefined): Iterable<WatchEvent> {
  for (const records of partitions) {
    for (const record of records) if (!selector || selector(record.labels)) yield { type: 'ADDED', record }
  }
}

function* endingWith(events: Iterable<WatchEvent>, last: WatchEvent): Iterable<WatchEvent> {
  yield* events
  yield last
}

function gone(): CausewayError {
  return new CausewayError(
    'gone',
    'what has changed since that token is not known here: it is too old, or was given out by another node or before a restart',
    'list again, and watch from there',
  )
}
