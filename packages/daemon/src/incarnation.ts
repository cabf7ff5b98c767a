/**
 * A number that rises with every start of a node, so that peers can tell a restart from a reconnect. It follows the
 * wall clock in seconds, for the case that the disk is lost, and never falls behind the last one on disk, for the
 * case that the clock is.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'

export function nextIncarnation(dataDir: string, wallMs: number): number {
  const path = join(dataDir, 'incarnation')
  const next = Math.max(last(path) + 1, Math.floor(wallMs / 1_000))
  const draft = `${path}.new`
  const file = openSync(draft, 'w', 0o600)
  try {
    writeSync(file, `${next}\n`)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(draft, path)
  return next
}

function last(path: string): number {
  try {
    const value = Number(readFileSync(path, 'utf8'))
    return Number.isSafeInteger(value) ? value : 0
  } catch {
    return 0
  }
}
