/**
 * A partition: the merge of its documents, one per writer.
 *
 *  1. What is shown of our own has been persisted: a ticket carries the records of its moment (see readers.ts).
 *  2. `merged` and `contentHash` depend on the set of batches held, not on the order in which they came.
 *  3. A record that has expired is shown to nobody, whoever asks first.
 */
import { type Hasher, type RecordView, encodeRecord, hex } from '@causeway/protocol'
import type { Batch, Seal, WriterPoints } from './batch.ts'
import type { Entry } from './entry.ts'
import type { Log } from './log.ts'
import { type MergedRecord, isSameState, mergeEntries, newestOf, revisionOfMerged, viewOf } from './merged-record.ts'
import type { RecordPoint } from './replica-contract.ts'
import type { ReplicatedDocument } from './replicated-document.ts'

export interface Shown {
  readonly change: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly record: RecordView
  /** What readers saw before. */
  readonly previous: RecordView | undefined
  readonly point: RecordPoint
}

interface Visible {
  readonly merged: MergedRecord
  readonly revision: string
  /** `undefined` if it was deleted or has expired. */
  readonly record: RecordView | undefined
}

export class Partition {
  readonly collection: string
  readonly name: string
  readonly documents: Map<string, ReplicatedDocument> = new Map()
  /** The newest seals of writers that are retired. */
  readonly seals: Map<string, number> = new Map()
  /** Documents with a fold that waits for what it rests on. */
  readonly deferred: Set<ReplicatedDocument> = new Set()
  readonly #visible = new Map<string, Visible>()
  #sorted: readonly RecordView[] | undefined
  #live = 0

  constructor(collection: string, name: string) {
    this.collection = collection
    this.name = name
  }

  /** Number of records that exist. */
  get live(): number {
    return this.#live
  }

  /** What all writers together say of `key` now, persisted or not; `undefined` if nothing. */
  merged(key: string): MergedRecord | undefined {
    const entries = [...this.documents.values()].flatMap((document) => document.all(key))
    return mergeEntries(entries)
  }

  /** What the folds that are here say of retired writers. */
  noteSeals(): void {
    this.seals.clear()
    for (const document of this.documents.values())
      for (const { writer, epoch } of document.seals) this.seals.set(writer, Math.max(epoch, this.seals.get(writer) ?? 0))
  }

  /**
   * The batch belongs to what its writer did without knowing that it was retired. Of two hubs that have retired each other, each
   * without the other, the newer seal holds; of two that are equally new, that of the one with the higher name.
   */
  isVoid({ writer, epoch, head }: Pick<Batch, 'writer' | 'epoch' | 'head'>): boolean {
    if (!this.seals.has(writer)) return false
    const { since = 0, seals = [] } = (head ?? this.documents.get(writer)?.log(epoch)?.head)?.more ?? {}
    for (const document of this.documents.values()) {
      const seal = document.seals.find((each) => each.writer === writer)
      if (!seal || since >= seal.epoch) continue
      const outdoes = ({ epoch: own }: Seal): boolean => own > seal.epoch || (own === seal.epoch && writer > document.writer)
      if (!seals.some((own) => own.writer === document.writer && outdoes(own))) return true
    }
    return false
  }

  /**
   * What is held once all deferred folds are taken that can be, together: each of two may rest on what the other has replaced, and
   * nobody has that any more. So all are supposed to be taken; those that find no ground even so are not, until nothing changes.
   */
  heldWithFolds(): (after: WriterPoints) => boolean {
    const folds = new Map([...this.deferred].map((document) => [document.writer, document.openFolds.at(-1)]))
    const held = (after: WriterPoints): boolean => this.#holds(after, folds)
    for (let changed = true; changed;) {
      changed = false
      for (const document of this.deferred) {
        const given = folds.get(document.writer)
        const fold = given && document.takeable(held)
        if (fold === given) continue
        folds.set(document.writer, fold)
        changed = true
      }
    }
    return held
  }

