/** A write of this node as it waits for its answer: for the disk, or for others to have it. */
import type { LogPoint } from './batch.ts'
import type { WriteInput, WriteOutcome, WrittenEffect } from './replica-contract.ts'
import type { ReplicatedDocument } from './replicated-document.ts'
import { encodeToken } from './token.ts'

export interface OwnWrite {
  readonly effect: WrittenEffect
  readonly durability: 'local' | 'site' | 'hub'
  /** Where it lies; `undefined` for a refusal. */
  readonly document: ReplicatedDocument | undefined
  readonly point: LogPoint | undefined
}

/** A refusal, or an answer that holds at once. */
export function answered({ request, durability = 'local' }: WriteInput, result: WriteOutcome): OwnWrite {
  return { effect: { type: 'written', request, result }, durability, document: undefined, point: undefined }
}

export function accepted(
  input: WriteInput,
  document: ReplicatedDocument,
  { epoch, seq }: LogPoint,
  items: readonly { readonly key: string; readonly revision: string }[],
): OwnWrite {
  const { collection, partition } = input
  const token = encodeToken({ collection, partition, points: new Map([[document.writer, [{ epoch, seq }]]]) })
  return { ...answered(input, { ok: true, partition, items, token }), document, point: { epoch, seq } }
}
