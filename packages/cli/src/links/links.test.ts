/** The verb as a whole, against a local API that the test plays; and the tables by themselves. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { connect } from '@causeway/client'
import type { LinkView } from '@causeway/protocol'
import { linksTable } from './links-table.ts'
import { type LinksOutput, liveLinks, watchLinks } from './watch-links.ts'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5)

const LINK: LinkView = {
  from: 'hkg-1-a',
  to: 'core-1',
  state: 'up',
  rttMs: { last: 42.1, smoothed: 42, min: 41, p50: 42, p95: 55.5, p99: 70 },
  jitterMs: 0.42,
  lossRatio: { forward: 0.004, backward: 0 },
  queueMs: { forward: 0, backward: 0 },
  oneWayMs: { forward: 20, backward: 20, uncertainty: 20 },
  costMs: 22,
  epoch: 3,
  evidence: 'both',
  bytesIn: 18_400_000,
  bytesOut: 812,
  since: NOW_MS - 250_000,
  reason: 'answers over udp and control',
}
const UNMEASURED: LinkView = {
  ...LINK,
  to: 'core-2',
  state: 'down',
  rttMs: { last: null, smoothed: null, min: null, p50: null, p95: null, p99: null },
  jitterMs: null,
  lossRatio: { forward: null, backward: null },
  queueMs: { forward: null, backward: null },
  oneWayMs: { forward: null, backward: null, uncertainty: null },
  costMs: null,
  evidence: 'none',
  reason: 'was not answered for 5 s',
}

function plain(text: string): string[] {
  return stripVTControlCharacters(text).split('\n')
}

describe('the table', () => {
  test('shows trouble first and with its reason, and a dash for what was not measured', () => {
    const [head, ...rows] = plain(linksTable([LINK, UNMEASURED], { wide: false, nowMs: NOW_MS }))
    expect(head?.split(/ {2,}/).join('|')).toBe(
      'PEER|STATE|FOR|EVIDENCE|P50 ms|P95 ms|JITTER ms|LOSS →|LOSS ←|COST ms|SENT|RECEIVED|EPOCH|REASON',
    )
    expect(rows.map((row) => row.split(/ {2,}/).join('|'))).toEqual([
      'core-2|down|4m10s|none|-|-|-|-|-|-|812 B|18.4 MB|3|was not answered for 5 s',
      'core-1|up|4m10s|both|42.0|55.5|0.42|0.4%|0%|22.0|812 B|18.4 MB|3',
    ])
  })

  test('wide tells every reason, and when', () => {
    const [, row] = plain(linksTable([LINK], { wide: true, nowMs: NOW_MS }))
    expect(row).toMatch(/42\.1 +42\.0 +41\.0 +70\.0 +2026-01-02T02:59:55\.000Z +answers over udp and control$/)
  })

  test('says how many do not fit, and that there are none', () => {
    const many = Array.from({ length: 5 }, (_, number) => ({ ...LINK, to: `core-${number}` }))
    expect(plain(linksTable(many, { wide: false, nowMs: NOW_MS, rowsMax: 2 }))).toHaveLength(1 + 2 + 1)
    expect(plain(linksTable(many, { wide: false, nowMs: NOW_MS, rowsMax: 2 })).at(-1)).toBe('and 3 more')
    expect(linksTable([], { wide: false, nowMs: NOW_MS })).toBe('no links')
  })
})

test.each([200, 80])('on a terminal of %i columns the table fits, with a summary and the last round trips', async (columns) => {
  let text = ''
  const stream = Object.assign(
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        text += chunk.toString()
        done()
      },
    }),
    { columns, rows: 12, isTTY: true },
  ) as unknown as NodeJS.WriteStream
  const output = await liveLinks(stream, false)
  const links = Array.from({ length: 30 }, (_, number) => ({ ...LINK, to: `core-${number}` }))
  await output.show([...links, UNMEASURED], NOW_MS)
  output.end()
  const lines = plain(text).filter((line) => line.trim() !== '')
  expect(lines.length).toBeLessThan(12)
  expect(lines[0]).toMatch(/^PEER/)
  expect(lines.at(-1)).toMatch(/ 30 up, 1 down {2}Ctrl-C ends$/)
  expect(text).toContain('▁')
})

describe('with a daemon', () => {
  let directory: string
  let server: Server
  let api: string
  let links: LinkView[]
  let children: ChildProcess[]

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'cw-links-'))
    api = join(directory, 'api.sock')
    links = [LINK, UNMEASURED]
    children = []
    server = createServer((_request, response) => response.end(JSON.stringify(links)))
    await new Promise<void>((done) => server.listen(api, done))
  })
  afterEach(() => {
    for (const child of children) child.kill('SIGKILL')
    server.close()
    rmSync(directory, { recursive: true })
  })

  function run(...args: readonly string[]): { child: ChildProcess; out: { text: string; errors: string } } {
    const env = { ...process.env, NO_COLOR: '1', CAUSEWAY_DEBUG: '' }
    const child = spawn(process.execPath, [MAIN, 'links', '--api', api, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    children.push(child)
    const out = { text: '', errors: '' }
    child.stdout.on('data', (chunk: Buffer) => (out.text += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (out.errors += chunk.toString()))
    return { child, out }
  }

  async function items(out: { text: string }, count: number): Promise<(LinkView & { at: number })[]> {
    await vi.waitFor(() => expect(out.text.trim().split('\n')).toHaveLength(count), { timeout: 15_000 })
    return out.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as LinkView & { at: number })
  }

  test('prints once, for people and for programs', async () => {
    const table = run()
    expect(await once(table.child, 'close')).toEqual([0, null])
    expect(table.out.text.split('\n')[1]).toMatch(/^core-2 +down/)
    const json = run('-o', 'json')
    expect(await once(json.child, 'close')).toEqual([0, null])
    expect(JSON.parse(json.out.text)).toEqual(links)
  })

  test('watched, a program gets what changes; Ctrl-C ends it well', async () => {
    const { child, out } = run('-w', '-o', 'ndjson')
    expect(await items(out, 2)).toMatchObject(links)
    links = [{ ...LINK, state: 'degraded' }, UNMEASURED]
    expect((await items(out, 3)).at(-1)).toMatchObject({ to: 'core-1', state: 'degraded', at: expect.any(Number) })
    child.kill('SIGINT')
    expect(await once(child, 'close')).toEqual([0, null])
    expect(out.errors).toBe('')
  })

  test('watched, a daemon that goes away is exit code 3 and one line that says so', async () => {
    const { child, out } = run('-w')
    await vi.waitFor(() => expect(out.text.split('\n')).toHaveLength(3), { timeout: 15_000 })
    server.close()
    expect(await once(child, 'close')).toEqual([3, null])
    expect(out.errors).toBe(`causeway: the daemon at ${api} has gone away. See its log for the reason, and watch again when it runs.\n`)
    expect(out.text).toMatch(/core-1 {2}up {2}rtt 42\.0\/55\.5 ms, loss 0\.4%\/0%, epoch 3: answers over udp and control\n/)
  })

  test('an interrupt does not wait for a daemon that hangs', async () => {
    server.removeAllListeners('request')
    const stop = new AbortController()
    server.on('request', () => stop.abort())
    let ended = 0
    const output: LinksOutput = { show: () => expect.fail('nothing was answered'), end: () => ended++ }
    await watchLinks(await connect({ api }), output, stop.signal)
    expect(ended).toBe(1)
  })
})
