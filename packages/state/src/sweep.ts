/**
 * Sweeping: a delete is a mark, and a mark must stay while anybody may still come with something older. So every writer of a
 * partition acknowledges, in its own document, how much of the others it has seen. A mark that all have seen, and beside which
 * nobody has anything of that key, is left out of its writer's next fold; and so is what somebody else's newer entry outdoes. There
 * is no timer in it: who has not acknowledged holds everything up, until it does or is retired.
 *
 *     left out of a fold of W:  marks m   with nothing else of their key, and for all writers V ≠ W: ack(V)[W] ≥ m
 *                               entries e with an entry of the same key whose stamp is higher
 *
 * An acknowledgement stands in the log of its writer behind everything that was written before: who has it has all that is older
 * than the mark. The fold names what its writer held (`after`), and who holds less keeps the old logs until it does: there, too,
 * nothing comes back.
 */
import { Deadlines, type Instant, after } from '@causeway/protocol'
import type { LogPoint, WriterPoints } from './batch.ts'
import { ACK_KEY, type Acknowledged, type Entry } from './entry.ts'
import type { Live } from './fold.ts'
import { mergeEntries } from './merged-record.ts'
import type { Partition } from './partition.ts'
import type { ReplicatedDocument } from './replicated-document.ts'
import { compareStamps } from './stamp.ts'

/** Marks come in numbers; each of them is not worth a look. */
const LOOK_MS = 60_000

/** Which partitions to look at, and when. */
export class Sweeper {
  readonly #deadlines = new Deadlines<Partition>()
  readonly #waiting = new Set<Partition>()

  /** Marks have come, or been acknowledged. */
  look(now: Instant, partition: Partition): void {
    if (this.#waiting.has(partition)) return
    this.#waiting.add(partition)
    this.#deadlines.set(partition, after(now, LOOK_MS))
  }

  nextWake(): Instant | undefined {
    return this.#deadlines.next()
  }

  due(now: Instant): readonly Partition[] {
    const due = this.#deadlines.due(now)
    for (const partition of due) this.#waiting.delete(partition)
    return due
  }
}

/** All that is held of the other writers. */
export function othersOf(partition: Partition, own: ReplicatedDocument): WriterPoints[] {
  return [...partition.documents.values()]
    .filter((document) => document !== own)
    .map((document) => ({ writer: document.writer, points: document.frontier('applied') }))
    .filter(({ points }) => points.length > 0)
}

/** The same as an acknowledgement says it. */
export function acknowledgedBy(partition: Partition, own: ReplicatedDocument): Acknowledged {
  return othersOf(partition, own).map(({ writer, points }) => [writer, ...points.flatMap(({ epoch, seq }) => [epoch, seq])])
}

/** Marks of others that `own` has not acknowledged. */
export function unacknowledged(partition: Partition, own: ReplicatedDocument): number {
  let marks = 0
  for (const document of partition.documents.values()) {
    if (document === own) continue
    const seen = seenBy(own, document)
    for (const entry of entriesOf(document)) if (entry.kind === 'mark' && !isSeen(entry, seen)) marks += 1
  }
  return marks
}

/** What a fold of `own` may leave out. */
export function unneeded(partition: Partition, own: ReplicatedDocument): ReadonlySet<Entry> {
  const others = [...partition.documents.values()].filter((document) => document !== own && document.logs().length > 0)
  const seen = others.map((document) => seenBy(document, own))
  const gone = new Set<Entry>()
  for (const key of own.keys()) {
    const all = [own, ...others].flatMap((document) => document.all(key))
    const base = mergeEntries(all)?.base
    for (const entry of base ? own.all(key) : []) {
      const outdone = base !== undefined && compareStamps(entry, base) < 0
      const settled = entry.kind === 'mark' && all.length === 1 && seen.every((each) => isSeen(entry, each))
      if (outdone || settled) gone.add(entry)
    }
  }
  return gone
}

/** `live` less `entries`. */
export function without(live: Live, entries: ReadonlySet<Entry>): Live {
  return { keys: () => live.keys(), all: (key) => live.all(key).filter((entry) => !entries.has(entry)) }
}

/** How much of `document` the writer of `by` has acknowledged, by epoch. */
function seenBy(by: ReplicatedDocument, document: ReplicatedDocument): ReadonlyMap<number, number> {
  const newest = by
    .all(ACK_KEY)
    .reduce<Entry | undefined>((best, entry) => (best && compareStamps(entry, best) < 0 ? best : entry), undefined)
  const [, ...numbers] = (newest?.value as Acknowledged | undefined)?.find(([writer]) => writer === document.writer) ?? ['']
  const points: LogPoint[] = []
  for (let at = 0; at + 1 < numbers.length; at += 2) points.push({ epoch: numbers[at] ?? 0, seq: numbers[at + 1] ?? 0 })
  return document.closure(points)
}

function isSeen({ log, seq }: Entry, seen: ReadonlyMap<number, number>): boolean {
  return (seen.get(log) ?? 0) >= seq
}

function* entriesOf(document: ReplicatedDocument): Iterable<Entry> {
  for (const key of document.keys()) yield* document.all(key)
}
