/**
 * The command `causeway` as people and scripts run it: a process of its own, of which only its exit code and what it
 * prints count.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The variable of the environment that says where the built program is. */
export const BUILT_MAIN = 'BUILT_MAIN'
export const SOURCES: string = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url))

/** The program that is tried: the built one, once `buildProgram` has run. */
export function mainPath(): string {
  return process.env[BUILT_MAIN] ?? SOURCES
}
/** No command of these tests takes longer, on however slow a machine. */
const COMMAND_MS_MAX = 60_000

export interface Outcome {
  /** `null` if a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd: string
  /** What it reads on standard input. */
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
  /** @default `mainPath()` */
  readonly main?: string
}

/** Starts a command; the caller ends it. */
export function spawnCauseway(args: readonly string[], { cwd, env, main = mainPath() }: RunOptions): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [main, ...args], {
    cwd,
    env: { ...process.env, NO_COLOR: '1', CAUSEWAY_API: '', CAUSEWAY_DEBUG: '', ...env },
    stdio: 'pipe',
  })
}

/** Runs a command to its end. */
export async function causeway(args: readonly string[], options: RunOptions): Promise<Outcome> {
  const child = spawnCauseway(args, options)
  const timer = setTimeout(() => child.kill('SIGKILL'), COMMAND_MS_MAX)
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  // Who does not read its input may be gone before all of it is written.
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.input ?? '')
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  clearTimeout(timer)
  return { code, stdout, stderr }
}
