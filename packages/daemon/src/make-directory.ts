/**
 * Directories, made with those that are missing above them. Step by step and each once: `mkdirSync` does this too if told
 * `recursive`, but where a file system answers "no such file" below a directory that is there, as /proc does, it goes on for ever.
 */
import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** Throws what `mkdirSync` throws. */
export function makeDirectory(path: string, mode = 0o777): void {
  if (isDirectory(path)) return
  if (dirname(path) !== path) makeDirectory(dirname(path), mode)
  try {
    mkdirSync(path, { mode })
  } catch (cause) {
    // Somebody else was faster.
    if (!isDirectory(path)) throw cause
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}
