/**
 * Two arenas for all threads of the process. glibc gives each thread that allocates memory one of its own, and gives little of what was
 * freed in it back: some 4 MB of a node that rests. Only the environment in which a process begins can tell it otherwise, so one that
 * is to last replaces itself once, before it has loaded anything: 50 ms. It keeps its number, and standard input and output.
 * (With a single one, threads wait for each other: 0.1 s more at the start, on a busy machine.)
 */
import { basename } from 'node:path'

const VARIABLE = 'MALLOC_ARENA_MAX'
const ARENAS = 2

/** Does not return where it replaces the process; does nothing where somebody has chosen already, or nothing can be chosen. */
export function keepToTwoArenas(): void {
  const { platform, env, execPath, execArgv, argv } = process
  // Under another name than node it is a program of its own, which may take its arguments differently.
  if (platform !== 'linux' || env[VARIABLE] !== undefined || !process.execve || basename(execPath) !== 'node') return
  process.execve(execPath, [execPath, ...execArgv, ...argv.slice(1)], { ...env, [VARIABLE]: String(ARENAS) })
}
