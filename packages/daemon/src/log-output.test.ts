import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { LogOutput } from './log-output.ts'

test('lines without room are counted, and told with the next that finds some', () => {
  const taken: string[] = []
  let room = true
  const output = new LogOutput((line) => room && taken.push(line) > 0)
  output.write('1\n')
  room = false
  output.write('2\n')
  output.write('3\n')
  room = true
  output.write('4\n')
  output.write('5\n')
  expect(taken).toEqual(['1\n', expect.stringMatching(/"lines":2,.*}\n4\n$/), '5\n'])
})

test('what is for people is turned into what they read, also the count', () => {
  const taken: string[] = []
  let room = false
  const output = new LogOutput(
    (line) => room && taken.push(line) > 0,
    (line) => `${(JSON.parse(line) as { msg: string }).msg}!`,
  )
  output.write('{"msg":"one"}\n')
  room = true
  output.write('{"msg":"two"}\n')
  expect(taken).toEqual(['lines of this log are missing: nobody took them!two!'])
})

/** Logs 4 MB, which is more than a pipe and its buffer hold; tells on stdout that it still runs, a second line when it is told to. */
const verbose = `
  const { createLogger } = await import(process.argv[1])
  const log = await createLogger()
  for (let line = 0; line < 4000; line++) log.info('x'.repeat(1000))
  process.stdout.write('runs\\n')
  process.stdin.once('data', () => {
    log.info('the last')
    process.stdout.write('runs\\n')
    process.exit(0)
  })`
const args = ['--input-type=module', '-e', verbose, new URL('logger.ts', import.meta.url).href]

test('a reader that hangs does not hold the process up; when it reads on, it is told what is missing', async () => {
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const runs = await once(child.stdout, 'data')
  expect(String(runs[0])).toBe('runs\n')
  const log = text(child.stderr)
  // The pipe is read empty before there is another line.
  await new Promise((later) => setTimeout(later, 200))
  child.stdin.end('go')
  const said = (await log).trim().split('\n')
  const records = said.filter((line) => line !== '').map((line) => JSON.parse(line) as { msg: string; lines?: number })
  const missing = records.reduce((sum, { lines = 0 }) => sum + lines, 0)
  expect(missing).toBeGreaterThan(1000)
  expect(records.filter(({ lines }) => lines === undefined)).toHaveLength(4001 - missing)
  expect(said.at(-1)).toContain('the last')
})

test('a reader that is gone does not end the process', async () => {
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  child.stderr.destroy()
  await once(child.stdout, 'data')
  child.stdin.end('go')
  expect(await once(child, 'exit')).toEqual([0, null])
})

test.runIf(process.platform === 'linux')('a full disk does not end the process', async () => {
  const full = openSync('/dev/full', 'w')
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', full] })
  closeSync(full)
  await once(child.stdout as NodeJS.ReadableStream, 'data')
  child.stdin?.end('go')
  expect(await once(child, 'exit')).toEqual([0, null])
})
