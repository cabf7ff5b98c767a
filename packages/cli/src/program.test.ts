import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

/** The command as people run it: a process of its own, its exit code and what it prints. */
const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function causeway(...args: readonly string[]): Promise<Outcome> {
  const env = { ...process.env, NO_COLOR: '1', CAUSEWAY_API: '', CAUSEWAY_DEBUG: '' }
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { env, cwd: directory }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr })
    })
  })
}

let directory: string
let server: Server
let api: string
/** Of all requests. */
const methods = new Set<string | undefined>()

const RECORD = { key: 'a/b', partition: 'global', value: { n: 1 }, labels: {}, revision: 'r1', writer: 'x', asOf: 0 }
const HISTORY = { key: 'a/b', partition: 'global', since: 0, items: [{ type: 'ADDED', record: RECORD, at: 1_000 }] }
const WATCHED = [
  { type: 'ADDED', record: RECORD },
  { type: 'BOOKMARK', token: 't', complete: true },
  { type: 'UNSYNCED', partition: 'global' },
]
const USE = { to: 'b', paths: [{ hops: ['core-1', 'b'], costMs: 12, state: 'up', active: true }], reason: 'it is the best that works' }
const WHY = {
  from: 'a',
  to: 'b',
  hub: 'core-1',
  candidates: [
    { hops: ['core-1', 'b'], costMs: 12, steps: [{ from: 'a', to: 'core-1', costMs: 5 }], planned: true, reason: 'the cheapest' },
    { hops: ['core-2', 'b'], costMs: 20, steps: [], planned: false, reason: 'core-2 drains' },
  ],
  excluded: [{ hub: 'core-2', reason: 'drains' }],
  use: USE,
}
const TRACE_HOP = {
  ...{ from: 'a', to: 'b', state: 'up', oneWayMs: { forward: 1, backward: 2 }, uncertaintyMs: 1.5 },
  ...{ rttMs: { last: 3, p50: 3, p95: 4 }, lossRatio: { forward: 0, backward: null }, costMs: 2 },
}
const TRACE = { to: 'b', hops: [TRACE_HOP], rttMs: 3, unknown: [] }
const HUB = {
  ...{
    node: 'core-1',
    network: 'lab',
    role: 'hub',
    site: 'core',
    region: 'eu',
    gateway: null,
    version: '1',
    uptimeSeconds: 3,
    credentialEndsAt: 0,
  },
  ...{
    uplinks: [],
    unreached: [{ address: 'h:7400', reason: 'its name leads to no address' }],
    links: 2,
    channels: 2,
    cutOff: true,
    relay: { draining: false, framesPerSecond: 7, frames: 9 },
  },
  replica: { documents: 2, records: 3, pending: 2, lagMs: 2_500, sessions: ['hkg-1-a'] },
}
const NOT_FOUND = { code: 'not-found', status: 404, title: 'not found', detail: 'no such record', remedy: 'list them', type: 'about:blank' }

/** Answers as the local API is specified. */
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'cw-cli-'))
  api = join(directory, 'api.sock')
  server = createServer((request, response) => {
    methods.add(request.method)
    if (request.url === '/v1/kv/config/a%2Fb?history=true') response.end(JSON.stringify(HISTORY))
    else if (request.url === '/v1/kv/cut?limit=1')
      response.end(JSON.stringify({ items: [RECORD], token: 't', continue: 'next', asOf: 0, cutOff: true }))
    else if (request.url?.startsWith('/v1/kv/config?watch=true'))
      response.end(`${WATCHED.map((event) => JSON.stringify(event)).join('\n')}\n`)
    else if (request.url?.startsWith('/v1/kv/config/a%2Fb')) response.end(JSON.stringify(RECORD))
    else if (request.url === '/v1/status') response.end(JSON.stringify(HUB))
    else if (request.url === '/v1/kv/config') response.end(JSON.stringify({ items: [RECORD], token: 't' }))
    else if (request.url?.startsWith('/v1/ping/far?count=3&')) {
      for (const sequence of [0, 1]) {
        response.write(`${JSON.stringify({ sequence, rttMs: 10 + sequence, path: ['core-1', 'far'], remoteMs: 5, remoteCount: 1 })}\n`)
      }
      response.end()
    } else if (request.url === '/v1/why/a/b') response.end(JSON.stringify(WHY))
    else if (request.url === '/v1/trace/b') response.end(JSON.stringify(TRACE))
    else if (request.url === '/v1/paths/far') response.end(JSON.stringify({ to: 'far', paths: [] }))
    else response.writeHead(404).end(JSON.stringify(NOT_FOUND))
  })
  await new Promise<void>((done) => server.listen(api, done))
})

