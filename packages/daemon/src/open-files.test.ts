import { execFileSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { expect, test } from 'vitest'
import { OpenFiles, countOpenFiles, openFilesMax } from './open-files.ts'

test('open files near the limit are told once, and again when there are clearly fewer', () => {
  const told: unknown[] = []
  const files = new OpenFiles((name, { open, limit }) => told.push([name, open, limit]))
  for (const open of [10, 79, 80, 99, 75, 85, 70, 81]) files.look(open, 100)
  expect(told).toEqual([
    ['open-files-near-limit', 80, 100],
    ['open-files-eased', 70, 100],
    ['open-files-near-limit', 81, 100],
  ])
})

test('too many to look is told as the limit that was known', () => {
  const told: unknown[] = []
  const files = new OpenFiles((name, { open, limit }) => told.push([name, open, limit]))
  files.look(10, 100)
  files.look(Infinity, undefined)
  expect(told).toEqual([['open-files-near-limit', 100, 100]])
})

test('where the host does not tell, nothing is said', () => {
  const files = new OpenFiles(() => expect.unreachable())
  files.look(100, undefined)
  files.look(undefined, 100)
})

test.runIf(process.platform === 'linux')('what is open is counted, below a limit', () => {
  const before = countOpenFiles() ?? 0
  const more = Array.from({ length: 40 }, () => openSync('/dev/null', 'r'))
  // Other tests of this process may open and close some meanwhile.
  expect(countOpenFiles()).toBeGreaterThan(before + 20)
  for (const file of more) closeSync(file)
  expect(openFilesMax()).toBeGreaterThan(before)
})

const lookAtTheLimit = `
  import { openSync } from 'node:fs'
  const { countOpenFiles } = await import(process.argv[1])
  try { for (;;) openSync('/dev/null', 'r') } catch {}
  process.stdout.write(String(countOpenFiles()))`

test.runIf(process.platform === 'linux')('at the limit, where not even that can be opened, it is known', () => {
  const module = new URL('open-files.ts', import.meta.url).href
  const args = ['-c', 'ulimit -n 64; exec "$0" --input-type=module -e "$1" "$2"', process.execPath, lookAtTheLimit, module]
  expect(execFileSync('sh', args, { encoding: 'utf8' })).toBe('Infinity')
})
