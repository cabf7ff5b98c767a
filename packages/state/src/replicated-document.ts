/**
 * A document with the logs it is made of: the union of the logs applied to one Y.Doc. Takes batches of any origin,
 * our own included after a restart, and lets nothing in that does not fit.
 *
 *  1. What is in the logs has been applied, but for those that a fold replaces, and nothing else has. A fold that is made here while
 *     it arrives thin says nothing new: it is put together beside, and takes the place of the rest when it is complete.
 *  2. A log that rests on others is there only if every point of its base is, or was before a fold.
 *  3. A batch that is refused leaves no trace.
 *  4. A log is dropped only once a fold of a later epoch is complete and durable, and nothing rests on it that is not
 *     part of that fold; or because its writer is retired.
 */
import { invariant } from '@causeway/protocol'
import {
  type Batch,
  type DocumentName,
  type HeadMore,
  type LogHead,
  type LogPoint,
  type Seal,
  NOTHING_MORE,
  type WriterPoints,
  documentId,
  encodeThin,
  linkOf,
  samePoints,
  saysMore,
  signBatch,
  verifyBatch,
  withUpdate,
} from './batch.ts'
import { type CheckedUpdate, Document } from './document.ts'
import type { Content, Entry } from './entry.ts'
import type { Live } from './fold.ts'
import { FoldDraft } from './fold-draft.ts'
import { Log } from './log.ts'
import { CHUNK, clocksOf, contentOfLogs } from './log-content.ts'
import { type Extent, LogSet } from './log-set.ts'
import type { Signer } from './replica-contract.ts'
import { SHARED_COLLECTION, SharedGate } from './shared-gate.ts'
import { type GateResult, checkUpdate } from './update-gate.ts'
import type { WriterCredential, WriterCredentials } from './writer-credentials.ts'

/** Epochs of one document; a writer that restarts uncleanly every hour reaches it after half a year. */
const LOGS_MAX = 4096

export type Acceptance =
  | { readonly type: 'applied'; readonly batch: Batch; readonly entries: readonly Entry[]; readonly changed: ReadonlySet<string> }
  | { readonly type: 'duplicate' }
  /** Something that comes before is missing. */
  | { readonly type: 'gap'; readonly reason: string }
  /** A fold that came thin, and cannot be made here yet. */
  | { readonly type: 'unmade' }
  | { readonly type: 'bad'; readonly reason: string }

const OTHER_FOLD: Acceptance = { type: 'gap', reason: 'what is here does not make the same fold' }

/** One batch of ours with the entries it brought. */
export interface OwnBatch {
  readonly document: ReplicatedDocument
  readonly batch: Batch
  readonly entries: readonly Entry[]
}

export class ReplicatedDocument extends LogSet implements DocumentName {
  readonly collection: string
  readonly partition: string
  readonly writer: string
  readonly id: string
  readonly #crypto: Signer
  readonly #credentials: WriterCredentials
  #document = new Document()
  /** The fold that is being made here while it arrives thin; its document holds all of its log. */
  #making: FoldDraft | undefined
  #reborn = 0
  /** Judges the updates of a shared document; all others hold records. */
  readonly #shared: SharedGate | undefined
  /** A thin fold did not fit: peers are told that we hold nothing, so that they send it whole. */
  #unlike = false

  constructor(name: DocumentName, crypto: Signer, credentials: WriterCredentials, isOwn = false) {
    super(isOwn)
    this.collection = name.collection
    this.partition = name.partition
    this.writer = name.writer
    this.id = documentId(name)
    this.#crypto = crypto
    this.#credentials = credentials
    if (name.collection === SHARED_COLLECTION) this.#shared = new SharedGate(crypto, name.writer)
  }

  /** It is a writer's part of a shared document: it has no records, and is never folded. */
  get isShared(): boolean {
    return this.#shared !== undefined
  }

  /** The newest put or mark of `key`. */
  get(key: string): Entry | undefined {
    return this.#document.get(key)
  }

  /** All live entries of `key`, patches included. */
  all(key: string): readonly Entry[] {
    return this.#document.all(key)
  }

  keys(): Iterable<string> {
    return this.#document.keys()
  }

  /** What is live now, also when something else has taken its place. */
  snapshot(): Live {
    return this.#document
  }

  /** Number of live entries. */
  get size(): number {
    return this.#document.size
  }

  /** Of what is live. */
  get liveBytes(): number {
    return this.#document.liveBytes
  }

  /** The writers whose place this document has taken. */
  get seals(): readonly Seal[] {
    return this.foldLog?.head.more?.seals ?? []
  }

