import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { readRttMatrix } from './rtt-file.ts'

const directory = mkdtempSync(join(tmpdir(), 'cw-rtt-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function file(name: string, content: string | Uint8Array): string {
  const path = join(directory, name)
  writeFileSync(path, content)
  return path
}

describe('a file of round trips', () => {
  test('is read plain and gzipped; what is not above 0 was not measured', () => {
    const text = '0 10.5 -1\n10.5 0 20\n\n-1 20 0\n'
    for (const matrix of [readRttMatrix(file('plain.txt', text)), readRttMatrix(file('packed.gz', gzipSync(text)))]) {
      expect(matrix.size).toBe(3)
      expect([matrix.rttMs(0, 1), matrix.rttMs(1, 0), matrix.rttMs(1, 2), matrix.rttMs(0, 2), matrix.rttMs(2, 2)]).toEqual([
        10.5,
        10.5,
        20,
        null,
        0,
      ])
    }
  })

  test.each([
    ['0 1\n1\n', 'row 2'],
    ['0 x\n1 0\n', 'row 1'],
    ['', 'has no matrix'],
  ])('says what is wrong with %j', (text, fault) => {
    expect(() => readRttMatrix(file('bad.txt', text))).toThrow(fault)
  })

  test('that is not there is named', () => {
    expect(() => readRttMatrix(join(directory, 'nowhere'))).toThrow('nowhere cannot be read')
  })
})
