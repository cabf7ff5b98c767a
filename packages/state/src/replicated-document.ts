/**
 * A document with the logs it is made of: the union of the logs applied to one Y.Doc. Takes batches of any origin,
 * our own included after a restart, and lets nothing in that does not fit.
 *
 *  1. What is in the logs has been applied, but for those that a fold replaces, and nothing else has.
 *  2. A log that rests on others is there only if every point of its base is, or was before a fold.
 *  3. A batch that is refused leaves no trace.
 *  4. A log is dropped only once a fold of a later epoch is complete and durable, and nothing rests on it that is not
 *     part of that fold.
 */
import { invariant } from '@causeway/protocol'
import {
  type Batch,
  type DocumentName,
  type LogHead,
  type LogPoint,
  contradict,
  documentId,
  encodeThin,
  linkOf,
  samePoints,
  signBatch,
  verifyBatch,
  withUpdate,
} from './batch.ts'
import { type CheckedUpdate, Document } from './document.ts'
import type { Content, Entry } from './entry.ts'
import { foldChunks } from './fold.ts'
import { Log } from './log.ts'
import type { Signer } from './replica-contract.ts'
import { type KnownClocks, checkUpdate } from './update-gate.ts'
import type { WriterCredential, WriterCredentials } from './writer-credentials.ts'

/** Epochs of one document; a writer that restarts uncleanly every hour reaches it after half a year. */
const LOGS_MAX = 4096
/** Yjs merges per transaction: larger chunks cost memory, smaller ones time. */
const CHUNK = 1_000

export type Acceptance =
  | { readonly type: 'applied'; readonly batch: Batch; readonly entries: readonly Entry[]; readonly changed: ReadonlySet<string> }
  | { readonly type: 'duplicate' }
  /** Something that comes before is missing. */
  | { readonly type: 'gap'; readonly reason: string }
  | { readonly type: 'bad'; readonly reason: string }

/** One batch of ours with the entries it brought. */
export interface OwnBatch {
  readonly document: ReplicatedDocument
  readonly batch: Batch
  readonly entries: readonly Entry[]
}

export class ReplicatedDocument implements DocumentName {
  readonly collection: string
  readonly partition: string
  readonly writer: string
  readonly id: string
  /** Bytes of its log at which to look whether it should be folded. */
  foldDueBytes = 0
  readonly #crypto: Signer
  readonly #credentials: WriterCredentials
  readonly #logs = new Map<number, Log>()
  #ordered: readonly Log[] | undefined
  /** Of the newest fold that took the place of all logs of lower epochs. */
  #foldEpoch = 0
  #document = new Document()
  /** The fold that is being made here while it arrives thin. */
  #making: { readonly epoch: number; readonly updates: readonly Uint8Array[] } | undefined
  /** A thin fold did not fit: peers are told that we hold nothing, so that they send it whole. */
  #unlike = false

