import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Causeway, connect, describeAddress, parseApiAddress } from './index.ts'
import { ScriptedDaemon } from './scripted-daemon.ts'

let daemon: ScriptedDaemon
let causeway: Causeway

beforeEach(async () => {
  daemon = await ScriptedDaemon.start()
  causeway = await connect({ api: daemon.api })
})

afterEach(() => daemon.stop())

test('keys, modes, revisions and labels arrive as the API names them', async () => {
  daemon.answer({ key: 'a/b c', partition: 'p', revision: 'r', token: 't' })
  const tasks = causeway.collection<{ n: number }>('tasks')
  await tasks.put('a/b c', { n: 1 }, { partition: 'p', labels: { kind: 'x', tier: 'y=z' } })
  await tasks.create('k', { n: 2 })
  await tasks.update('k', { n: 3 }, { revision: 'r&1' })
  await tasks.delete('k', { revision: 'r' })
  daemon.answer({ items: [], token: 't' })
  await tasks.list({ selector: 'kind=x' })
  expect(daemon.seen).toEqual([
    'PUT /v1/kv/tasks/a%2Fb%20c?partition=p&label=kind%3Dx&label=tier%3Dy%3Dz {"n":1}',
    'PUT /v1/kv/tasks/k?mode=create {"n":2}',
    'PUT /v1/kv/tasks/k?mode=update&revision=r%261 {"n":3}',
    'DELETE /v1/kv/tasks/k?revision=r',
    'GET /v1/kv/tasks?selector=kind%3Dx',
  ])
})

test('a problem document becomes an error with its code and remedy', async () => {
  daemon.answer({ code: 'conflict', detail: 'it has changed', remedy: 'read it again', status: 409 }, 409)
  await expect(causeway.collection('c').put('k', 1)).rejects.toMatchObject({
    code: 'conflict',
    message: 'it has changed',
    remedy: 'read it again',
  })
})

test('an answer without a document is told apart by its status, and a missing record is undefined', async () => {
  daemon.handle = (_request, response) => response.writeHead(404).end('nothing here')
  expect(await causeway.collection('c').get('k')).toBeUndefined()
  await expect(causeway.paths('x')).rejects.toMatchObject({ code: 'not-found' })
  daemon.handle = (_request, response) => response.writeHead(200).end('<html>')
  await expect(causeway.status()).rejects.toMatchObject({ code: 'refused' })
})

test('a watch yields lines however they are cut, and ends quietly when aborted', async () => {
  const stop = new AbortController()
  daemon.handle = (_request, response) => {
    response.write('{"type":"ADDED","record":{"key":"a"}}\n{"type":"BOOK')
    setImmediate(() => response.write('MARK","token":"t","complete":true}\n'))
  }
  const types: string[] = []
  for await (const event of causeway.collection('c').watch({ signal: stop.signal })) {
    types.push(event.type)
    if (event.type === 'BOOKMARK') stop.abort()
  }
  expect(types).toEqual(['ADDED', 'BOOKMARK'])
  expect(daemon.seen).toEqual(['GET /v1/kv/c?watch=true'])
})

test('a daemon that dies in the middle of a stream is an error, not an end', async () => {
  daemon.handle = (_request, response) => {
    response.write('{"at":1,"name":"link-up","data":{}}\n')
    setImmediate(() => response.destroy())
  }
  const events: unknown[] = []
  const all = (async () => {
    for await (const event of causeway.events()) events.push(event)
  })()
  await expect(all).rejects.toMatchObject({ code: 'daemon-unreachable' })
  expect(events).toHaveLength(1)
})

test('the last line of a ping may be its fault', async () => {
  daemon.handle = (_request, response) => {
    response.write('{"sequence":0,"rttMs":1,"path":[],"remoteMs":5,"remoteCount":1}\n')
    response.end('{"error":{"code":"unreachable","detail":"no path to x","remedy":"see paths","status":502}}\n')
  }
  const replies: number[] = []
  const all = (async () => {
    for await (const reply of causeway.ping('x', { count: 2, intervalMs: 10, bytes: 64 })) replies.push(reply.sequence)
  })()
  await expect(all).rejects.toMatchObject({ code: 'unreachable', message: 'no path to x' })
  expect(replies).toEqual([0])
  expect(daemon.seen).toEqual(['POST /v1/ping/x?count=2&intervalMs=10&bytes=64'])
})

test('without a daemon the error names the socket and what to do', async () => {
  const nobody = await connect({ api: `${daemon.api}-none.sock` })
  await expect(nobody.status()).rejects.toMatchObject({
    code: 'daemon-unreachable',
    message: expect.stringContaining('none.sock') as string,
    remedy: expect.stringContaining('causeway run') as string,
  })
})

test('addresses are sockets or http with a token', async () => {
  expect(parseApiAddress('/tmp/x.sock')).toEqual({ type: 'socket', path: '/tmp/x.sock' })
  expect(describeAddress(parseApiAddress('http://[::1]:81', 't'))).toBe('http://[::1]:81')
  expect(() => parseApiAddress('ftp://x')).toThrow('not an API address')

  const bearers: (string | undefined)[] = []
  const web = createServer((request, response) => {
    bearers.push(request.headers.authorization)
    response.end('[]')
  })
  await new Promise<void>((done) => web.listen(0, '127.0.0.1', done))
  const { port } = web.address() as { port: number }
  const remote = await connect({ api: `http://127.0.0.1:${port}`, token: 'secret' })
  expect(await remote.links()).toEqual([])
  expect(bearers).toEqual(['Bearer secret'])
  await new Promise((done) => web.close(done))
})

test('the token of an HTTP API may be in a file, which is no secret in the environment', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'cw-token-'))
  const seen: (string | undefined)[] = []
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization)
    response.end('{}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  try {
    writeFileSync(join(directory, 'api.token'), 'mounted\n')
    vi.stubEnv('CAUSEWAY_TOKEN_FILE', join(directory, 'api.token'))
    await (await connect({ api })).status()
    await (await connect({ api, token: 'given' })).status()
    expect(seen).toEqual(['Bearer mounted', 'Bearer given'])
    vi.stubEnv('CAUSEWAY_TOKEN_FILE', join(directory, 'none'))
    await expect(connect({ api })).rejects.toMatchObject({ code: 'usage', message: expect.stringContaining('cannot be read') })
  } finally {
    vi.unstubAllEnvs()
    server.close()
    rmSync(directory, { recursive: true })
  }
})
