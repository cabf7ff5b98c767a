/**
 * One task as a process: a command with the task in its environment, in a process group of its own, so that all it has
 * started ends with it. A guardian, which outlives us, kills the groups that are left when we are killed ourselves.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { RecordValue } from '@causeway/protocol'
import type { TaskContext, TypedTask } from '@causeway/client'
import { GUARDIAN_PATH } from '../../demo/guardian-path.ts'

/** Between being asked to end and being killed. Well within what a lease leaves: 12 s to 17 s. */
const GRACE_MS = 2_000

export class TaskProcesses implements Disposable {
  readonly #command: readonly string[]
  readonly #guardian: ChildProcess

  /** One word is a line for the shell; several are a program and its arguments. */
  constructor(command: readonly string[]) {
    this.#command = command.length === 1 ? ['sh', '-c', ...command] : command
    this.#guardian = spawn(process.execPath, [GUARDIAN_PATH], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
    this.#guardian.stdin?.on('error', () => undefined)
  }

  /** Runs the command to its end; throws if it fails. Aborting the signal ends it. */
  async run(task: TypedTask<RecordValue>, { signal, token }: TaskContext<RecordValue>): Promise<void> {
    const [program = '', ...args] = this.#command
    const child = spawn(program, args, {
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...environmentOf(task, token) },
    })
    const group = -(child.pid ?? 0)
    if (group !== 0) this.#guardian.stdin?.write(`watch ${group}\n`)
    let killing: NodeJS.Timeout | undefined
    const end = (): void => {
      killGroup(group, 'SIGTERM')
      killing = setTimeout(() => killGroup(group, 'SIGKILL'), GRACE_MS)
    }
    signal.addEventListener('abort', end)
    if (signal.aborted) end()
    try {
      const [code, by] = (await once(child, 'exit')) as [number | null, string | null]
      if (code !== 0) throw new Error(`the command ${by === null ? `ended with ${code}` : `was ended by ${by}`}`)
    } finally {
      signal.removeEventListener('abort', end)
      clearTimeout(killing)
      // What the command has left behind would run on without a lease.
      killGroup(group, 'SIGKILL')
      if (group !== 0) this.#guardian.stdin?.write(`forget ${group}\n`)
    }
  }

  [Symbol.dispose](): void {
    this.#guardian.stdin?.end()
  }
}

function environmentOf({ id, site, spec, labels }: TypedTask<RecordValue>, token: number): Record<string, string> {
  return {
    CAUSEWAY_TASK_ID: id,
    CAUSEWAY_TASK_SITE: site,
    CAUSEWAY_TASK_TOKEN: String(token),
    CAUSEWAY_TASK_SPEC: typeof spec === 'string' ? spec : JSON.stringify(spec),
    CAUSEWAY_TASK_LABELS: JSON.stringify(labels),
  }
}

function killGroup(group: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (group === 0) return
  try {
    process.kill(group, signal)
  } catch {
    // Nobody of it is left.
  }
}
