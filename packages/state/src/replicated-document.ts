/**
 * A document with the logs it is made of: the union of the logs applied to one Y.Doc. Takes batches of any origin,
 * our own included after a restart, and lets nothing in that does not fit.
 *
 *  1. What is in the logs has been applied, and nothing else has.
 *  2. A log is there only if every point of its base is.
 *  3. A batch that is refused leaves no trace.
 */
import { type Hasher, invariant } from '@causeway/protocol'
import { type Batch, type DocumentName, type LogPoint, documentId, encodeBatch } from './batch.ts'
import { type CheckedUpdate, Document } from './document.ts'
import type { Content, Entry } from './entry.ts'
import { Log } from './log.ts'
import { checkUpdate } from './update-gate.ts'

/** Epochs of one document; a writer that restarts uncleanly every hour reaches it after half a year. */
const LOGS_MAX = 4096
/** Yjs merges per transaction: larger chunks cost memory, smaller ones time. */
const CHUNK = 1_000

export type Acceptance =
  | { readonly type: 'applied'; readonly entries: readonly Entry[]; readonly changed: ReadonlySet<string> }
  | { readonly type: 'duplicate' }
  /** Something that comes before is missing. */
  | { readonly type: 'gap'; readonly reason: string }
  | { readonly type: 'bad'; readonly reason: string }

export class ReplicatedDocument implements DocumentName {
  readonly collection: string
  readonly partition: string
  readonly writer: string
  readonly id: string
  readonly #crypto: Hasher
  readonly #logs = new Map<number, Log>()
  #ordered: readonly Log[] | undefined
  #document = new Document()

  constructor(name: DocumentName, crypto: Hasher) {
    this.collection = name.collection
    this.partition = name.partition
    this.writer = name.writer
    this.id = documentId(name)
    this.#crypto = crypto
  }

  get(key: string): Entry | undefined {
    return this.#document.get(key)
  }

  keys(): Iterable<string> {
    return this.#document.keys()
  }

  encodedBytes(): number {
    return this.#document.encodedBytes()
  }

  log(epoch: number): Log | undefined {
    return this.#logs.get(epoch)
  }

  /** Oldest epoch first: a base comes before what rests on it. */
  logs(): readonly Log[] {
    this.#ordered ??= [...this.#logs.values()].sort((a, b) => a.epoch - b.epoch)
    return this.#ordered
  }

