/** New spec and labels of a task, by whoever may write its records: no lease changes, so nobody has to be asked. */
import { type Instant, type Refusal, TASK_COLLECTIONS, type TaskOrder, type TaskOutcome } from '@causeway/protocol'
import type { Write } from './task-host.ts'
import type { TaskIndex } from './task-index.ts'
import type { TaskParts } from './task-parts.ts'

type Update = Extract<TaskOrder, { type: 'update' }>

export function refusal(code: Refusal['code'], message: string, remedy: string): Refusal {
  return { ok: false, code, message, remedy }
}

/** Why the task cannot be updated so. */
export function updateFault({ id, grant, task }: TaskParts, { generation }: Update): Refusal | undefined {
  const phase = grant?.phase
  if (phase === 'deleting' || phase === 'gone')
    return refusal('refused', `${id} is ${phase}: there is nothing left to update`, 'Submit it again.')
  const present = task?.value.desired.generation
  if (generation === undefined || generation === present) return undefined
  return refusal('conflict', `${id} is of generation ${present} now, not ${generation}`, 'Read it again, and decide anew.')
}

/** `labels` are all that it has from then on. */
export function updateTask(
  now: Instant,
  { index, write }: { readonly index: TaskIndex; readonly write: Write },
  update: Update,
  done: (now: Instant, result: TaskOutcome) => void,
): void {
  const { id, spec, labels, generation } = update
  const parts = index.find(id)
  if (!parts?.task) return done(now, refusal('not-found', `there is no task ${id} here`, 'See `causeway task list`.'))
  const fault = updateFault(parts, update)
  if (fault) return done(now, fault)
  const { desired } = parts.task.value
  const value = { desired: { spec: spec === undefined ? desired.spec : spec, generation: desired.generation + 1 } }
  const removed = Object.fromEntries(Object.keys(labels === undefined ? {} : parts.task.labels).map((name) => [name, null]))
  const operation = { type: 'patch', value, labels: { ...removed, ...labels } } as const
  const change = { key: id, operation, ...(generation !== undefined && { revision: parts.task.revision }) }
  write(now, { collection: TASK_COLLECTIONS.tasks, partition: parts.site, changes: [change] }, (at, result) => {
    const task = index.get(id, parts.site)
    if (result.ok && task) done(at, { ok: true, task, created: false })
    else done(at, result.ok ? refusal('not-found', `${id} is gone`, 'Submit it again.') : result)
  })
}
