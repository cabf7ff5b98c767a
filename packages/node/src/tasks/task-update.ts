/** New spec and labels of a task, by whoever may write its records: no lease changes, so nobody has to be asked. */
import { type Instant, type Refusal, TASK_COLLECTIONS, type TaskOrder, type TaskOutcome } from '@causeway/protocol'
import type { Write } from './task-host.ts'
import type { TaskIndex } from './task-index.ts'

type Update = Extract<TaskOrder, { type: 'update' }>

export function refusal(code: Refusal['code'], message: string, remedy: string): Refusal {
  return { ok: false, code, message, remedy }
}

/** `labels` are all that it has from then on. */
export function updateTask(
  now: Instant,
  { index, write }: { readonly index: TaskIndex; readonly write: Write },
  { id, spec, labels, generation }: Update,
  done: (now: Instant, result: TaskOutcome) => void,
): void {
  const parts = index.find(id)
  const phase = parts?.grant?.phase
  if (!parts?.task) return done(now, refusal('not-found', `there is no task ${id} here`, 'See `causeway task list`.'))
  if (phase === 'deleting' || phase === 'gone')
    return done(now, refusal('refused', `${id} is ${phase}: there is nothing left to update`, 'Submit it again.'))
  const { desired } = parts.task.value
  if (generation !== undefined && generation !== desired.generation) {
    const message = `${id} is of generation ${desired.generation} now, not ${generation}`
    return done(now, refusal('conflict', message, 'Read it again, and decide anew.'))
  }
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
