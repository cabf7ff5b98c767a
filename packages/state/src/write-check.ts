/** What a write must be before it is even gathered: well formed, within bounds, and allowed to this node. */
import { type Limits, encodeRecord } from '@causeway/protocol'
import { type Birth, type Entry, MS_MAX, isNatural } from './entry.ts'
import { isCollection, isPartition } from './interest.ts'
import { isFields } from './merged-record.ts'
import { keyFault, labelsFault, plainDataFault } from './plain-data.ts'
import type { SharedWriteInput, WriteChange, WriteInput, WriteOperation, WriteOutcome } from './replica-contract.ts'
import { SHARED_COLLECTION } from './shared-gate.ts'
import { refused } from './write-outcome.ts'
import type { WriterCredential } from './writer-credentials.ts'

const CHANGES_MAX = 1_000
/** A hundred years. */
const TTL_MS_MAX = 100 * 365 * 86_400_000

/** What is wrong with what is asked for, whoever asks. */
interface Fault {
  readonly message: string
  readonly remedy: string
}

/** Why the write cannot be taken, or `undefined` if it can. */
export function writeRefusal(
  { collection, partition, changes }: WriteInput,
  credential: WriterCredential,
  wallMs: number,
  { recordBytesMax }: Limits,
): WriteOutcome | undefined {
  const fault = writeFault({ collection, partition, changes })
  if (fault) return refused(fault.message, fault.remedy)
  const denied = placeRefusal(collection, partition, credential, wallMs)
  if (denied) return denied
  const bytes = changes.reduce((sum, change) => sum + changeBytes(change), 0)
  if (bytes <= recordBytesMax) return undefined
  const what = changes.length === 1 ? 'the record has' : 'the changes have'
  return refused(`${what} ${bytes} bytes, more than ${recordBytesMax}`, 'Split it, or raise limits.recordBytesMax on all nodes.')
}

/** In a write that nobody could make anywhere. */
export function writeFault({
  collection,
  partition,
  changes,
}: Pick<WriteInput, 'collection' | 'partition' | 'changes'>): Fault | undefined {
  if (!isCollection(collection))
    return { message: `${collection} is not a collection name`, remedy: 'Use lower-case letters, digits, dots and hyphens.' }
  if (collection === SHARED_COLLECTION)
    return { message: `${collection} holds shared documents, not records`, remedy: 'Use another collection.' }
  if (!isPartition(partition)) return badPartition(partition)
  if (changes.length === 0 || changes.length > CHANGES_MAX)
    return { message: `a write of ${changes.length} changes`, remedy: `Write 1 to ${CHANGES_MAX} keys at once.` }
  for (const change of changes) {
    const fault = changeFault(change)
    if (fault) return fault
  }
  return undefined
}

/** `writeRefusal` of an update of a shared document. */
export function sharedRefusal(
  { name, update }: SharedWriteInput,
  { credential, scope }: Pick<WriterCredential, 'credential' | 'scope'>,
  wallMs: number,
  { recordBytesMax }: Limits,
): WriteOutcome | undefined {
  if (update.length > recordBytesMax)
    return refused(`the update has ${update.length} bytes, more than ${recordBytesMax}`, 'Edit in smaller steps.')
  if (!isPartition(name)) return refused(badPartition(name).message, badPartition(name).remedy)
  return placeRefusal(SHARED_COLLECTION, name, { credential, scope }, wallMs)
}

function placeRefusal(
  collection: string,
  partition: string,
  { credential, scope }: Pick<WriterCredential, 'credential' | 'scope'>,
  wallMs: number,
): WriteOutcome | undefined {
  if (!scope.matches(collection, partition)) {
    const remedy = `Renew its credential with --write '${collection}/${partition}'.`
    return refused(`${credential.name} may not write ${collection}/${partition}`, remedy)
  }
  return wallMs > credential.notAfterMs ? expired(credential.name) : undefined
}

function expired(name: string): WriteOutcome {
  return refused(`the credential of ${name} has expired`, 'Renew it with `causeway renew`, and start the node again.')
}

/**
 * Why an entry cannot be dated so, after `newest`, the latest that it replaces. Nobody takes a batch with an entry that is dated after
 * the end of its writer's credential, nor anything that the writer makes after that.
 */
export function stampRefusal(
  stamp: Birth,
  { credential }: Pick<WriterCredential, 'credential'>,
  newest?: Entry,
  stamps?: WriteInput['stamps'],
): WriteOutcome | undefined {
  const { name, notAfterMs } = credential
  const future = newest && newest.ms >= stamp.ms - 1 ? newest : undefined
  if (future && stamp.ms > (stamps?.untilMs ?? MS_MAX))
    return refused(
      `${future.key} carries a stamp from the future, written by ${future.writer}: nothing written now would win over it`,
      `Set the clocks of ${future.writer} and ${name} right.`,
    )
  if (stamps && stamp.ms > stamps.untilMs) return refused('the write came too late: its time has passed', 'Try again.')
  if (stamp.ms <= notAfterMs) return undefined
  if (!future) return expired(name)
  return refused(
    `${future.key} carries a stamp from the future, written by ${future.writer}, after the end of the credential of ${name}: nobody would take what ${name} writes over it`,
    `Set the clock of ${future.writer} right, and let it delete the record, or a node whose credential ends later.`,
  )
}

export function changeBytes({ key, operation }: WriteChange): number {
  return encodeRecord([key, operation.type === 'delete' ? null : [operation.value, operation.labels]]).length
}

function badPartition(partition: string): Fault {
  return { message: `${partition} is not a partition`, remedy: 'Use one to four names joined by slashes.' }
}

function changeFault({ key, operation }: WriteChange): Fault | undefined {
  const badKey = keyFault(key)
  if (badKey) return { message: `the key ${badKey}`, remedy: 'Use 1 to 512 characters without control characters.' }
  if (operation.type === 'delete') return undefined
  const badValue = plainDataFault(operation.value)
  if (badValue) return { message: `the value ${badValue}`, remedy: 'Write plain JSON.' }
  if (operation.type === 'patch' && !isFields(operation.value))
    return { message: 'the patch is not a map of fields', remedy: 'Send a JSON object.' }
  const badLabels = operation.labels === undefined ? undefined : labelsFault(settable(operation))
  if (badLabels) return { message: `the labels ${badLabels}`, remedy: 'Use at most 64 short strings.' }
  if (
    operation.type !== 'patch' &&
    operation.ttlMs !== undefined &&
    !(operation.ttlMs > 0 && isNatural(Math.ceil(operation.ttlMs), TTL_MS_MAX))
  )
    return {
      message: `a time to live of ${operation.ttlMs} ms is out of range`,
      remedy: 'Use more than nothing, and at most a hundred years.',
    }
  return undefined
}

/** The labels that are set, not those that are removed. */
function settable({ labels }: Exclude<WriteOperation, { type: 'delete' }>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(labels ?? {}).filter(([, text]) => text !== null))
}
