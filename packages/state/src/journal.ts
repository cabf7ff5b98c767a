/**
 * What has lately changed for readers of this replica, in the order in which it was shown: enough to go on with a watch
 * where it broke off, and to tell the history of a record. It is kept in memory and begins anew with the process.
 *
 *  1. Positions count up from 1, one for each change; `end` is that of the last.
 *  2. `after(position)` gives every change past the position, or says that some of them are gone: never a part.
 *  3. At most `journalChangesMax` changes and about `journalBytesMax` bytes are kept, none longer than `journalMs`.
 */
import { type Instant, type Limits, type Random, type RecordChangeType, type RecordView } from '@causeway/protocol'
import { approximateBytes } from './approximate-bytes.ts'

export type JournalLimits = Pick<Limits, 'journalMs' | 'journalChangesMax' | 'journalBytesMax'>

export interface JournalChange {
  readonly collection: string
  readonly change: RecordChangeType
  readonly record: RecordView
  /** As readers saw it before; `undefined` if it is new to them. */
  readonly previous: RecordView | undefined
  readonly at: Instant
  /** Wall clock, milliseconds since 1970. */
  readonly wallMs: number
}

/** A partition that is no longer held. */
interface JournalUnsynced extends Pick<JournalChange, 'collection' | 'at' | 'wallMs'> {
  readonly change: 'UNSYNCED'
  readonly partition: string
}

export type JournalEntry = JournalChange | JournalUnsynced

type Kept = JournalEntry & { readonly bytes: number }

/** Of an entry besides what is in its record. */
const CHANGE_BYTES = 200
/** How many dropped entries may lie before the others until they are cut off. */
const SLACK = 1_024

export class Journal {
  /** Tells this journal from that of another process, or of another node. */
  readonly id: string
  readonly #limits: JournalLimits
  #changes: Kept[] = []
  /** Index of the oldest that is kept, and its position. */
  #head = 0
  #first = 1
  #bytes = 0
  #sinceMs: number

  constructor(limits: JournalLimits, random: Random, wallMs: number) {
    this.#limits = limits
    this.id = random.uint32().toString(36) + random.uint32().toString(36)
    this.#sinceMs = wallMs
  }

  get end(): number {
    return this.#first + this.#changes.length - this.#head - 1
  }

  /** About how much memory it takes. */
  get bytes(): number {
    return this.#bytes
  }

  /** Wall clock, milliseconds since 1970: every change since then is there. */
  get sinceMs(): number {
    return this.#sinceMs
  }

  add(change: JournalEntry): void {
    const bytes = CHANGE_BYTES + (change.change === 'UNSYNCED' ? 0 : approximateBytes(change.record))
    this.#changes.push({ ...change, bytes })
    this.#bytes += bytes
    this.trim(change.at)
  }

  /** Drops what is too old, or too much. */
  trim(now: Instant): void {
    const { journalMs, journalChangesMax, journalBytesMax } = this.#limits
    for (let oldest = this.#changes[this.#head]; oldest; oldest = this.#changes[this.#head]) {
      const tooMany = this.#changes.length - this.#head > journalChangesMax || this.#bytes > journalBytesMax
      if (!tooMany && now - oldest.at <= journalMs) break
      this.#bytes -= oldest.bytes
      this.#sinceMs = oldest.wallMs
      this.#head += 1
      this.#first += 1
    }
    if (this.#head < SLACK || this.#head * 2 < this.#changes.length) return
    this.#changes = this.#changes.slice(this.#head)
    this.#head = 0
  }

  /** All changes past `position`, oldest first; `undefined` if they are not all here. */
  after(position: number): readonly JournalEntry[] | undefined {
    if (!Number.isSafeInteger(position) || position < this.#first - 1 || position > this.end) return undefined
    return this.#changes.slice(this.#head + position + 1 - this.#first)
  }

  /** What is kept of one record, oldest first. */
  history(collection: string, partition: string, key: string): readonly JournalChange[] {
    const changes: JournalChange[] = []
    for (let at = this.#head; at < this.#changes.length; at++) {
      const change = this.#changes[at] as Kept
      if (change.change === 'UNSYNCED') continue
      const { record } = change
      if (record.key === key && record.partition === partition && change.collection === collection) changes.push(change)
    }
    return changes
  }
}
