/**
 * Whose write was outdone by one that did not know of it. Both sides of a cut may write the same record; the higher stamp wins
 * everywhere, and the writer of the other is to hear of it: what it was told is done is not what readers see.
 *
 * An entry says how old the newest was that its writer knew of the record (`over`). If that is older than what we had written, it
 * did not know ours. If it is not, it knew ours, or something newer still, which is judged by itself when it comes.
 */
import { type Entry, compareEntries } from './entry.ts'
import type { Partition } from './partition.ts'
import type { ReplicaEffect } from './replica-contract.ts'
import { compareStamps, revisionOf } from './stamp.ts'

/** What `entry`, which another writer has brought, has done to a write of `self`, if there is something to tell. */
export function supersededBy(entry: Entry, partition: Partition, self: string): ReplicaEffect | undefined {
  const { key, kind, over } = entry
  const ours = partition.documents.get(self)?.all(key)
  if (!ours || ours.length === 0 || entry.writer === self || (kind !== 'put' && kind !== 'mark')) return undefined
  const own = ours.filter(({ writer }) => writer === self).reduce<Entry | undefined>(newer, undefined)
  if (!own || compareStamps(entry, own) < 0 || (over ?? 0) >= own.ms) return undefined
  for (const document of partition.documents.values()) {
    if (document.writer === self) continue
    // Outdone before; or the same once more, from a fold.
    if (document.all(key).some((other) => other !== entry && other.kind !== 'patch' && compareStamps(other, own) > 0)) return undefined
  }
  const { collection, name } = partition
  const [revision, winner] = [own, entry].map(revisionOf)
  return {
    type: 'event',
    name: 'superseded',
    data: { collection, partition: name, key, by: entry.writer, asOf: own.ms, revision: revision ?? '', winner: winner ?? '' },
  }
}

function newer(a: Entry | undefined, b: Entry): Entry {
  return a && compareEntries(a, b) > 0 ? a : b
}
