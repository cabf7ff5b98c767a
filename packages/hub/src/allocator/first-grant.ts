/**
 * The first grant of a task, before anything of it is written down. If somebody can take it now it is won for that node, so
 * that the task and its grant are one write: one flush, and one record less on every line. Else it says why it waits.
 */
import type { Instant, TaskToken } from '@causeway/protocol'
import type { TaskParts } from '@causeway/node'
import type { AllocatorSurroundings } from './allocator-surroundings.ts'
import type { Grant } from './ledger.ts'

/** An id that was drawn when it was submitted: nobody had it before. */
export const RANDOM_ID: RegExp = /^t-[0-9a-f]{24}$/

export interface Submitted {
  /** Of the right to create it. */
  readonly token: TaskToken
  readonly reason: string
}

/** What is to be written down, and at which site; `written` is to be told whether it is durable. */
export type Born = (now: Instant, grant: Grant, site: string, written: (now: Instant, ok: boolean) => void) => void

const CONDITIONS = { to: null, not: null } as const

export function firstGrant(
  now: Instant,
  { placement, engine, grantsFrom, leads }: AllocatorSurroundings,
  draft: TaskParts,
  { token, reason }: Submitted,
  done: Born,
): void {
  const { id, site } = draft
  const waits: Grant = { phase: 'initialised', token, node: null, reason, goal: null, to: null }
  // Who grants it later: the first hub by name, or we when that is known to be free.
  if (!leads() || (now < grantsFrom && !RANDOM_ID.test(id))) return done(now, waits, site, () => {})
  const place = placement.choose(now, draft, CONDITIONS)
  if (!place) return done(now, { ...waits, reason: placement.whyNot(now, draft, CONDITIONS) }, site, () => {})
  const release = (): void => placement.pool.reserve(id, null, undefined)
  placement.pool.reserve(id, place.node, draft.task)
  engine.call(now, { op: 'grant', task: id, holder: place.node, expected: null, seen: token }, (at, answer) => {
    const won = answer.ok ? answer.leases.find(({ task }) => task === id) : undefined
    if (!won) {
      release()
      return done(at, waits, site, () => {})
    }
    const grant: Grant = { ...waits, phase: 'allocated', token: won.token, node: place.node, reason: `placed at ${place.site}` }
    done(at, grant, place.site, (_, ok) => {
      if (!ok) release()
    })
  })
}
