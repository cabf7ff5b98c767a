/**
 * What a token names, and what has happened since: how far the documents of one partition had come that readers were shown. It
 * holds at any replica, since documents are the same everywhere as far as they have come.
 */
import { CausewayError } from '@causeway/protocol'
import type { LogPoint } from './batch.ts'
import type { Documents } from './documents.ts'
import type { Shown } from './partition.ts'
import { decodeToken, encodeToken } from './token.ts'

export function tokenOf(documents: Documents, collection: string, partition: string): string {
  const points = new Map<string, LogPoint[]>()
  for (const [writer, document] of documents.partition(collection, partition)?.documents ?? []) {
    const ends = document.frontier('shown')
    if (ends.length > 0) points.set(writer, ends)
  }
  return encodeToken({ collection, partition, points })
}

/** Whether readers here are shown all that the token names. Throws `usage` if it is none. */
export function coversToken(documents: Documents, token: string): boolean {
  const { collection, partition, points } = decodeToken(token)
  const found = documents.partition(collection, partition)
  return [...points].every(([writer, ends]) => {
    const sealed = found?.seals.get(writer) ?? 0
    return ends.every((end) => end.epoch <= sealed || (found?.documents.get(writer)?.shows(end) ?? false))
  })
}

/** See `changedSince` of the replica. */
export function changedSince(documents: Documents, collection: string, partition: string, token: string): Shown[] | undefined {
  const { points, ...of } = decodeToken(token)
  if (of.collection !== collection || of.partition !== partition) {
    const told = `the token is of ${of.collection}/${of.partition}, not of ${collection}/${partition}`
    throw new CausewayError('usage', told, 'use it where it came from')
  }
  const found = documents.partition(collection, partition)
  const seen = new Map([...points].map(([writer, ends]) => [writer, found?.documents.get(writer)?.closure(ends)]))
  const covered = (writer: string, { epoch, seq }: LogPoint): boolean => (seen.get(writer)?.get(epoch) ?? 0) >= seq
  for (const { writer, foldLog } of found?.documents.values() ?? [])
    if (foldLog?.head.more && !covered(writer, { epoch: foldLog.epoch, seq: foldLog.head.parts })) return undefined
  return found?.changedSince((point) => covered(point.writer, point)) ?? []
}