  /** So much of a document is here, or does not count any more, once these folds are taken. */
  #holds({ writer, points }: WriterPoints, folds: ReadonlyMap<string, Log | undefined>): boolean {
    const seals = [...folds.values()].flatMap((fold) => fold?.head.more?.seals ?? []).filter((seal) => seal.writer === writer)
    const sealed = Math.max(this.seals.get(writer) ?? 0, ...seals.map(({ epoch }) => epoch))
    const document = this.documents.get(writer)
    const foldEpoch = folds.get(writer)?.epoch ?? 0
    return points.every((point) => point.epoch <= sealed || point.epoch < foldEpoch || (document?.holds(point) ?? false))
  }

  /** Forgets what was shown; returns whether that was anything. */
  reset(): boolean {
    const shown = this.#visible.size > 0
    this.#visible.clear()
    this.#sorted = undefined
    this.#live = 0
    return shown
  }

  keys(): Set<string> {
    const keys = new Set<string>()
    for (const document of this.documents.values()) for (const key of document.keys()) keys.add(key)
    return keys
  }

  get(key: string): RecordView | undefined {
    return this.#visible.get(key)?.record
  }

  /** Records that exist, by key. */
  records(): readonly RecordView[] {
    this.#sorted ??= [...this.#visible.values()].flatMap(({ record }) => (record ? [record] : [])).sort((a, b) => (a.key < b.key ? -1 : 1))
    return this.#sorted
  }

  /** Shows the record in this state from now on, or as one that nobody knows of; `undefined` if nothing changes for readers. */
  show(key: string, merged: MergedRecord | undefined, wallMs: number): Shown | undefined {
    const before = this.#visible.get(key)
    if (!merged) return this.#forget(key, before)
    if (before && isSameState(before.merged, merged)) {
      // The same state from another place: its writer has folded its document.
      this.#visible.set(key, { ...before, merged })
      return undefined
    }
    const { expiresMs } = merged.base
    const revision = revisionOfMerged(merged)
    const expired = expiresMs !== undefined && expiresMs <= wallMs
    return this.#replace(key, before, { merged, revision, record: expired ? undefined : viewOf(merged, this.name, revision) })
  }

  /** The record is gone if its time has come. */
  expire(key: string, wallMs: number): Shown | undefined {
    const before = this.#visible.get(key)
    const expiresMs = before?.record?.expiresAt
    if (!before || expiresMs === undefined || expiresMs > wallMs) return undefined
    return this.#replace(key, before, { ...before, record: undefined })
  }

  #forget(key: string, before: Visible | undefined): Shown | undefined {
    const shown = before?.record && this.#replace(key, before, { ...before, record: undefined })
    this.#visible.delete(key)
    return shown
  }

  #replace(key: string, before: Visible | undefined, now: Visible): Shown | undefined {
    this.#visible.set(key, now)
    this.#sorted = undefined
    this.#live += Number(now.record !== undefined) - Number(before?.record !== undefined)
    const newest = newestOf(now.merged)
    const point = pointOf(newest)
    const previous = before?.record
    if (now.record) return { change: previous ? 'MODIFIED' : 'ADDED', record: now.record, previous, point }
    if (!previous) return undefined
    const { writer, ms: asOf } = newest
    return { change: 'DELETED', record: { ...previous, revision: now.revision, writer, asOf }, previous, point }
  }

  /**
   * Records that were changed, or deleted, by batches that `covered` does not know: what a reader missed who knew those.
   * What has expired is told in any case, since no batch says so.
   */
  changedSince(covered: (point: RecordPoint) => boolean): Shown[] {
    const missed: Shown[] = []
    for (const { merged, record, revision } of this.#visible.values()) {
      const { base, patches } = merged
      const expired = !record && base.kind === 'put'
      if (!expired && [base, ...patches].every((entry) => covered(pointOf(entry)))) continue
      const point = pointOf(newestOf(merged))
      if (record) missed.push({ change: 'MODIFIED', record, previous: undefined, point })
      else {
        const { key, value, labels, ms: asOf, writer } = base
        const gone = { key, partition: this.name, value, labels, revision, writer, asOf }
        missed.push({ change: 'DELETED', record: gone, previous: undefined, point })
      }
    }
    return missed
  }

  /** Over records and marks with their stamps, sorted by key. */
  contentHash(crypto: Hasher): string {
    const sorted = [...this.#visible.values()].sort((a, b) => (a.merged.base.key < b.merged.base.key ? -1 : 1))
    const state = sorted.map(({ merged, revision }) => {
      const { key, kind } = merged.base
      const view = viewOf(merged, this.name, revision)
      return [key, kind, revision, view?.value ?? null, view?.labels ?? null, view?.expiresAt ?? null]
    })
    return hex(crypto.hash(encodeRecord(state)))
  }
}

function pointOf({ author, log, seq }: Entry): RecordPoint {
  return { writer: author, epoch: log, seq }
}