  get epochMax(): number {
    return Math.max(0, ...this.#logs.keys())
  }

  holds({ epoch, seq }: LogPoint): boolean {
    return (this.#logs.get(epoch)?.seq ?? 0) >= seq
  }

  /** The ends of the logs which no other log includes: who holds these holds everything. */
  frontier(which: 'applied' | 'durable'): LogPoint[] {
    const ends = new Map<number, number>()
    for (const log of this.#logs.values()) {
      const seq = which === 'applied' ? log.seq : log.durable
      if (seq > 0) ends.set(log.epoch, seq)
    }
    for (const epoch of [...ends.keys()]) {
      for (const point of this.#logs.get(epoch)?.base ?? []) {
        if ((ends.get(point.epoch) ?? 0) <= point.seq) ends.delete(point.epoch)
      }
    }
    return [...ends].map(([epoch, seq]) => ({ epoch, seq })).sort((a, b) => a.epoch - b.epoch)
  }

  /** What somebody holds who names `points` as the frontier, as far as we can tell from the logs we hold. */
  closure(points: readonly LogPoint[]): Map<number, number> {
    const held = new Map<number, number>()
    const open = [...points]
    for (let point = open.pop(); point; point = open.pop()) {
      const before = held.get(point.epoch) ?? 0
      if (before < point.seq) held.set(point.epoch, point.seq)
      if (before === 0 && point.seq > 0) open.push(...(this.#logs.get(point.epoch)?.base ?? []))
    }
    return held
  }

  /** Our own write: makes, applies and returns the next batch. Contents of one batch have different keys. */
  write(epoch: number, contents: readonly Content[]): { readonly batch: Batch; readonly entries: readonly Entry[] } {
    const { collection, partition, writer } = this
    const log = this.#logs.get(epoch) ?? new Log(epoch, this.frontier('applied'))
    const known = this.#clocks()
    const update = this.#document.write(epoch, contents)
    const result = checkUpdate(update, writer, epoch, known)
    invariant(result.ok, `our own update passes the gate${result.ok ? '' : `: ${result.reason}`}`)
    this.#document.index(result.checked, new Set())
    const seq = log.seq + 1
    const batch = encodeBatch({ collection, partition, writer, epoch, seq, previous: log.tip, base: seq === 1 ? log.base : [], update })
    log.append(this.#crypto, batch)
    this.#keep(log)
    return { batch, entries: result.checked.entries }
  }

  /** A batch from a peer. */
  accept(batch: Batch): Acceptance {
    const fit = this.#fit(batch)
    if (fit) return fit
    const result = checkUpdate(batch.update, this.writer, batch.epoch, this.#document)
    if (!result.ok) return { type: 'bad', reason: result.reason }
    // Otherwise what a record is would depend on the order in which logs arrive.
    if (!this.#document.replaces(result.checked)) return { type: 'bad', reason: 'the update deletes an entry without a newer one' }
    const changed = new Set<string>()
    try {
      this.#document.apply([result.checked], changed)
    } catch (error) {
      this.#rebuild()
      return { type: 'bad', reason: `the update cannot be applied: ${String(error)}` }
    }
    this.#append(batch)
    return { type: 'applied', entries: result.checked.entries, changed }
  }

  /** Batches from the store, of one log and in order. Stops at the first that does not fit; returns how many did. */
  load(batches: readonly Batch[], seen: (entries: readonly Entry[]) => void): number {
    let loaded = 0
    for (let from = 0; from < batches.length && loaded === from; from += CHUNK)
      loaded += this.#loadChunk(batches.slice(from, from + CHUNK), seen)
    return loaded
  }

  #loadChunk(batches: readonly Batch[], seen: (entries: readonly Entry[]) => void): number {
    const checked: CheckedUpdate[] = []
    const fitting: Batch[] = []
    const ahead = this.#clocks()
    for (const batch of batches) {
      if (this.#fit(batch)) break
      const result = checkUpdate(batch.update, this.writer, batch.epoch, ahead)
      if (!result.ok) break
      ahead.advance(batch.epoch, result.checked.entries.length)
      checked.push(result.checked)
      fitting.push(batch)
      this.#append(batch)
    }
    this.#document.apply(checked, new Set())
    for (const { entries } of checked) seen(entries)
    return fitting.length
  }

  /** Why a batch cannot be next, or `undefined` if it can. */
  #fit(batch: Batch): Acceptance | undefined {
    const log = this.#logs.get(batch.epoch)
    const seq = log?.seq ?? 0
    if (batch.seq <= seq) return { type: 'duplicate' }
    if (batch.seq > seq + 1) return { type: 'gap', reason: `batch ${batch.seq} came where ${seq + 1} is next` }
    if (log) return log.continues(batch) ? undefined : { type: 'bad', reason: 'the batch does not follow the one before it' }
    if (!batch.base.every((point) => this.holds(point))) return { type: 'gap', reason: 'the log rests on batches that are not here' }
    return this.#logs.size < LOGS_MAX ? undefined : { type: 'bad', reason: `the document has more than ${LOGS_MAX} epochs` }
  }

  #append(batch: Batch): void {
    const log = this.#logs.get(batch.epoch) ?? new Log(batch.epoch, batch.base)
    log.append(this.#crypto, batch)
    this.#keep(log)
  }

  #keep(log: Log): void {
    if (this.#logs.has(log.epoch)) return
    this.#logs.set(log.epoch, log)
    this.#ordered = undefined
  }

  /** The clocks as they are now, which may run ahead of the document while a chunk is being judged. */
  #clocks(): { clockOf(epoch: number): number; advance(epoch: number, entries: number): void } {
    const document = this.#document
    const clocks = new Map<number, number>([...this.#logs.keys()].map((epoch) => [epoch, document.clockOf(epoch)]))
    return {
      clockOf: (epoch) => clocks.get(epoch) ?? 0,
      advance: (epoch, entries) => void clocks.set(epoch, (clocks.get(epoch) ?? 0) + entries),
    }
  }

  #rebuild(): void {
    this.#document = new Document()
    for (const log of this.logs()) {
      const batches = log.batches()
      const clocks = this.#clocks()
      const checked = batches.map((batch) => {
        const result = checkUpdate(batch.update, this.writer, batch.epoch, clocks)
        invariant(result.ok, 'what is in a log has passed the gate')
        clocks.advance(batch.epoch, result.checked.entries.length)
        return result.checked
      })
      for (let from = 0; from < checked.length; from += CHUNK) this.#document.apply(checked.slice(from, from + CHUNK), new Set())
    }
  }
}
