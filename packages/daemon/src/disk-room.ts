/** Whether a disk takes more: found out by writing to it, because quotas and limits of a process show nowhere else. */
import { closeSync, fsyncSync, openSync, rmSync, statSync, writeSync } from 'node:fs'

const CHUNK_BYTES = 256 * 1024
/** As the system and LMDB say it: no space, quota, a limit of the process. */
const FULL = /no space|ENOSPC|quota|EDQUOT|file too large|EFBIG|MDB_MAP_FULL/i

export function saysFull(error: Error): boolean {
  return FULL.test(error.message)
}

/**
 * Writes so many bytes beside a file, as far in as it is long, and removes them. False if the disk is full; any other fault
 * of it is none of ours.
 */
export function hasRoom(path: string, bytes: number): boolean {
  const beside = `${path}.room`
  try {
    const file = openSync(beside, 'w', 0o600)
    try {
      const from = statSync(path).size
      for (let done = 0; done < bytes;) {
        const chunk = Buffer.alloc(Math.min(bytes - done, CHUNK_BYTES), 1)
        done += writeSync(file, chunk, 0, chunk.length, from + done)
      }
      fsyncSync(file)
    } finally {
      closeSync(file)
      rmSync(beside, { force: true })
    }
    return true
  } catch (cause) {
    return !saysFull(cause as Error)
  }
}
