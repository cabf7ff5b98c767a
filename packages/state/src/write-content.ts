/** What a write comes to: the entry that takes the place of what its writer had said of the record before. */
import { type Birth, type Content, type Entry, type FieldPatch, NO_LABELS, markContent, patchContent, putContent } from './entry.ts'
import { mergePatch } from './merge-patch.ts'
import { type MergedRecord, isFields, newestOf, viewOf } from './merged-record.ts'
import type { WriteChange } from './replica-contract.ts'
import { compareStamps } from './stamp.ts'

/** What there is of the record. */
export interface RecordBefore {
  /** `undefined` if it does not exist. */
  readonly current: MergedRecord | undefined
  /** What is in the same batch already. */
  readonly before: Content | undefined
  /** What is in the document of the writer. */
  readonly own: readonly Entry[]
  readonly wallMs: number
}

/** Returns why the change cannot be made, if it cannot. */
export function contentAfter(
  { operation }: WriteChange,
  head: { readonly key: string; readonly ms: number; readonly counter: number },
  { current, before, own, wallMs }: RecordBefore,
): Content | string {
  if (operation.type === 'delete') {
    const { ms, counter } = operation.asOf === undefined || !current ? head : next(newestOf(current), own)
    return markContent({ key: head.key, ms, counter })
  }
  if (operation.type !== 'patch') {
    const expiresMs = operation.ttlMs === undefined ? undefined : Math.ceil(wallMs + operation.ttlMs)
    return putContent(head, operation.value, operation.labels ?? NO_LABELS, current?.base.birth, expiresMs)
  }
  const view = current && viewOf(current, '', '')
  if (!current || !view || !isFields(view.value)) return `${head.key} is not a map of fields, so it cannot be patched`
  const { birth, expiresMs } = current.base
  const { value, labels } = operation
  if (before?.kind === 'put') {
    const laidLabels = mergePatch(view.labels, labels ?? {}) as Record<string, string>
    return putContent(head, mergePatch(view.value, value), laidLabels, birth, expiresMs)
  }
  // More than one only of somebody whose place this writer has taken.
  const patches = (before ? [before] : own).filter(
    (entry) => entry.kind === 'patch' && entry.birth.ms === birth.ms && entry.birth.counter === birth.counter,
  )
  const laid = (older: readonly FieldPatch[], change: Readonly<Record<string, unknown>>): FieldPatch[] => [
    ...newestFields(older).filter(({ name, ms }) => !Object.hasOwn(change, name) && ms >= current.base.ms),
    ...Object.entries(change).map(([name, field]) => ({ name, ms: head.ms, counter: head.counter, value: field ?? undefined })),
  ]
  const fields = laid(
    patches.flatMap((patch) => patch.fields),
    value,
  )
  const labelFields = laid(
    patches.flatMap((patch) => patch.labelFields),
    labels ?? {},
  )
  return patchContent(head, birth, fields, labelFields)
}

/**
 * Above that, and below whatever its reader writes: a clock that has seen it stands there, and has ticked in between. Also above what its
 * writer has said of an earlier life of the record, which may be later by the clock: nobody takes an entry that deletes a newer one.
 */
function next(newest: Entry, own: readonly Entry[]): Birth {
  const { ms, counter } = own.reduce((latest, entry) => (compareStamps(entry, latest) > 0 ? entry : latest), newest)
  return { ms, counter: counter + 1 }
}

function newestFields(fields: readonly FieldPatch[]): FieldPatch[] {
  const newest = new Map<string, FieldPatch>()
  for (const field of fields) {
    const other = newest.get(field.name)
    if (!other || field.ms > other.ms || (field.ms === other.ms && field.counter > other.counter)) newest.set(field.name, field)
  }
  return [...newest.values()]
}
