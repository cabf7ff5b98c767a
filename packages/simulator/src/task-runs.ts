/**
 * Who ran which task when, as the programs that ran it know: the only witness of a double run. And what must hold of that,
 * whatever was done to the world.
 */
import { type RecordView, type TaskPolicy, TASK_COLLECTIONS, grantRecordSchema } from '@causeway/protocol'

export interface TaskRun {
  readonly task: string
  readonly policy: TaskPolicy
  readonly token: number
  readonly program: string
  readonly from: number
  to: number | undefined
  /** Why it ended, for people. */
  end: string
}

/** One number stands for both ends of an interval that touches: what stops and starts at one moment does not overlap. */
const TOUCHING_MS = 0.01

export class TaskRuns {
  readonly runs: TaskRun[] = []
  /** Moved by force: whoever ordered that has accepted a double run. */
  readonly forced: Set<string> = new Set()
  readonly #tokens = new Map<string, string>()
  readonly #tokenFaults: string[] = []
  readonly #reversals: string[] = []

  begin(run: Omit<TaskRun, 'to' | 'end'>): TaskRun {
    const begun: TaskRun = { ...run, to: undefined, end: '' }
    this.runs.push(begun)
    return begun
  }

  running(task: string): TaskRun[] {
    return this.runs.filter((run) => run.task === task && run.to === undefined)
  }

  /** A grant as some hub has written it. */
  granted(record: RecordView, previous: RecordView | undefined): void {
    const [task = ''] = record.key.split('@')
    const grant = grantRecordSchema.safeParse(record.value).data
    const before = grantRecordSchema.safeParse(previous?.value).data
    if (!grant) return
    if (grant.phase === 'allocated' && grant.node !== null) {
      const key = `${task} ${grant.token}`
      const holder = this.#tokens.get(key)
      if (holder !== undefined && holder !== grant.node)
        this.#tokenFaults.push(`${task}: token ${grant.token} was granted to ${holder} and to ${grant.node}`)
      this.#tokens.set(key, grant.node)
    }
    if (before?.phase === 'tombstone' && grant.phase === 'allocated' && grant.token <= before.token)
      this.#reversals.push(`${task} came back from tombstone with token ${grant.token} after ${before.token}`)
  }

  static isGrant(collection: string): boolean {
    return collection === TASK_COLLECTIONS.grants
  }

  /** Nobody ran what another ran at the same time, of the policies that forbid it; no token twice; reversals with higher ones. */
  check(now: number): string[] {
    const objections = [...this.#tokenFaults, ...this.#reversals]
    for (const [task, runs] of Map.groupBy(this.runs, (run) => run.task)) {
      if (this.forced.has(task)) continue
      const sorted = runs.toSorted((a, b) => a.from - b.from)
      let latest: TaskRun | undefined
      for (const run of sorted) {
        const until = latest ? (latest.to ?? now) : 0
        // Who has an `at-least-one` task goes on with it until told, also while its key has been submitted anew with another policy.
        if (latest && latest.policy !== 'at-least-one' && until > run.from + TOUCHING_MS && latest.program !== run.program) {
          objections.push(
            `${task} (${run.policy}) ran twice from ${run.from} to ${Math.min(until, run.to ?? now)}: ${say(latest)}, and ${say(run)}`,
          )
        }
        if (!latest || (run.to ?? now) > until) latest = run
      }
    }
    return objections
  }
}

function say({ program, token, from, to, end }: TaskRun): string {
  return `on ${program} under ${token} from ${Math.round(from)} to ${to === undefined ? 'now' : `${Math.round(to)} (${end})`}`
}