  constructor(name: DocumentName, crypto: Signer, credentials: WriterCredentials) {
    this.collection = name.collection
    this.partition = name.partition
    this.writer = name.writer
    this.id = documentId(name)
    this.#crypto = crypto
    this.#credentials = credentials
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

  /** Number of live entries. */
  get size(): number {
    return this.#document.size
  }

  /** Of what is live, as one update. */
  encodedBytes(): number {
    return this.#document.encodedBytes()
  }

  /** Of the batches since the newest fold, and of that. */
  get logBytes(): number {
    let bytes = 0
    for (const log of this.#logs.values()) if (log.epoch >= this.#foldEpoch) bytes += log.bytes
    return bytes
  }

  log(epoch: number): Log | undefined {
    return this.#logs.get(epoch)
  }

  /** Oldest epoch first: a base comes before what rests on it. */
  logs(): readonly Log[] {
    this.#ordered ??= [...this.#logs.values()].sort((a, b) => a.epoch - b.epoch)
    return this.#ordered
  }

  /** Those that no fold has replaced. */
  currentLogs(): readonly Log[] {
    return this.#foldEpoch === 0 ? this.logs() : this.logs().filter(({ epoch }) => epoch >= this.#foldEpoch)
  }

  get epochMax(): number {
    return Math.max(0, ...this.#logs.keys())
  }

  /** Held, or replaced by a fold. */
  holds({ epoch, seq }: LogPoint): boolean {
    return epoch < this.#foldEpoch || (this.#logs.get(epoch)?.seq ?? 0) >= seq
  }

  /** The same of what is durable. */
  holdsDurably({ epoch, seq }: LogPoint): boolean {
    return epoch < this.#foldEpoch || (this.#logs.get(epoch)?.durable ?? 0) >= seq
  }

  /** Somebody else holds another batch of this number than we do. */
  contradicts(point: LogPoint): boolean {
    const log = this.#logs.get(point.epoch)
    const own = log && point.seq > 0 && log.seq >= point.seq ? log.point(point.seq).link : undefined
    return own !== undefined && contradict(point, own)
  }

  /** The ends of the logs which no other log includes: who holds these holds everything. */
  frontier(which: 'applied' | 'durable'): LogPoint[] {
    if (this.#unlike && which === 'durable') return []
    const ends = new Map<number, number>()
    for (const log of this.#logs.values()) {
      const seq = which === 'applied' ? log.seq : log.durable
      if (seq > 0) ends.set(log.epoch, seq)
    }
    for (const epoch of [...ends.keys()]) {
      const log = this.#logs.get(epoch)
      if (!log || (log.head.parts > 0 && !log.folded(ends.get(epoch) ?? 0))) continue
      for (const point of log.head.base) if ((ends.get(point.epoch) ?? 0) <= point.seq) ends.delete(point.epoch)
    }
    const points = [...ends].map(([epoch, seq]) => (this.#logs.get(epoch) as Log).point(seq))
    return points.sort((a, b) => a.epoch - b.epoch)
  }

  /** What somebody holds who names `points` as the frontier, as far as we can tell from the logs we hold. */
  closure(points: readonly LogPoint[]): Map<number, number> {
    const held = new Map<number, number>()
    const open = [...points]
    for (let point = open.pop(); point; point = open.pop()) {
      const before = held.get(point.epoch) ?? 0
      if (before < point.seq) held.set(point.epoch, point.seq)
      const log = this.#logs.get(point.epoch)
      const rests = log && (log.head.parts === 0 ? before === 0 && point.seq > 0 : log.folded(point.seq) && !log.folded(before))
      if (rests) open.push(...log.head.base)
    }
    return held
  }

  /** Our own write: makes, applies and returns the next batch. */
  write(epoch: number, credential: WriterCredential, contents: readonly Content[]): OwnBatch {
    const log = this.#logs.get(epoch)
    const head = log ? undefined : { base: this.frontier('applied'), parts: 0, credential: credential.signed }
    const known = this.#clocks()
    return this.#add(epoch, head, credential, this.#document.write(epoch, contents), known, 'written')
  }

  /** Everything that is live once more, as a log of its own that replaces all others. */
  fold(epoch: number, credential: WriterCredential): OwnBatch[] {
    const base = this.frontier('applied')
    const chunks = foldChunks(this.#document, epoch)
    invariant(!this.#logs.has(epoch) && chunks.length > 0, 'a fold is a new log that is not empty')
    // What we write next must not rest on what a reader of the fold has never seen.
    this.#document = new Document()
    this.#foldEpoch = epoch
    return Document.updatesOf(epoch, chunks).map((update, index) => {
      const head = index === 0 ? { base, parts: chunks.length, credential: credential.signed } : undefined
      return this.#add(epoch, head, credential, update, this.#clocks(), 'new')
    })
  }

  #add(
    epoch: number,
    head: LogHead | undefined,
    credential: WriterCredential,
    update: Uint8Array,
    known: KnownClocks,
    state: 'written' | 'new',
  ): OwnBatch {
    const { collection, partition, writer } = this
    const log = this.#logs.get(epoch)
    const seq = (log?.seq ?? 0) + 1
    const result = checkUpdate({ update, writer, epoch, seq }, known)
    invariant(result.ok, `our own update passes the gate${result.ok ? '' : `: ${result.reason}`}`)
    if (state === 'written') this.#document.index(result.checked, new Set())
    else this.#document.apply([result.checked], new Set())
    const fields = { collection, partition, writer, epoch, seq, head, update }
    const { batch, link } = signBatch(this.#crypto, fields, log?.tip ?? new Uint8Array(0))
    this.#append(batch, link, credential)
    return { document: this, batch, entries: result.checked.entries }
  }

  /** A batch from a peer. */
  accept(received: Batch): Acceptance {
    const fit = this.#fit(received)
    if (fit) return fit
    const batch = received.thin ? this.#madeWhole(received) : received
    if (!batch) return { type: 'gap', reason: 'what it folds is not what is here' }
    const signed = this.#verify(batch)
    if (typeof signed === 'string') {
      if (!received.thin) return { type: 'bad', reason: signed }
      this.#unlike = true
      return { type: 'gap', reason: 'what is here does not make the same fold' }
    }
    const result = checkUpdate(batch, this.#document)
    if (!result.ok) return { type: 'bad', reason: result.reason }
    const { checked } = result
    if (checked.entries.some(({ ms }) => ms > signed.credential.credential.notAfterMs))
      return { type: 'bad', reason: 'an entry is newer than the credential of its writer' }
    // Otherwise what a record is would depend on the order in which logs arrive.
    if (!this.#document.replaces(checked)) return { type: 'bad', reason: 'the update deletes an entry without a newer one' }
    const changed = new Set<string>()
    try {
      this.#document.apply([checked], changed)
    } catch (error) {
      this.#rebuild()
      return { type: 'bad', reason: `the update cannot be applied: ${String(error)}` }
    }
    this.#append(batch, signed.link, signed.credential)
    this.#takeFold()
    return { type: 'applied', batch, entries: checked.entries, changed }
  }

  /** The update of a part of a fold, made of what is live here; `undefined` if that is not what was folded. */
  #madeWhole(batch: Batch): Batch | undefined {
    const { epoch, seq, head } = batch
    if (head && !this.#unlike && samePoints(head.base, this.frontier('applied'))) {
      this.#making = { epoch, updates: Document.updatesOf(epoch, foldChunks(this.#document, epoch)) }
    }
    const update = this.#making?.epoch === epoch ? this.#making.updates[seq - 1] : undefined
    if (!update) this.#unlike = true
    return update && withUpdate(batch, update)
  }

  /**
   * The logs that a peer needs who has so much of each. Those that a fold has replaced only if their ends are less than the
   * fold: then the peer can make that by itself.
   */
  logsFor(seqOf: (epoch: number) => number): readonly Log[] {
    const replaced = this.replaced()
    const fold = this.#logs.get(this.#foldEpoch)
    if (!fold || replaced.length === 0) return this.logs()
    const missing = replaced.reduce((bytes, log) => bytes + log.bytes * (1 - Math.min(seqOf(log.epoch), log.seq) / log.seq), 0)
    const whole = fold.bytes * (fold.head.parts / fold.seq)
    return missing <= whole ? this.logs() : this.currentLogs()
  }

  /** The batch for a peer that holds `held`: without its update if the peer can make it. */
  encodedFor(batch: Batch, held: (point: LogPoint) => boolean): Uint8Array {
    const log = this.#logs.get(batch.epoch)
    const canMake = log !== undefined && batch.seq <= log.head.parts && log.head.base.length > 0 && log.head.base.every(held)
    return canMake ? encodeThin(batch) : batch.encoded
  }

  /** Batches from our own store, of one log and in order. Stops at the first that does not fit; returns how many did. */
  load(batches: readonly Batch[], seen: (entries: readonly Entry[]) => void): number {
    let loaded = 0
    for (let from = 0; from < batches.length && loaded === from; from += CHUNK)
      loaded += this.#loadChunk(batches.slice(from, from + CHUNK), seen)
    this.#takeFold()
    return loaded
  }

  #loadChunk(batches: readonly Batch[], seen: (entries: readonly Entry[]) => void): number {
    const checked: CheckedUpdate[] = []
    const ahead = this.#clocks()
    for (const batch of batches) {
      if (this.#fit(batch)) break
      const log = this.#logs.get(batch.epoch)
      const credential = log?.credential ?? this.#credentialOf(batch)
      const result = checkUpdate(batch, ahead)
      if (!result.ok || typeof credential === 'string') break
      ahead.set(batch.epoch, ahead.clockOf(batch.epoch) + result.checked.entries.length)
      checked.push(result.checked)
      // It was verified before it was stored, and the store has checksums.
      this.#append(batch, linkOf(this.#crypto, batch, log?.tip ?? new Uint8Array(0)), credential)
    }
    this.#document.apply(checked, new Set())
    for (const { entries } of checked) seen(entries)
    return checked.length
  }

  /** Why a batch cannot be next, or `undefined` if it can. */
  #fit(batch: Batch): Acceptance | undefined {
    if (batch.epoch < this.#foldEpoch) return { type: 'duplicate' }
    const log = this.#logs.get(batch.epoch)
    const seq = log?.seq ?? 0
    if (batch.seq <= seq) return { type: 'duplicate' }
    if (batch.seq > seq + 1) return { type: 'gap', reason: `batch ${batch.seq} came where ${seq + 1} is next` }
    const { head } = batch
    if (!head || head.parts > 0) return undefined
    const missing = head.base.some((point) => (this.#logs.get(point.epoch)?.seq ?? 0) < point.seq)
    if (missing) return { type: 'gap', reason: 'the log rests on batches that are not here' }
    if (head.base.some((point) => this.contradicts(point))) return { type: 'gap', reason: 'the log rests on another one of the same epoch' }
    return this.#logs.size < LOGS_MAX ? undefined : { type: 'bad', reason: `the document has more than ${LOGS_MAX} epochs` }
  }

  #verify(batch: Batch): { readonly link: Uint8Array; readonly credential: WriterCredential } | string {
    const log = this.#logs.get(batch.epoch)
    const credential = log?.credential ?? this.#credentialOf(batch)
    if (typeof credential === 'string') return credential
    const link = verifyBatch(this.#crypto, batch, log?.tip ?? new Uint8Array(0), credential.credential.key)
    return link ? { link, credential } : 'its writer has not signed it as the one that follows'
  }

  #credentialOf({ head }: Batch): WriterCredential | string {
    const checked = head ? this.#credentials.check(head.credential) : 'it has no credential'
    if (typeof checked === 'string') return checked
    const { collection, partition, writer } = this
    if (checked.credential.name !== writer) return `it shows the credential of ${checked.credential.name}`
    return checked.scope.matches(collection, partition) ? checked : `${writer} may not write ${collection}/${partition}`
  }

  #append(batch: Batch, link: Uint8Array, credential: WriterCredential): void {
    let log = this.#logs.get(batch.epoch)
    if (!log) {
      invariant(batch.head !== undefined, 'the first batch of a log has a head')
      log = new Log(batch.epoch, batch.head, credential)
      this.#logs.set(batch.epoch, log)
      this.#ordered = undefined
    }
    log.append(batch, link)
  }

  /** A complete fold takes the place of all that was before, unless something rests on that which it does not know. */
  #takeFold(): void {
    const fold = this.logs().findLast((log) => log.folded(log.seq))
    if (!fold || fold.epoch <= this.#foldEpoch) return
    const resting = this.logs().some(({ epoch, head }) => epoch > fold.epoch && head.base.some((point) => point.epoch < fold.epoch))
    if (resting) return
    this.#foldEpoch = fold.epoch
    this.#making = undefined
    this.#unlike = false
    if (fold !== this.logs()[0]) this.#rebuild()
  }

  /** The logs that nobody needs any more, since a fold that is durable has taken their place. */
  replaced(): readonly Log[] {
    const fold = this.#logs.get(this.#foldEpoch)
    return fold?.folded(fold.durable) ? this.logs().filter(({ epoch }) => epoch < fold.epoch) : []
  }

  drop(replaced: readonly Log[]): void {
    for (const { epoch } of replaced) this.#logs.delete(epoch)
    if (replaced.length > 0) this.#ordered = undefined
  }

  /** The clocks as they are now, which may run ahead of the document while a chunk is being judged. */
  #clocks(): { clockOf(epoch: number): number; set(epoch: number, clock: number): void } {
    const document = this.#document
    const clocks = new Map<number, number>([...this.#logs.keys()].map((epoch) => [epoch, document.clockOf(epoch)]))
    return { clockOf: (epoch) => clocks.get(epoch) ?? 0, set: (epoch, clock) => void clocks.set(epoch, clock) }
  }

  #rebuild(): void {
    this.#document = new Document()
    for (const log of this.logs()) {
      if (log.epoch < this.#foldEpoch) continue
      const clocks = this.#clocks()
      const checked = log.batches().map((batch) => {
        const result = checkUpdate(batch, clocks)
        invariant(result.ok, 'what is in a log has passed the gate')
        clocks.set(batch.epoch, clocks.clockOf(batch.epoch) + result.checked.entries.length)
        return result.checked
      })
      for (let from = 0; from < checked.length; from += CHUNK) this.#document.apply(checked.slice(from, from + CHUNK), new Set())
    }
  }
}
