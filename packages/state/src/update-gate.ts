/**
 * The gate before Yjs: an update from outside is decoded and judged before it is applied, because what Yjs has
 * integrated cannot be taken out again, and some updates that Yjs reads without complaint would hang, hide or
 * rewrite content.
 *
 * A document's writer only ever appends entries at the end of one root and deletes earlier ones. So anything but
 * plain content appended to that root under the log's own epoch, and deletes of what was there before, is refused. (Yjs makes
 * GC structs only for nested types, which are refused, so a GC struct is refused as well.)
 */
import type { Batch, HeadMore, LogHead } from './batch.ts'
import { type CheckedUpdate, type DecodedStruct, type DecodedUpdate, decodeUpdate, isEntriesRoot } from './document.ts'
import { type Content, type Entry, decodeContent, entryAt } from './entry.ts'

const STRUCTS_MAX = 1_000
const ENTRIES_MAX = 2_000
const DELETE_RANGES_MAX = 2_000

export type GateResult = { readonly ok: true; readonly checked: CheckedUpdate } | { readonly ok: false; readonly reason: string }

/** How far the document goes: entries appended so far per epoch. */
export interface KnownClocks {
  clockOf(epoch: number): number
}

/** The part of a batch that counts here, and of the head of its log. */
export interface UpdateOrigin extends Pick<Batch, 'update' | 'writer' | 'epoch' | 'seq'> {
  readonly head: Pick<LogHead, 'parts' | 'more'> | undefined
}

/** Judges the update of `batch`, which claims to continue its log where `known` ends. Never throws. */
export function checkUpdate({ update, writer, epoch, seq, head }: UpdateOrigin, known: KnownClocks): GateResult {
  const decoded = decodeUpdate(update)
  if (!decoded) return refused('the update cannot be decoded')
  if (decoded.structs.length > STRUCTS_MAX) return refused(`the update has more than ${STRUCTS_MAX} structs`)
  if (decoded.deletes.length > DELETE_RANGES_MAX) return refused(`the update has more than ${DELETE_RANGES_MAX} delete ranges`)
  // Only a fold may be: of a document in which nothing is left.
  if (decoded.structs.length + decoded.deletes.length === 0 && !head?.parts) return refused('the update is empty')

  const entries: Entry[] = []
  let clock = known.clockOf(epoch)
  for (const struct of decoded.structs) {
    const fault = structFault(struct, epoch, clock, known)
    if (fault) return refused(fault)
    if (entries.length + struct.length > ENTRIES_MAX) return refused(`the update has more than ${ENTRIES_MAX} entries`)
    for (const tuple of struct.content) {
      const content = decodeContent(tuple)
      if (typeof content === 'string') return refused(content)
      const alien = originFault(content, epoch, head?.more)
      if (alien) return refused(alien)
      entries.push(entryAt(content, { author: writer, log: epoch, seq, clock: clock++ }))
    }
  }
  const fault = deletesFault(decoded, known)
  return fault ? refused(fault) : { ok: true, checked: { update, entries, deletes: decoded.deletes } }
}

/** What is wrong with where an entry says that it comes from. */
function originFault({ writer, epoch }: Content, log: number, more: HeadMore | undefined): string | undefined {
  if (writer === undefined) return epoch !== undefined && epoch >= log ? 'an entry was first written in a later log' : undefined
  const isRetired = epoch !== undefined && more?.seals.some((seal) => seal.writer === writer)
  return isRetired ? undefined : `an entry is of ${writer}, who is not retired by this log`
}

function structFault(struct: DecodedStruct, epoch: number, clock: number, known: KnownClocks): string | undefined {
  if (struct.epoch !== epoch) return `a struct is of epoch ${struct.epoch}, not of the log's ${epoch}`
  if (struct.clock !== clock) return `a struct starts at ${struct.clock} where ${clock} comes next`
  if (struct.kind !== 'content' || struct.length === 0) return 'a struct is not plain content'
  if (struct.keyed || struct.before) return 'a struct is not appended to a list'
  if (struct.root === undefined ? !struct.after : !isEntriesRoot(struct.root)) return 'a struct is not in the root of entries'
  if (!struct.after) return undefined
  const end = struct.after.epoch === epoch ? clock : known.clockOf(struct.after.epoch)
  return struct.after.clock < end ? undefined : 'a struct comes after one that is not known'
}

function deletesFault(decoded: DecodedUpdate, known: KnownClocks): string | undefined {
  for (const range of decoded.deletes) {
    if (range.length < 1 || range.clock + range.length > known.clockOf(range.epoch)) return 'a delete goes beyond what is known'
  }
  return undefined
}

function refused(reason: string): GateResult {
  return { ok: false, reason }
}
