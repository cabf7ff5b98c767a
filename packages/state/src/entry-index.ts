/**
 * Which entries of a document are live, by key and by place, so that neither reads nor deletes ever scan.
 *
 * What is live is everything that was appended less everything that was deleted: a set, whatever the order in which
 * epochs arrived. A writer keeps one put or mark and one patch per key; after a restored backup, and while a fold is
 * arriving, there may be two for a while, and the newer one counts.
 */
import { encodedSize } from './encoded-size.ts'
import { type Entry, compareEntries, contentOf, encodeContent } from './entry.ts'

/** Entries `clock` to `clock + length - 1` of an epoch. */
export interface DeleteRange {
  readonly epoch: number
  readonly clock: number
  readonly length: number
}

export class EntryIndex {
  readonly #byKey = new Map<string, Entry[]>()
  readonly #byPlace = new Map<number, Map<number, Entry>>()
  #size = 0
  #bytes = 0

  get size(): number {
    return this.#size
  }

  /** Of all entries as a fold would write them, without what is around them. */
  get bytes(): number {
    return this.#bytes
  }

  /** The newest live put or mark of `key`. */
  get(key: string): Entry | undefined {
    const entries = this.#byKey.get(key)
    if (!entries) return undefined
    const [only] = entries
    if (only && entries.length === 1) return only.kind === 'patch' ? undefined : only
    return entries.reduce<Entry | undefined>((best, entry) => {
      if (entry.kind === 'patch') return best
      return !best || compareEntries(entry, best) > 0 ? entry : best
    }, undefined)
  }

  /** All live entries of `key`, patches included. */
  all(key: string): readonly Entry[] {
    return this.#byKey.get(key) ?? []
  }

  keys(): Iterable<string> {
    return this.#byKey.keys()
  }

  add(entry: Entry): void {
    let places = this.#byPlace.get(entry.log)
    if (!places) this.#byPlace.set(entry.log, (places = new Map()))
    places.set(entry.clock, entry)
    this.#size += 1
    this.#bytes += bytesOf(entry)
    const entries = this.#byKey.get(entry.key)
    if (entries) entries.push(entry)
    else this.#byKey.set(entry.key, [entry])
  }

  /** What is live in the range. */
  within(range: DeleteRange): Entry[] {
    const places = this.#byPlace.get(range.epoch)
    if (!places) return []
    const end = range.clock + range.length
    if (range.length > places.size) return [...places.values()].filter(({ clock }) => clock >= range.clock && clock < end)
    const entries: Entry[] = []
    for (let clock = range.clock; clock < end; clock++) {
      const entry = places.get(clock)
      if (entry) entries.push(entry)
    }
    return entries
  }

  remove(entry: Entry): void {
    if (!this.#byPlace.get(entry.log)?.delete(entry.clock)) return
    this.#size -= 1
    this.#bytes -= bytesOf(entry)
    const left = this.all(entry.key).filter((other) => other !== entry)
    if (left.length === 0) this.#byKey.delete(entry.key)
    else this.#byKey.set(entry.key, left)
  }
}

function bytesOf(entry: Entry): number {
  return encodedSize(encodeContent(contentOf(entry, entry.author)))
}
