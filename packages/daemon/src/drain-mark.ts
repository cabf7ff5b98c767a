/**
 * Whether this hub is to be left alone: a mark in its data directory, so that one that was drained for repairs does not
 * draw traffic again whenever it is restarted meanwhile, but only when somebody takes it back.
 */
import { closeSync, existsSync, fsyncSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'

export class DrainMark {
  readonly #directory: string
  readonly #path: string

  constructor(dataDir: string) {
    this.#directory = dataDir
    this.#path = join(dataDir, 'draining')
  }

  get stands(): boolean {
    return existsSync(this.#path)
  }

  /** Durable when it returns; throws what the file system says. */
  put(draining: boolean): void {
    if (draining) synced(this.#path, 'a')
    else rmSync(this.#path, { force: true })
    synced(this.#directory, 'r')
  }
}

function synced(path: string, flags: 'a' | 'r'): void {
  const file = openSync(path, flags, 0o600)
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