afterAll(async () => {
  await new Promise((done) => server.close(done))
  rmSync(directory, { recursive: true })
})

test.each([
  [['stats'], "unknown command 'stats'. Did you mean status?"],
  [['status', '--apo', 'x'], "unknown option '--apo'. Did you mean --api?"],
  [['ping'], 'missing required argument \'to\'. See "causeway ping --help".'],
  [['ping', 'a', '-c', 'many'], 'whole number from 1 to 1000000'],
  [['status', '-o', 'xml'], 'Allowed choices are table, wide, json, ndjson, yaml.'],
  [['kv', 'get', 'config'], '"config" is not of the form COLLECTION/KEY. Write it like tasks/rec-42.'],
  [['kv', 'patch', 'config/a', '1'], 'the fields are no JSON object.'],
  [['kv', 'put', 'config/a', '1', '--durability', 'moon'], 'Allowed choices are local, site, hub.'],
  [['kv', 'batch', 'config', './none.json'], './none.json cannot be read'],
  [['demo', '--hubs', '99'], 'whole number from 2 to 8'],
  [['ping', 'Core 1'], 'Names of nodes have lower-case letters, digits, dots and hyphens.'],
  [['why', 'a', ''], 'Names of nodes have lower-case letters, digits, dots and hyphens.'],
  [['forward', '7001', 'signal@a', '--idle', '5'], '--idle is for datagrams. Add --udp, or leave it out.'],
])('wrong usage is one line and exit code 2: %j', async (args, message) => {
  const { code, stdout, stderr } = await causeway(...args)
  expect({ code, stdout, lines: stderr.split('\n').length }).toEqual({ code: 2, stdout: '', lines: 2 })
  expect(stderr).toMatch(/^causeway: /)
  expect(stderr).toContain(message)
})

test('without a daemon: one line that names the socket, exit code 3', async () => {
  const { code, stdout, stderr } = await causeway('status')
  expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
  expect(stderr).toMatch(/^causeway: no daemon answers at \S+causeway\.sock\. Start it with .*\n$/)
})

test('what is not there: one line with the remedy of the daemon, exit code 1', async () => {
  const { code, stderr } = await causeway('channels', '--api', api)
  expect({ code, stderr }).toEqual({ code: 1, stderr: 'causeway: no such record. List them.\n' })
  expect((await causeway('kv', 'get', 'config/none', '--api', api)).code).toBe(1)
  expect((await causeway('paths', 'far', '--api', api)).code).toBe(1)
})

test('a record prints as its value for people, whole as JSON and YAML', async () => {
  expect((await causeway('kv', 'get', 'config/a/b', '--partition', 'global', '--api', api)).stdout).toBe('{\n  "n": 1\n}\n')
  expect(JSON.parse((await causeway('kv', 'get', 'config/a/b', '--api', api, '-o', 'json')).stdout)).toEqual(RECORD)
  expect((await causeway('kv', 'list', 'config', '--api', api, '-o', 'ndjson')).stdout).toBe(`${JSON.stringify(RECORD)}\n`)
  expect((await causeway('kv', 'get', 'config/a/b', '--api', api, '-o', 'yaml')).stdout).toContain('value:\n  n: 1\n')
})

test('lists say that there is more and that the site is cut off; a watch and a history have a line for each change', async () => {
  const cut = await causeway('kv', 'list', 'cut', '--limit', '1', '--api', api)
  expect(cut.stdout).toMatch(/there are more: --continue next/)
  expect(cut.stderr).toBe('this site is cut off since 1970-01-01T00:00:00.000Z: others may have written what is not shown\n')
  const watch = await causeway('kv', 'watch', 'config', '--since', 't', '--no-resume', '--api', api)
  expect(watch.stdout.split('\n')).toEqual([
    'ADDED     global  a/b  {"n":1}',
    '-- all of it so far',
    '-- global is not held here any more',
    '',
  ])
  const history = await causeway('kv', 'history', 'config/a/b', '--api', api)
  expect(history.stdout).toMatch(/1970-01-01T00:00:01\.000Z +ADDED +{"n":1}/)
})

