/**
 * Tokens: how much of one partition somebody has seen, as text: by writer, a place in each of its logs. A write returns
 * one, and so does a watch of one partition; either holds at any replica.
 *
 *     p1:COLLECTION:PARTITION:WRITER:EPOCH.SEQ,EPOCH.SEQ:WRITER:…     numbers to base 36
 */
import { CausewayError, NAME_PATTERN } from '@causeway/protocol'
import { EPOCH_MAX, type LogPoint } from './batch.ts'
import { isNatural } from './entry.ts'
import { isCollection, isPartition } from './interest.ts'

const KIND = 'p1'
const CHARACTERS_MAX = 64 * 1024
/** Of one writer in a joined token: who went through so many starts has told everybody of those before. */
const EPOCHS_MAX = 8

export interface PartitionPoints {
  readonly collection: string
  readonly partition: string
  /** By writer. */
  readonly points: ReadonlyMap<string, readonly LogPoint[]>
}

export function encodeToken({ collection, partition, points }: PartitionPoints): string {
  const writers = [...points].flatMap(([writer, logs]) => [
    writer,
    logs.map(({ epoch, seq }) => `${epoch.toString(36)}.${seq.toString(36)}`).join(','),
  ])
  return [KIND, collection, partition, ...writers].join(':')
}

/** Throws `usage` for what is no token. */
export function decodeToken(token: string): PartitionPoints {
  const [kind, collection = '', partition = '', ...rest] = token.slice(0, CHARACTERS_MAX).split(':')
  if (kind !== KIND || !isCollection(collection) || !isPartition(partition) || rest.length % 2 !== 0) throw unreadable(token)
  const points = new Map<string, LogPoint[]>()
  for (let at = 0; at < rest.length; at += 2) {
    const writer = rest[at] ?? ''
    if (!NAME_PATTERN.test(writer)) throw unreadable(token)
    points.set(
      writer,
      (rest[at + 1] ?? '').split(',').map((text) => decodePoint(text, token)),
    )
  }
  return { collection, partition, points }
}

/** A token that names what all of these do, which are of one partition. Throws `usage` for what is no token. */
export function joinTokens(tokens: readonly string[]): string {
  const joined = new Map<string, LogPoint[]>()
  const all = tokens.map(decodeToken)
  for (const [writer, points] of all.flatMap((each) => [...each.points])) {
    const newest = new Map<number, number>()
    for (const { epoch, seq } of [...(joined.get(writer) ?? []), ...points]) newest.set(epoch, Math.max(seq, newest.get(epoch) ?? 0))
    const ends = [...newest].map(([epoch, seq]) => ({ epoch, seq })).toSorted((a, b) => b.epoch - a.epoch)
    joined.set(writer, ends.slice(0, EPOCHS_MAX))
  }
  const [first] = all
  return first ? encodeToken({ ...first, points: joined }) : ''
}

function decodePoint(text: string, token: string): LogPoint {
  const [epoch = NaN, seq = NaN, ...more] = text.split('.').map((part) => (/^[0-9a-z]+$/.test(part) ? parseInt(part, 36) : NaN))
  if (more.length > 0 || !isNatural(epoch, EPOCH_MAX) || !isNatural(seq, 2 ** 32)) throw unreadable(token)
  return { epoch, seq }
}

function unreadable(token: string): CausewayError {
  return new CausewayError(
    'usage',
    `${JSON.stringify(token.slice(0, 80))} is not a token`,
    'use the token of a write, a list or a watch as it is',
  )
}
