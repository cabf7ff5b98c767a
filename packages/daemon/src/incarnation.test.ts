import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { nextIncarnation } from './incarnation.ts'

let dataDir: string
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'causeway-incarnation-'))
})
afterEach(() => {
  rmSync(dataDir, { recursive: true })
})

it('follows the clock, and rises even if the clock stands still or goes back', () => {
  expect(nextIncarnation(dataDir, 5_000_000)).toBe(5_000)
  expect(nextIncarnation(dataDir, 5_000_000)).toBe(5_001)
  expect(nextIncarnation(dataDir, 1_000)).toBe(5_002)
  expect(nextIncarnation(dataDir, 9_000_000)).toBe(9_000)
})

it('starts from the clock if the file is damaged', () => {
  writeFileSync(join(dataDir, 'incarnation'), 'nonsense')
  expect(nextIncarnation(dataDir, 5_000_000)).toBe(5_000)
})
