/** The verbs as people run them, in a process of their own, against a local API that the test plays. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect } from '@causeway/client'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
const NODE = {
  ...{ node: 'hkg-1-a', site: 'hkg-1', region: 'apac', role: 'edge', verdict: 'alive', since: 0, evidence: ['vitals'] },
  ...{ vitals: { cpu: 41.6, players: 12 }, vitalsAgeMs: 1_200 },
}
const SITE = {
  ...{ site: 'hkg-1', region: 'apac', verdict: 'unknown', since: null, nodes: { total: 2, alive: 0 }, vitals: null },
}

let directory: string
let server: Server
let api: string
const told: string[] = []

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'cw-fleet-'))
  api = join(directory, 'api.sock')
  server = createServer((request, response) => {
    if (request.method === 'PUT' && request.url === '/v1/vitals') {
      request.setEncoding('utf8').on('data', (text: string) => told.push(text))
      request.on('end', () => response.writeHead(204).end())
    } else if (request.url === '/v1/nodes') response.end(JSON.stringify({ items: [NODE], token: '1' }))
    else if (request.url === '/v1/sites') response.end(JSON.stringify({ items: [SITE], token: '1' }))
    else response.writeHead(404).end('{}')
  })
  await new Promise<void>((done) => server.listen(api, done))
})

afterAll(async () => {
  await new Promise((done) => server.close(done))
  rmSync(directory, { recursive: true })
})

function causeway(...args: readonly string[]): Promise<{ code: number; stdout: string }> {
  const env = { ...process.env, NO_COLOR: '1', CAUSEWAY_API: api }
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { env }, (error, stdout) => resolve({ code: error ? Number(error.code) : 0, stdout }))
  })
}

test('tables for people, the whole list for programs', async () => {
  const [table, wide, document, sites] = await Promise.all([
    causeway('nodes'),
    causeway('nodes', '-o', 'wide'),
    causeway('nodes', '-o', 'json'),
    causeway('sites', '-o', 'ndjson'),
  ])
  expect(table.stdout).toMatch(/^NODE +SITE .*\nhkg-1-a +hkg-1 +apac +edge +alive .* 42% /)
  expect(wide.stdout).toContain('players=12')
  expect(JSON.parse(document.stdout)).toEqual({ items: [NODE], token: '1' })
  expect(sites.stdout).toBe(`${JSON.stringify(SITE)}\n`)
  expect([table, wide, document, sites].map(({ code }) => code)).toEqual([0, 0, 0, 0])
})

test('a watch prints a document a second, and Ctrl-C ends it well', async () => {
  const child = spawn(process.execPath, [MAIN, 'sites', '-w', '-o', 'json'], { env: { ...process.env, CAUSEWAY_API: api } })
  let text = ''
  child.stdout.setEncoding('utf8')
  for await (const chunk of child.stdout as AsyncIterable<string>) {
    text += chunk
    if (text.split('\n').length > 2) child.kill('SIGINT')
  }
  if (child.exitCode === null) await once(child, 'exit')
  expect(child.exitCode).toBe(0)
  for (const line of text.trim().split('\n')) expect(JSON.parse(line)).toEqual({ items: [SITE], token: '1' })
})

test('the client reads them too, and tells vitals of its own', async () => {
  const client = await connect({ api })
  expect((await client.nodes()).items[0]?.vitals).toEqual({ cpu: 41.6, players: 12 })
  expect((await client.sites()).items).toEqual([SITE])
  expect(await client.vitals({ players: 12 })).toBeUndefined()
  expect(told).toEqual(['{"players":12}'])
})
