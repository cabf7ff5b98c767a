import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SystemReader, networkTotals, processorTotals } from './system-reader.ts'

const NETWORK = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 9000 10 0 0 0 0 0 0 9000 10 0 0 0 0 0 0
  eth0: 1000 10 0 0 0 0 0 0 500 5 0 0 0 0 0 0
 wlan0:2000 10 0 0 0 0 0 0 700 5 0 0 0 0 0 0
 torn: 12
`

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cw-vitals-'))
})

afterEach(() => rmSync(folder, { recursive: true }))

describe('the network file', () => {
  test('all interfaces but loopback', () => {
    expect(networkTotals(NETWORK)).toEqual({ in: 3_000, out: 1_200 })
  })

  test.each(['', 'no interfaces here', 'eth0: a b c', '\0:\0'])('%j is no reason to fail', (text) => {
    expect(networkTotals(text)).toBeUndefined()
  })
})

describe('the processor file', () => {
  test('all processors together, of which waiting for the disk is idle', () => {
    const text = 'cpu  100 20 30 700 50 0 60 40 7 7\ncpu0 50 10 15 350 25 0 30 20 3 3\nintr 1 2\n'
    expect(processorTotals(text)).toEqual({ busyMs: 2_500, totalMs: 10_000 })
  })

  test.each(['', 'cpu  1 2 3', 'cpu  a b c d e f g h'])('%j is none', (text) => {
    expect(processorTotals(text)).toBeUndefined()
  })
})

describe('a reading', () => {
  test('has rates from the second on, and what this machine tells is within its bounds', async () => {
    const file = join(folder, 'net')
    writeFileSync(file, NETWORK)
    const reader = new SystemReader({ dataDir: folder, networkFile: file })
    const first = await reader.read()
    expect(first).not.toHaveProperty('netIn')
    writeFileSync(file, NETWORK.replace('1000 10', '1500 10'))
    // Some work, so that the clock of the processors goes on.
    const until = performance.now() + 60
    while (performance.now() < until) Math.hypot(3, 4)
    const second = await reader.read()
    for (const name of ['cpu', 'mem', 'disk']) {
      expect(second[name], name).toBeGreaterThan(0)
      expect(second[name], name).toBeLessThanOrEqual(100)
    }
    expect(second['netIn']).toBeGreaterThan(0)
    expect(second['netOut']).toBe(0)
    expect(second['load']).toBeGreaterThanOrEqual(0)
  })

  test('goes without what cannot be had', async () => {
    const reader = new SystemReader({ dataDir: join(folder, 'gone'), networkFile: join(folder, 'none') })
    await reader.read()
    const values = await reader.read()
    expect(values).not.toHaveProperty('disk')
    expect(values).not.toHaveProperty('netIn')
    expect(values['mem']).toBeGreaterThan(0)
  })

  test('an interface that goes away takes no bytes back', async () => {
    const file = join(folder, 'net')
    writeFileSync(file, NETWORK)
    const reader = new SystemReader({ dataDir: folder, networkFile: file })
    await reader.read()
    writeFileSync(file, NETWORK.replace(/^.*wlan0.*\n/m, ''))
    expect(await reader.read()).not.toHaveProperty('netIn')
  })
})
