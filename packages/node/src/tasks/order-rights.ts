/**
 * Who may order what. The tasks of a site are records of its partition: whoever may write `tasks` of the site that a task is wanted
 * at, or of the one that it is at, may order for it. What counts is what the authority has signed, nothing that a node says of itself.
 */
import { type Refusal, TASK_COLLECTIONS, type TaskOrder } from '@causeway/protocol'
import { matchesInterest } from '@causeway/state'
import type { Orderer } from './task-host.ts'
import type { TaskParts } from './task-parts.ts'
import { refusal } from './task-update.ts'

type Submission = Extract<TaskOrder, { type: 'submit' }>

/** Where a submission wants its task to be. */
export function siteWanted({ site, near }: Submission, by: Orderer): string {
  return site ?? near ?? by.site
}

export function submissionRefusal(order: Submission, by: Orderer): Refusal | undefined {
  return placeRefusal(by, siteWanted(order, by))
}

/** Of a task that is there. */
export function changeRefusal(by: Orderer, { site, task }: TaskParts): Refusal | undefined {
  const wanted = task?.value.site ?? task?.value.near ?? site
  return mayOrderAt(by, site) || mayOrderAt(by, wanted) ? undefined : notAllowed(by, site)
}

export function placeRefusal(by: Orderer, site: string): Refusal | undefined {
  return mayOrderAt(by, site) ? undefined : notAllowed(by, site)
}

function mayOrderAt(by: Orderer, site: string): boolean {
  return mayWrite(by, TASK_COLLECTIONS.tasks, site)
}

/** As the authority has signed it. */
export function mayWrite(by: Orderer, collection: string, partition: string): boolean {
  return by.write.some((pattern) => matchesInterest(pattern, collection, partition))
}

function notAllowed(by: Orderer, site: string): Refusal {
  const message = `${by.name} may not order tasks of ${site}`
  return refusal('refused', message, `Order at a hub or at ${site}, or renew its credential with --write 'tasks/${site}'.`)
}
