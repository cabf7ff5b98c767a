/**
 * Folding: a document whose log has grown far beyond what is live in it is written once more, as a log that holds only
 * what is live, in parts that travel like any batch. It is what keeps memory, disk and a cold join near the size of the
 * records, however often they are overwritten.
 */
import { encodeRecord } from '@causeway/protocol'
import { wallMsOf } from './batch.ts'
import { storedBytes } from './batch-store.ts'
import { ACK_KEY, type Content, type Entry, compareEntries, contentOf, encodeContent, markContent } from './entry.ts'
import { mergeEntries } from './merged-record.ts'
import type { ReplicatedDocument } from './replicated-document.ts'

/**
 * A log may take so many times as much of the disk as what is live. The fold is written to a new file beside the old one: both
 * together, and the room that LMDB keeps in them, stay below 3.
 */
const RATIO = 1.4
/**
 * And in bytes it may be so many times as long while its writer does nothing to it. What is not in a fold compresses badly: who joins
 * read 1.31 times the zstd of the records when this was 1.05, and 1.37 at 1.2.
 */
const QUIET_RATIO = 1.02
const PART_ENTRIES_MAX = 500
const PART_BYTES_MAX = 48 * 1024

export function isFoldDue(document: ReplicatedDocument, bytesMin: number): boolean {
  return !document.isShared && document.logBytes >= bytesMin && document.storedBytes >= RATIO * storedBytes(document.liveBytes)
}

/** Nothing has been written for a while: whoever joins now should not have to read much more than what is live. */
export function isQuietFoldDue(document: ReplicatedDocument, bytesMin: number): boolean {
  const { logBytes } = document
  return !document.isShared && logBytes >= bytesMin && logBytes >= QUIET_RATIO * document.liveBytes
}

/** What is live: of a document, or of several, or of less than one. */
export interface Live {
  keys(): Iterable<string>
  all(key: string): readonly Entry[]
}

/** What is live of two documents; of the puts and marks of a key only the newest. What `other` has acknowledged it alone has. */
export function together(own: Live, other: Live): Live {
  return {
    keys: () => new Set([...own.keys(), ...[...other.keys()].filter((key) => key !== ACK_KEY)]),
    all: (key) => {
      const entries = key === ACK_KEY ? own.all(key) : [...own.all(key), ...other.all(key)]
      const base = mergeEntries(entries)?.base
      return entries.filter((entry) => entry === base || entry.kind === 'patch' || entry.kind === 'ack')
    },
  }
}

/**
 * What is live now, sorted by key, and at least one part, each made when it is asked for; it depends on that and on the epoch only,
 * so that others can make it as well. What had expired when the fold was begun is only marked as gone.
 */
export function foldChunks(document: Live, epoch: number, author: string): Iterable<Content[]> {
  return chunksOf(
    [...document.keys()].sort().flatMap((key) => [...document.all(key)].sort(compareEntries)),
    wallMsOf(epoch),
    author,
  )
}

function* chunksOf(entries: readonly Entry[], wallMs: number, author: string): Generator<Content[], void> {
  let chunk: Content[] = []
  let bytes = 0
  for (const entry of entries) {
    const expired = entry.expiresMs !== undefined && entry.expiresMs <= wallMs
    const said = contentOf(entry, author)
    const content = expired ? { ...markContent(said), epoch: said.epoch, writer: said.writer } : said
    const size = encodeRecord(encodeContent(content)).length
    if (chunk.length > 0 && (chunk.length >= PART_ENTRIES_MAX || bytes + size > PART_BYTES_MAX)) {
      yield chunk
      chunk = []
      bytes = 0
    }
    chunk.push(content)
    bytes += size
  }
  if (chunk.length > 0 || entries.length === 0) yield chunk
}