test('a credential that has ended is seen in the status, with the remedy', async () => {
  const { stdout } = await causeway('status', '--api', api)
  expect(stdout).toContain('has ended: renew it with "causeway renew"')
})

test('the status says which addresses cannot be reached, and why', async () => {
  const { stdout } = await causeway('status', '--api', api)
  expect(stdout).toMatch(/UNREACHED +BECAUSE\nh:7400 +its name leads to no address/)
})

test('the status of a hub that has just begun and is alone is no alarm', async () => {
  const { stdout } = await causeway('status', '--api', api)
  expect(stdout).toMatch(/^unsent +2 batches that no other hub has, the oldest 2s old$/m)
  expect(stdout).toMatch(/^hubs +none is reached yet$/m)
})

test('why tells candidates, reasons and the path in use; trace every hop', async () => {
  const why = await causeway('why', 'a', 'b', '--api', api)
  expect({ code: why.code, stderr: why.stderr }).toEqual({ code: 0, stderr: '' })
  expect(why.stdout).toMatch(/in use +12\.0 +core-1 > b +the cheapest/)
  expect(why.stdout).toMatch(/20\.0 +core-2 > b +core-2 drains/)
  expect(JSON.parse((await causeway('why', 'a', 'b', '--api', api, '-o', 'json')).stdout)).toEqual(WHY)
  const trace = await causeway('trace', 'b', '-c', '2', '-i', '0.01', '--api', api)
  expect({ code: trace.code, stderr: trace.stderr }).toEqual({ code: 0, stderr: '' })
  expect(trace.stdout).toMatch(/1 +a > b +up +1\.0 +2\.0/)
  expect(JSON.parse((await causeway('trace', 'b', '--api', api, '-o', 'json')).stdout)).toMatchObject(TRACE)
  expect((await causeway('trace', 'far', '--api', api)).code).toBe(1)
})

test('a ping that loses one says so and exits with 1', async () => {
  const { code, stdout } = await causeway('ping', 'far', '-c', '3', '-i', '0.01', '--api', api, '-o', 'json')
  expect(code).toBe(1)
  expect(JSON.parse(stdout)).toMatchObject({
    sent: 3,
    received: 2,
    lost: 1,
    rttMs: { min: 10, p50: 10, max: 11 },
    paths: [{ hops: ['core-1', 'far'], answers: 2 }],
  })
})

test('a dry run tells what would change, or why it could not, and changes nothing', async () => {
  const put = await causeway('kv', 'put', 'config/a/b', '{"n": 2}', '--dry-run', '--api', api)
  expect(put).toEqual({ code: 0, stdout: 'would replace config/a/b in global: {"n":1} becomes {"n":2}\nnothing is done\n', stderr: '' })
  const none = await causeway('kv', 'update', 'config/none', '1', '--dry-run', '--api', api)
  expect(none).toEqual({ code: 1, stdout: '', stderr: 'causeway: none does not exist. Check the key and the partition.\n' })
  const stale = await causeway('kv', 'delete', 'config/a/b', '--revision', 'r0', '--dry-run', '--api', api)
  expect({ code: stale.code, stderr: stale.stderr }).toEqual({
    code: 1,
    stderr: 'causeway: a/b is at revision r1, not r0. Read it again.\n',
  })
  expect(methods).toEqual(new Set(['GET', 'POST']))
})

test('help is a verb, too', async () => {
  const [asked, usual] = await Promise.all([causeway('help', 'paths'), causeway('paths', '--help')])
  expect(asked).toEqual(usual)
  expect(asked).toMatchObject({ code: 0, stdout: expect.stringContaining('Usage: causeway paths') })
})

test('help is on stdout with exit code 0, and shows examples', async () => {
  const all = await causeway()
  expect({ code: all.code, stderr: all.stderr }).toEqual({ code: 0, stderr: '' })
  for (const verb of [
    'demo',
    'init',
    'issue',
    'run',
    'status',
    'links',
    'paths',
    'why',
    'trace',
    'channels',
    'drain',
    'undrain',
    'ping',
    'probe',
    'reflect',
    'kv',
    'events',
  ]) {
    expect(all.stdout).toMatch(new RegExp(`^  ${verb} `, 'm'))
  }
  expect((await causeway('kv', '--help')).stdout).toContain('$ causeway kv put')
})
