import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { DataLock } from './data-lock.ts'

const { platform } = process

test.runIf(platform === 'linux')(
  'a lock is held by a process that lives, not by one that waits for its parent to ask how it ended',
  async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'causeway-lock-'))
    // The shell becomes another program, which asks after nobody.
    const parent = spawn('sh', ['-c', 'sleep 0.01 & echo $!; exec sleep 30'], { stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      const [line] = (await once(parent.stdout, 'data')) as [Buffer]
      const zombie = Number(line.toString())
      const statOf = (pid: number): string[] => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
      await vi.waitFor(() => expect(statOf(zombie)[0]).toBe('Z'))
      const heldBy = (pid: number): void => writeFileSync(join(dataDir, 'lock'), JSON.stringify({ pid, started: statOf(pid)[19] }))
      heldBy(parent.pid ?? 0)
      expect(() => DataLock.acquire(dataDir)).toThrow(expect.objectContaining({ code: 'store-locked' }))
      heldBy(zombie)
      DataLock.acquire(dataDir).release()
    } finally {
      parent.kill('SIGKILL')
      rmSync(dataDir, { recursive: true })
    }
  },
)