  override frontier(which: Extent): LogPoint[] {
    return this.#unlike && which !== 'applied' ? [] : super.frontier(which)
  }

  /** Our own write: makes, applies and returns the next batch. */
  write(epoch: number, credential: WriterCredential, contents: readonly Content[]): OwnBatch {
    const head = this.log(epoch) ? undefined : this.#headOf(0, credential, { ...NOTHING_MORE, since: this.#newestSince })
    const known = clocksOf(this.#document, this.logs())
    const origin = { writer: this.writer, epoch, seq: (this.log(epoch)?.seq ?? 0) + 1, head: this.log(epoch)?.head ?? head }
    const result = checkUpdate({ ...origin, update: this.#document.write(epoch, contents) }, known)
    invariant(result.ok, `our own update passes the gate${result.ok ? '' : `: ${result.reason}`}`)
    this.#document.index(result.checked, new Set())
    return this.#sign(epoch, head, credential, result.checked)
  }

  /** An update of a shared document, or what is wrong with it; nothing if it is here already. */
  writeShared(epoch: number, credential: WriterCredential, update: Uint8Array): OwnBatch | string | undefined {
    invariant(this.#shared !== undefined, 'only shared documents take updates as they are')
    if (this.#shared.has(update)) return undefined
    const fault = this.#shared.take(update)
    if (fault) return fault
    const log = this.log(epoch)
    const head = log ? undefined : this.#headOf(0, credential, NOTHING_MORE)
    const { collection, partition, writer } = this
    const fields = { collection, partition, writer, epoch, seq: (log?.seq ?? 0) + 1, head, update }
    const { batch, link } = signBatch(this.#crypto, fields, log?.tip ?? new Uint8Array(0))
    this.#append(batch, link, credential)
    return { document: this, batch, entries: [] }
  }

  #headOf(parts: number, credential: WriterCredential, more: HeadMore, base: readonly LogPoint[] = this.frontier('applied')): LogHead {
    return { base, parts, credential: credential.signed, ...(saysMore(more) && { more }) }
  }

  /** Its writer has heard that it was retired. */
  rebornAfter(seal: number): void {
    this.#reborn = Math.max(this.#reborn, seal)
  }

  get #newestSince(): number {
    return Math.max(this.#reborn, this.since)
  }

  /** What the newest fold says, to be said again by the next: a seal is for ever, and what was left out stays out. */
  get inherited(): HeadMore {
    return { ...(this.foldLog?.head.more ?? NOTHING_MORE), whole: false, since: this.#newestSince }
  }

  /** Everything that is live once more, as a log of its own that replaces all others; or `live` instead, for the reasons in `more`. */
  fold(epoch: number, credential: WriterCredential, live: Live = this.#document, more: HeadMore = this.inherited): OwnBatch[] {
    const draft = this.draftFold(epoch, live, more)
    while (draft.step() !== undefined);
    const batches = this.install(draft, credential)
    invariant(batches !== undefined, 'a document does not change while it is folded')
    return batches
  }

  /** The same in steps; `install` ends it. */
  draftFold(epoch: number, live: Live = this.#document, more: HeadMore = this.inherited): FoldDraft {
    return new FoldDraft({ writer: this.writer, epoch, live, base: this.frontier('applied'), more })
  }

  /** A fold that is complete; `undefined` if the document has changed since it was begun. */
  install({ basis, document, parts, fault }: FoldDraft, credential: WriterCredential): OwnBatch[] | undefined {
    invariant(fault === undefined, `our own fold passes the gate: ${fault}`)
    const { epoch, base, more } = basis
    if (!samePoints(base, this.frontier('applied')) || more.since < this.#newestSince) return undefined
    invariant(!this.log(epoch), 'a fold is a new log')
    // What we write next must not rest on what a reader of the fold has never seen.
    this.#document = document
    this.foldedAt(epoch)
    const head = this.#headOf(parts.length, credential, more, base)
    return parts.map((checked, index) => this.#sign(epoch, index === 0 ? head : undefined, credential, checked))
  }

  #sign(epoch: number, head: LogHead | undefined, credential: WriterCredential, { update, entries }: CheckedUpdate): OwnBatch {
    const { collection, partition, writer } = this
    const log = this.log(epoch)
    const fields = { collection, partition, writer, epoch, seq: (log?.seq ?? 0) + 1, head, update }
    const { batch, link } = signBatch(this.#crypto, fields, log?.tip ?? new Uint8Array(0))
    this.#append(batch, link, credential)
    return { document: this, batch, entries }
  }

  /**
   * The fold that this batch begins, if it comes thin and in several parts: to be made in steps, and given to `accept`. `undefined` also if
   * what is here does not make the part that was signed.
   */
  draftOf(batch: Batch): FoldDraft | undefined {
    if (!batch.thin || !batch.head || batch.head.parts < 2 || this.#fit(batch) || !this.#canMake(batch.head)) return undefined
    const draft = this.#draftFrom(batch.epoch, batch.head)
    const first = draft.part(1)
    return first && typeof this.#verify(withUpdate(batch, first.update)) !== 'string' ? draft : undefined
  }

  /** A batch from a peer; `draft`: the fold that it begins. */
  accept(received: Batch, draft?: FoldDraft): Acceptance {
    const fit = this.#fit(received)
    if (fit) return fit
    if (!received.thin) return this.#judged(received, false)
    const made = this.#made(received, draft)
    if (!made) {
      this.#unlike = true
      return this.#making?.fault === undefined ? { type: 'unmade' } : OTHER_FOLD
    }
    const acceptance = this.#judged(withUpdate(received, made.update), true)
    // What was made and is refused is in there.
    if (acceptance.type !== 'applied') this.rebuild()
    return acceptance
  }

  #judged(batch: Batch, isMade: boolean): Acceptance {
    const signed = this.#verify(batch)
    if (typeof signed === 'string') {
      if (!isMade) return { type: 'bad', reason: signed }
      this.#unlike = true
      return OTHER_FOLD
    }
    if (this.#shared) {
      const reason = batch.head?.parts ? 'a shared document is not folded' : this.#shared.take(batch.update)
      if (reason) return { type: 'bad', reason }
      this.#append(batch, signed.link, signed.credential)
      return { type: 'applied', batch, entries: [], changed: new Set() }
    }
    const head = this.log(batch.epoch)?.head ?? batch.head
    if (head?.more && head.more.seals.length > 0 && signed.credential.credential.role !== 'hub')
      return { type: 'bad', reason: 'only a hub retires writers' }
    // It may rest on a part of the fold.
    if (this.#making && (batch.epoch > this.#making.basis.epoch || !(isMade || this.#making.agrees(batch)))) this.rebuild()
    const making = this.#making?.basis.epoch === batch.epoch ? this.#making : undefined
    const document = making?.document ?? this.#document
    const known = making?.parts[batch.seq - 1]
    // Entries keep the name: ours, not that of each batch.
    const result: GateResult = known ? { ok: true, checked: known } : checkUpdate({ ...batch, writer: this.writer, head }, document)
    if (!result.ok) return { type: 'bad', reason: result.reason }
    const { checked } = result
    const { notAfterMs } = signed.credential.credential
    if (checked.entries.some(({ ms, writer }) => ms > notAfterMs && writer === this.writer))
      return { type: 'bad', reason: 'an entry is newer than the credential of its writer' }
    // Otherwise what a record is would depend on the order in which logs arrive.
    if (!document.replaces(checked)) return { type: 'bad', reason: 'the update deletes an entry without a newer one' }
    const changed = new Set<string>()
    try {
      if (!known) document.apply([checked], changed)
    } catch (error) {
      this.rebuild()
      return { type: 'bad', reason: `the update cannot be applied: ${String(error)}` }
    }
    this.#append(batch, signed.link, signed.credential)
    return { type: 'applied', batch, entries: checked.entries, changed }
  }

  /** A part of a fold, made of what is live here; `undefined` if that is not what was folded. */
  #made({ epoch, seq, head }: Batch, draft: FoldDraft | undefined): CheckedUpdate | undefined {
    if (this.hasOpenFold) return undefined
    if (head && this.#canMake(head)) {
      if (this.#making) this.rebuild()
      this.#making = draft ?? this.#draftFrom(epoch, head)
    }
    return this.#making?.basis.epoch === epoch ? this.#making.part(seq) : undefined
  }

  #canMake({ base }: LogHead): boolean {
    return !this.#unlike && !this.hasOpenFold && samePoints(base, this.frontier('applied'))
  }

  #draftFrom(epoch: number, { base, more = NOTHING_MORE }: LogHead): FoldDraft {
    return new FoldDraft({ writer: this.writer, epoch, live: this.#document, base, more })
  }

  /** The batch for a peer that holds `held`: without its update if the peer can make it. */
  encodedFor(batch: Batch, held: (point: LogPoint) => boolean): Uint8Array {
    const head = this.log(batch.epoch)?.head
    const canMake = head && !head.more?.whole && batch.seq <= head.parts && head.base.length > 0 && head.base.every(held)
    return canMake ? encodeThin(batch) : batch.encoded
  }

  /** Batches from our own store, of one log and in order. Stops at the first that does not fit; returns how many did. */
  load(batches: readonly Batch[], seen: (entries: readonly Entry[]) => void): number {
    let loaded = 0
    for (let from = 0; from < batches.length && loaded === from; from += CHUNK)
      loaded += this.#loadChunk(batches.slice(from, from + CHUNK), seen)
    return loaded
  }

  #loadChunk(batches: readonly Batch[], seen: (entries: readonly Entry[]) => void): number {
    const checked: CheckedUpdate[] = []
    const ahead = clocksOf(this.#document, this.logs())
    for (const batch of batches) {
      if (this.#fit(batch)) break
      const log = this.log(batch.epoch)
      const credential = log?.credential ?? this.#credentials.checkFor(this, batch.head)
      const result = this.#shared
        ? this.#shared.check(batch.update)
        : checkUpdate({ ...batch, writer: this.writer, head: log?.head ?? batch.head }, ahead)
      if (!result.ok || typeof credential === 'string') break
      ahead.set(batch.epoch, ahead.clockOf(batch.epoch) + result.checked.entries.length)
      checked.push(result.checked)
      // It was verified before it was stored, and the store has checksums.
      this.#append(batch, linkOf(this.#crypto, batch, log?.tip ?? new Uint8Array(0)), credential)
    }
    if (!this.#shared) this.#document.apply(checked, new Set())
    for (const { entries } of checked) seen(entries)
    return checked.length
  }

  /** Why a batch cannot be next, or `undefined` if it can. */
  #fit(batch: Batch): Acceptance | undefined {
    if (batch.epoch < this.foldEpoch) return { type: 'duplicate' }
    const seq = this.log(batch.epoch)?.seq ?? 0
    if (batch.seq <= seq) return { type: 'duplicate' }
    if (batch.seq > seq + 1) return { type: 'gap', reason: `batch ${batch.seq} came where ${seq + 1} is next` }
    const { head } = batch
    if (!head || head.parts > 0) return undefined
    const missing = head.base.some((point) => (this.log(point.epoch)?.seq ?? 0) < point.seq)
    if (missing) return { type: 'gap', reason: 'the log rests on batches that are not here' }
    if (head.base.some((point) => this.contradicts(point))) return { type: 'gap', reason: 'the log rests on another one of the same epoch' }
    return !this.hasLogs(LOGS_MAX) ? undefined : { type: 'bad', reason: `the document has more than ${LOGS_MAX} epochs` }
  }

  #verify(batch: Batch): { readonly link: Uint8Array; readonly credential: WriterCredential } | string {
    const log = this.log(batch.epoch)
    const credential = log?.credential ?? this.#credentials.checkFor(this, batch.head)
    if (typeof credential === 'string') return credential
    const link = verifyBatch(this.#crypto, batch, log?.tip ?? new Uint8Array(0), credential.credential.key)
    return link ? { link, credential } : 'its writer has not signed it as the one that follows'
  }

  #append(batch: Batch, link: Uint8Array, credential: WriterCredential): void {
    let log = this.log(batch.epoch)
    if (!log) {
      invariant(batch.head !== undefined, 'the first batch of a log has a head')
      this.addLog((log = new Log(this, batch.epoch, batch.head, credential)))
    }
    log.append(batch, link)
  }

  /**
   * A complete fold takes the place of all that was before, unless something rests on that which it does not know, or the fold
   * on what is not here. Returns the keys that may be others now; `undefined` if there was nothing to take.
   */
  takeFold(held: (after: WriterPoints) => boolean): ReadonlySet<string> | undefined {
    const fold = this.takeable(held)
    if (!fold) {
      // What is written upon it counts all the same.
      if (this.#making && this.hasOpenFold) this.rebuild()
      return undefined
    }
    const keys = new Set(this.keys())
    this.foldedAt(fold.epoch)
    this.#unlike = false
    if (this.#making?.basis.epoch === fold.epoch && this.logs().at(-1) === fold) {
      this.#document = this.#making.document
      this.#making = undefined
    } else if (this.#making || fold !== this.logs()[0]) this.rebuild()
    else return new Set()
    return keys
  }

  /** Makes the content anew of the logs that are here. */
  rebuild(): void {
    this.#making = undefined
    this.#document = contentOfLogs(this.#shared ? [] : this.currentLogs())
  }
}
