import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { progressLine, withProgress } from './progress.ts'

/** A terminal, or what is none, that remembers all that was written to it. */
function screen(isTTY: boolean): { readonly stream: NodeJS.WriteStream; readonly text: () => string } {
  const chunks: Buffer[] = []
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 80, rows: 24 })
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => Buffer.concat(chunks).toString() }
}

/** Work that never yields. */
function work(tell: (step: string, ratio?: number) => void): Promise<string> {
  tell('reading', 0.5)
  return Promise.resolve('result')
}

test('a bar with what it is about, its share and its time; less of it where there is no room', () => {
  expect(progressLine({ step: 'reading', ratio: 0.5, seconds: 3 }, 80)).toBe(`reading  [${'█'.repeat(12)}${'░'.repeat(12)}]   50%  3s`)
  expect(progressLine({ step: 'reading', ratio: 1.2, seconds: 75 }, 80)).toBe(`reading  [${'█'.repeat(24)}]  100%  1m15s`)
  expect(progressLine({ step: 'writing', ratio: undefined, seconds: 3 }, 80)).toBe('writing  3s')
  expect(progressLine({ step: 'reading', ratio: 0.5, seconds: 3 }, 20)).toBe('reading   50%  3s')
  expect(progressLine({ step: 'reading', ratio: 0.5, seconds: 3 }, 5)).toBe('readi')
})

test('only people at a terminal see it, and it is gone at the end', async () => {
  const terminal = screen(true)
  expect(await withProgress('table', work, { stream: terminal.stream, patienceMs: 0 })).toBe('result')
  expect(terminal.text()).toContain('50%')
  // Erased, and the cursor at the start of the line.
  expect(terminal.text().split('50%').at(-1)).toContain('\u001B[2K\u001B[G')
  for (const [format, isTTY] of [
    ['table', false],
    ['json', true],
  ] as const) {
    const other = screen(isTTY)
    expect(await withProgress(format, work, { stream: other.stream, patienceMs: 0 })).toBe('result')
    expect(other.text()).toBe('')
  }
})

test('quick work is not shown, and a fault passes', async () => {
  const terminal = screen(true)
  expect(await withProgress('table', work, { stream: terminal.stream })).toBe('result')
  expect(terminal.text()).not.toContain('reading')
  await expect(withProgress('table', () => Promise.reject(new Error('no')), { stream: terminal.stream })).rejects.toThrow('no')
})
