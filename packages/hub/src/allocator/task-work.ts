/**
 * What the allocator knows of a task beside its records: what is being done about it, and of a grant that the records do not show.
 * The hub that made such a grant did not live to tell, or is not heard here. The engine knows of it, the
 * node that runs the task under it tells so, and so does the record of the task, which others may have written again since. As
 * whoever has it may go on long after the lease has run out, nobody else is granted the task: the records may still show the
 * grant; if they do not, it is adopted, or if nobody knows whose it is, void.
 */
import { type Instant, type TaskToken, after } from '@causeway/protocol'
import type { LeaseAnswer, TaskParts } from '@causeway/node'

/** The records of a grant come within this time, or not at all. */
const UNSEEN_MS = 5_000

export interface UnseenGrant {
  /** `null`: nobody has told. */
  readonly node: string | null
  readonly token: TaskToken
  /** Since when we know of it. */
  readonly since: Instant
}

export interface Work {
  /** A grant is being made. */
  busy: boolean
  /** Not granted before this. */
  notBefore: Instant | undefined
  failures: number
  /** A node that has just given it back. */
  avoid: string | null
  /** Since when its node is called crashed without a break. */
  crashedAt: Instant | undefined
  unseen: UnseenGrant | undefined
}

export function newWork(): Work {
  return { busy: false, notBefore: undefined, failures: 0, avoid: null, crashedAt: undefined, unseen: undefined }
}

/** The latest grant above what the records show; `everywhere`: of all sites; `known`: what was found before. */
export function unseenGrant(
  now: Instant,
  { grant, claim }: TaskParts,
  everywhere: readonly TaskParts[],
  known: UnseenGrant | undefined,
): UnseenGrant | undefined {
  const shown = grant?.token ?? 0
  let latest = known && known.token > shown ? known : undefined
  if (claim > (latest?.token ?? shown)) latest = { node: null, token: claim, since: now }
  for (const [node, { value }] of everywhere.flatMap(({ statuses }) => [...statuses])) {
    const { state, token } = value
    if (state !== 'running') continue
    if (token > (latest?.token ?? shown)) latest = { node, token, since: now }
    else if (latest?.node === null && token === latest.token) latest = { ...latest, node }
  }
  return latest
}

export function adoptAt({ since }: UnseenGrant): Instant {
  return after(since, UNSEEN_MS)
}

/** Who has the task, or had it last, for whose sake the engine did not grant it. */
export function refusedFor(now: Instant, id: string, answer: LeaseAnswer): UnseenGrant | undefined {
  const held = answer.ok === false ? answer.leases.find(({ task }) => task === id) : undefined
  return held && { node: held.holder, token: held.token, since: now }
}
