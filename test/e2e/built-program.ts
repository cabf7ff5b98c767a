/**
 * Builds the program once for all that run it as a process: what is built starts faster than the sources and takes half
 * the memory, and it is what people run.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BUILT_MAIN } from './command-line.ts'

const BUILD = fileURLToPath(new URL('../../tools/build.ts', import.meta.url))

/** From now on `mainPath()` is the built program; returns what removes it. */
export function buildProgram(): () => void {
  if (process.env[BUILT_MAIN]) return () => undefined
  const directory = mkdtempSync(join(tmpdir(), 'cw-built-'))
  execFileSync(process.execPath, [BUILD, directory], { stdio: ['ignore', 'ignore', 'inherit'] })
  process.env[BUILT_MAIN] = join(directory, 'main.js')
  return () => {
    delete process.env[BUILT_MAIN]
    rmSync(directory, { recursive: true, force: true })
  }
}

/** What vitest looks for in a global setup. */
export { buildProgram as setup }
