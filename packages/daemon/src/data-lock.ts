/**
 * One process per data directory. The lock is a file that names its holder: process id, and when that process
 * started, because ids are reused (in a container every restart has the same one). A holder that is dead, or is
 * another process of the same id, has left its lock behind, as after `kill -9`; such a lock is taken over.
 *
 *  1. The file is made exclusively; of two processes that start at once one fails.
 *  2. A stale lock is moved aside, not deleted: whoever finds a live one in its hand puts it back.
 */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CausewayError } from '@causeway/protocol'
import { makeDirectory } from './make-directory.ts'

const FILE = 'lock'

interface Holder {
  readonly pid: number
  /** Start time of the process in clock ticks since boot (Linux), else `null`. */
  readonly started: string | null
}

export class DataLock {
  readonly #path: string
  readonly #content: string

  private constructor(path: string, content: string) {
    this.#path = path
    this.#content = content
  }

  /** Throws `store-locked` if another live process holds it. Locks of other names are locks of their own. */
  static acquire(dataDir: string, file: string = FILE): DataLock {
    makeDirectory(dataDir, 0o700)
    const path = join(dataDir, file)
    const content = JSON.stringify({ pid: process.pid, started: statOf(process.pid)[1] ?? null } satisfies Holder)
    for (let attempt = 0; attempt < 8; attempt++) {
      if (create(path, content)) return new DataLock(path, content)
      const found = read(path)
      if (found === undefined) continue
      const holder = parse(found)
      if (holder && isAlive(holder)) throw locked(dataDir, holder.pid)
      moveAside(path, found)
    }
    throw locked(dataDir, undefined)
  }

  release(): void {
    if (read(this.#path) === this.#content) rmSync(this.#path, { force: true })
  }
}

/** True if this call made the file, with its content, in one step. */
function create(path: string, content: string): boolean {
  const draft = `${path}.${process.pid}.new`
  writeFileSync(draft, content, { mode: 0o600 })
  try {
    linkSync(draft, path)
    return true
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw cause
  } finally {
    rmSync(draft, { force: true })
  }
}

function moveAside(path: string, expected: string): void {
  const aside = `${path}.${process.pid}.old`
  try {
    renameSync(path, aside)
  } catch {
    return
  }
  // Another process may have taken over between our look and our move: give it back.
  if (read(aside) !== expected) {
    try {
      linkSync(aside, path)
    } catch {
      // A third one was faster; the loser sees its own loss when it releases.
    }
  }
  rmSync(aside, { force: true })
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function parse(content: string): Holder | undefined {
  try {
    const value = JSON.parse(content) as Partial<Holder> | null
    return Number.isSafeInteger(value?.pid) ? { pid: Number(value?.pid), started: value?.started ?? null } : undefined
  } catch {
    return undefined
  }
}

function isAlive(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  const [state = '', started] = statOf(holder.pid)
  // A zombie has closed its files; it is there until its parent asks how it ended, which in a container may be never.
  if (state === 'Z' || state === 'X') return false
  return started === undefined || holder.started === null ? true : started === holder.started
}

/** Fields 3 (state) and 22 (start) of /proc/PID/stat; the name in field 2 may hold spaces, so count from its closing bracket. */
function statOf(pid: number): readonly string[] {
  const stat = read(`/proc/${pid}/stat`)
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? []
  return [fields[0], fields[19]].filter((field) => field !== undefined)
}

function locked(dataDir: string, pid: number | undefined): CausewayError {
  const holder = pid === undefined ? 'another process' : `process ${pid}`
  return new CausewayError('store-locked', `${dataDir} is in use by ${holder}`, 'stop that process, or give this node a dataDir of its own')
}
