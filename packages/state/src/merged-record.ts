/**
 * A record as it is merged from the entries of all writers. The put or mark with the highest stamp decides whether it
 * exists, and what it is; patches of the same life of the record are laid over it, field by field, each field by the
 * highest stamp. Neither depends on the order in which entries arrive.
 */
import type { RecordView } from '@causeway/protocol'
import { type Entry, type FieldPatch, compareEntries } from './entry.ts'
import { type Stamp, compareStamps, revisionOf } from './stamp.ts'

export interface MergedRecord {
  /** The winning put or mark. */
  readonly base: Entry
  /** Those that change it, oldest first. */
  readonly patches: readonly Entry[]
}

const NO_PATCHES: readonly Entry[] = Object.freeze([])

/** Merges the live entries of one key; `undefined` if there is no put or mark among them. */
export function mergeEntries(entries: readonly Entry[]): MergedRecord | undefined {
  let base: Entry | undefined
  for (const entry of entries)
    if ((entry.kind === 'put' || entry.kind === 'mark') && (!base || compareEntries(entry, base) > 0)) base = entry
  if (!base) return undefined
  if (entries.length === 1 || base.kind === 'mark') return { base, patches: NO_PATCHES }
  const { birth } = base
  const patches = entries.filter((entry) => {
    if (entry.kind !== 'patch' || entry.birth.ms !== birth.ms || entry.birth.counter !== birth.counter) return false
    return compareStamps(entry, base) > 0
  })
  patches.sort(compareEntries)
  // While a fold arrives a patch is there twice.
  return { base, patches: patches.filter((patch, at) => compareStamps(patch, patches[at + 1] ?? base) !== 0) }
}

/** The newest entry that made the record what it is. */
export function newestOf({ base, patches }: MergedRecord): Entry {
  return patches.at(-1) ?? base
}

/** Different for every state of a record. */
export function revisionOfMerged({ base, patches }: MergedRecord): string {
  // Each patch alone may be newer than one that arrives after it, so all of them name the state.
  return patches.length === 0 ? revisionOf(base) : [base, ...patches].map(revisionOf).join('+')
}

/** Whether both have the same revision, without making it. */
export function isSameState(one: MergedRecord, other: MergedRecord): boolean {
  if (one.patches.length !== other.patches.length || compareStamps(one.base, other.base) !== 0) return false
  return one.patches.every((patch, at) => compareStamps(patch, other.patches[at] ?? one.base) === 0)
}

/** `undefined` for a record that was deleted. `revision`: of this state. */
export function viewOf(merged: MergedRecord, partition: string, revision: string): RecordView | undefined {
  const { base } = merged
  if (base.kind === 'mark') return undefined
  const { writer, ms } = newestOf(merged)
  const { value, labels } = layered(merged)
  const view = {
    key: base.key,
    partition,
    value,
    labels,
    revision,
    writer,
    asOf: ms,
  }
  return base.expiresMs === undefined ? view : { ...view, expiresAt: base.expiresMs }
}

function layered({ base, patches }: MergedRecord): { readonly value: unknown; readonly labels: Readonly<Record<string, string>> } {
  if (patches.length === 0) return base
  const labels = layer(base, base.labels, patches, ({ labelFields }) => labelFields) as Record<string, string>
  // What is not a record of fields cannot be patched: whoever put it later than the patcher knew has the word.
  if (!isFields(base.value)) return { value: base.value, labels }
  return { value: layer(base, base.value, patches, ({ fields }) => fields), labels }
}

export function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function layer(
  base: Stamp,
  ground: Readonly<Record<string, unknown>>,
  patches: readonly Entry[],
  fieldsOf: (patch: Entry) => readonly FieldPatch[],
): Record<string, unknown> {
  const newest = new Map<string, Stamp & FieldPatch>()
  for (const patch of patches) {
    for (const field of fieldsOf(patch)) {
      const stamped = { ...field, writer: patch.writer, epoch: patch.epoch }
      const other = newest.get(field.name)
      if (compareStamps(stamped, base) > 0 && (!other || compareStamps(stamped, other) > 0)) newest.set(field.name, stamped)
    }
  }
  const fields = { ...ground }
  for (const { name, value } of newest.values()) {
    if (value === undefined) delete fields[name]
    else fields[name] = value
  }
  return fields
}
