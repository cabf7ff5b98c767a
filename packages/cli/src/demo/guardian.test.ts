import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const GUARDIAN = fileURLToPath(new URL('./guardian.ts', import.meta.url))
const FOREVER = ['-e', 'setInterval(() => {}, 1e9)']

test('when the demo is gone its processes are ended and its directory removed; others are left alone', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'cw-guardian-'))
  const [victim, spared] = [spawn(process.execPath, FOREVER), spawn(process.execPath, FOREVER)]
  const guardian = spawn(process.execPath, [GUARDIAN], { stdio: ['pipe', 'ignore', 'ignore'] })
  guardian.stdin.write(`directory ${directory}\nwatch ${spared.pid}\nwatch ${victim.pid}\nforget ${spared.pid}\n`)
  const dead = once(victim, 'exit')
  const left = once(guardian, 'exit')
  // As the kernel does for a process that was killed.
  guardian.stdin.end()
  expect((await dead)[1]).toBe('SIGKILL')
  await left
  expect(existsSync(directory)).toBe(false)
  expect(spared.exitCode ?? spared.signalCode).toBeNull()
  spared.kill('SIGKILL')
  await once(spared, 'exit')
})
