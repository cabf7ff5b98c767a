/** Why a write is refused, in words for people: the fault, and what to do. */
import { type MergedRecord, newestOf, revisionOfMerged } from './merged-record.ts'
import type { WriteChange, WriteOutcome } from './replica-contract.ts'

export function conflict(message: string, remedy: string): WriteOutcome {
  return { ok: false, code: 'conflict', message, remedy }
}

export function refused(message: string, remedy: string): WriteOutcome {
  return { ok: false, code: 'refused', message, remedy }
}

/** What a change demands of the record as it is; `current` only if the record exists. */
export function preconditionFault({ key, operation, revision }: WriteChange, current: MergedRecord | undefined): WriteOutcome | undefined {
  if (operation.type === 'create' && current) {
    return conflict(`${key} already exists, at revision ${revisionOfMerged(current)}`, 'Use update or put to change it.')
  }
  if (!current && (operation.type === 'update' || operation.type === 'delete' || operation.type === 'patch')) {
    const remedy = operation.type === 'delete' ? 'Check the key and the partition.' : 'Use create or put to make it.'
    return { ok: false, code: 'not-found', message: `${key} does not exist`, remedy }
  }
  if (operation.type === 'delete' && operation.asOf !== undefined && current && newestOf(current).ms > operation.asOf)
    return conflict(`${key} has been written since`, 'Read it again and repeat the change.')
  if (revision === undefined) return undefined
  if (!current) return conflict(`${key} does not exist, so it is not at revision ${revision}`, 'Read it again, or leave the revision out.')
  const now = revisionOfMerged(current)
  return now === revision ? undefined : conflict(`${key} is at revision ${now}, not ${revision}`, 'Read it again and repeat the change.')
}
