/**
 * Folding: a document whose log has grown far beyond what is live in it is written once more, as a log that holds only
 * what is live, in parts that travel like any batch. It is what keeps memory, disk and a cold join near the size of the
 * records, however often they are overwritten.
 */
import { encodeRecord } from '@causeway/protocol'
import { wallMsOf } from './batch.ts'
import { type Content, type Entry, compareEntries, contentOf, encodeContent, markContent } from './entry.ts'
import type { ReplicatedDocument } from './replicated-document.ts'

/** A log may grow to so many times what is live; and to this while its writer does nothing to it. */
const RATIO = 3
const QUIET_RATIO = 1.2
const PART_ENTRIES_MAX = 500
const PART_BYTES_MAX = 48 * 1024

export function isFoldDue(document: ReplicatedDocument, bytesMin: number): boolean {
  const { logBytes } = document
  if (logBytes < Math.max(bytesMin, document.foldDueBytes)) return false
  // To know what is live costs as much as to write it: not asked with every batch.
  document.foldDueBytes = RATIO * document.encodedBytes()
  return logBytes >= document.foldDueBytes
}

/** Nothing has been written for a while: whoever joins now should not have to read much more than what is live. */
export function isQuietFoldDue(document: ReplicatedDocument, bytesMin: number): boolean {
  const { logBytes } = document
  return logBytes >= bytesMin && logBytes >= QUIET_RATIO * document.encodedBytes()
}

/** What a fold holds: depends on what is live and on the epoch of the fold only, so that others can make it as well. */
interface Live {
  keys(): Iterable<string>
  all(key: string): readonly Entry[]
}

/** What is live, sorted by key. What had expired when the fold was begun is only marked as gone. */
export function foldChunks(document: Live, epoch: number): Content[][] {
  const wallMs = wallMsOf(epoch)
  const chunks: Content[][] = []
  let chunk: Content[] = []
  let bytes = 0
  for (const key of [...document.keys()].sort()) {
    for (const entry of [...document.all(key)].sort(compareEntries)) {
      const expired = entry.expiresMs !== undefined && entry.expiresMs <= wallMs
      const content = expired ? { ...markContent(entry), epoch: entry.epoch } : contentOf(entry)
      const size = encodeRecord(encodeContent(content)).length
      if (chunk.length > 0 && (chunk.length >= PART_ENTRIES_MAX || bytes + size > PART_BYTES_MAX)) {
        chunks.push(chunk)
        chunk = []
        bytes = 0
      }
      chunk.push(content)
      bytes += size
    }
  }
  if (chunk.length > 0) chunks.push(chunk)
  return chunks
}
