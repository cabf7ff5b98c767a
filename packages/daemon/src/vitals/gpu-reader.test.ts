import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { GpuReader, gpuValues } from './gpu-reader.ts'

describe('what the tool prints', () => {
  test.each([
    ['35, 1024, 4096\n', { gpu: 35, gpuMem: 25 }],
    ['30, 1000, 4000\n50, 3000, 4000\n', { gpu: 40, gpuMem: 50 }],
    ['[N/A], 1000, 4000\n', { gpuMem: 25 }],
    ['12, [N/A], [N/A]\n', { gpu: 12 }],
    ['', {}],
    ['No devices were found\n', {}],
  ])('%j', (text, values) => {
    expect(gpuValues(text)).toEqual(values)
  })
})

describe('the reader', () => {
  let folder: string
  let calls: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cw-gpu-'))
    calls = join(folder, 'calls')
  })

  afterEach(() => rmSync(folder, { recursive: true }))

  function tool(body: string): string {
    const path = join(folder, 'gpu-tool')
    writeFileSync(path, `#!/bin/sh\necho called >> ${calls}\n${body}\n`)
    chmodSync(path, 0o755)
    return path
  }

  function callCount(): number {
    return existsSync(calls) ? readFileSync(calls, 'utf8').split('\n').length - 1 : 0
  }

  test('answers at once with what it has, and asks again after 10 s', async () => {
    const reader = new GpuReader(tool('echo "35, 1024, 4096"'))
    expect(reader.read(0)).toEqual({})
    await vi.waitFor(() => expect(reader.read(1)).toEqual({ gpu: 35, gpuMem: 25 }))
    expect(callCount()).toBe(1)
    reader.read(9_999)
    reader.read(10_000)
    await vi.waitFor(() => expect(callCount()).toBe(2))
  })

  test('without the tool there are no values, and it is not looked for again', async () => {
    const reader = new GpuReader(join(folder, 'missing'))
    expect(reader.read(0)).toEqual({})
    await vi.waitFor(() => expect(reader.present).toBe(false))
    tool('echo "35, 1024, 4096"')
    expect(reader.read(60_000)).toEqual({})
  })

  test('a tool that fails has said nothing', async () => {
    const reader = new GpuReader(tool('echo "35, 1024, 4096"; exit 9'))
    reader.read(0)
    await vi.waitFor(() => expect(callCount()).toBe(1))
    expect(reader.read(5)).toEqual({})
    expect(reader.present).toBe(true)
  })
})
