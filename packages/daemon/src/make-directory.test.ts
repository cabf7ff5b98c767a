import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeDirectory } from './make-directory.ts'

let directory: string
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'cw-dir-'))))
afterEach(() => rmSync(directory, { recursive: true }))

test('makes what is missing, each with the mode, and leaves what is there', () => {
  makeDirectory(join(directory, 'a/b/c'), 0o700)
  for (const made of ['a', 'a/b', 'a/b/c']) expect(statSync(join(directory, made)).mode & 0o777).toBe(0o700)
  makeDirectory(join(directory, 'a/b'), 0o755)
  expect(statSync(join(directory, 'a/b')).mode & 0o777).toBe(0o700)
  makeDirectory('/')
  makeDirectory('.')
})

test('fails where a file is in the way', () => {
  writeFileSync(join(directory, 'file'), '')
  expect(() => makeDirectory(join(directory, 'file'))).toThrow(/EEXIST/)
  expect(() => makeDirectory(join(directory, 'file/below/it'))).toThrow(/EEXIST/)
})

test.skipIf(process.platform !== 'linux')('fails where the file system has no room for directories', () => {
  expect(() => makeDirectory('/proc/none/such')).toThrow(/ENOENT.*\/proc\/none/)
})
