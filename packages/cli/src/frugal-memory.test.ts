/** In a process of its own: what is replaced must not be that of the tests. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const MODULE = pathToFileURL(join(import.meta.dirname, 'frugal-memory.ts')).href
/** Says its number before and after, and with what it runs then. */
const PROGRAM = `import { beFrugal } from ${JSON.stringify(MODULE)}
process.stdout.write(process.pid + ' ')
beFrugal()
process.stdout.write(JSON.stringify([process.env.MALLOC_ARENA_MAX, process.execArgv, process.argv.slice(2)]))`

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'cw-frugal-'))
  writeFileSync(join(directory, 'program.mjs'), PROGRAM)
})
afterAll(() => rmSync(directory, { recursive: true }))

function run(chosen: Readonly<Record<string, string>>, ...flags: string[]): string[] {
  const { MALLOC_ARENA_MAX: _ours, ...env } = process.env
  const words = ['--no-warnings', ...flags, join(directory, 'program.mjs'), 'run', '--check']
  return spawnSync(process.execPath, words, { env: { ...env, ...chosen }, encoding: 'utf8' }).stdout.split(' ')
}

test.runIf(process.platform === 'linux')('the process is replaced once, with all that it was started with, and keeps its number', () => {
  const [before, after, said] = run({})
  expect(after).toBe(before)
  expect(JSON.parse(said ?? '')).toEqual(['2', ['--max-semi-space-size=16', '--no-warnings'], ['run', '--check']])
})

test.runIf(process.platform === 'linux')('how much room there is for young objects may be chosen', () => {
  const young = '--max-semi-space-size=64'
  expect(JSON.parse(run({}, young)[2] ?? '')).toEqual(['2', ['--no-warnings', young], ['run', '--check']])
  expect(JSON.parse(run({ NODE_OPTIONS: young })[2] ?? '')).toEqual(['2', ['--no-warnings'], ['run', '--check']])
})

test('what somebody has chosen stays, and the process with it', () => {
  const [, said, ...more] = run({ MALLOC_ARENA_MAX: '7' })
  expect(JSON.parse(said ?? '')).toEqual(['7', ['--no-warnings'], ['run', '--check']])
  expect(more).toEqual([])
})
