/** Whole nodes in this process, a hub and two sites over loopback: forwards over real channels, their API, and reloads. */
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { EventView, ForwardView, OfferView, RecordListView } from '@causeway/protocol'
import { createNetwork, issueCredential, renewCredential } from '../authority.ts'
import { type Daemon, startDaemon } from '../daemon.ts'
import { dial, restOf } from './forwarding-lab.ts'

const WAIT = { timeout: 15_000, interval: 20 }
const directory = mkdtempSync(join(tmpdir(), 'causeway-forwarding-'))
const running = new Map<string, Daemon>()
const servers: Server[] = []
let hubs: readonly string[] = []
let [one, two] = ['', '']

beforeAll(async () => {
  createNetwork(join(directory, 'net'), 'test-net')
  one = await server('one')
  two = await server('two')
  hubs = [(await start('core-1', 'hub', {})).addresses.tcp]
  await start('nrt-1', 'edge', { services: [{ name: 'word', tcp: one, allow: ['site=hkg-*', 'label.team=ops'] }] })
  await start('hkg-1', 'edge', {}, 'team=ops')
  await vi.waitFor(async () => {
    const { body } = await call('hkg-1', 'GET', '/v1/services/nrt-1')
    if ((body as { items?: unknown[] }).items?.length !== 1) throw new Error('hkg-1 does not know yet what nrt-1 offers')
  }, WAIT)
}, 60_000)

afterAll(async () => {
  for (const daemon of running.values()) await daemon.stop()
  for (const each of servers) each.close()
  rmSync(directory, { recursive: true })
})

/** Says a word to everybody. */
async function server(word: string): Promise<string> {
  const made = createServer({ allowHalfOpen: true }, (socket: Socket) => socket.on('error', () => {}).end(word))
  servers.push(made.listen(0, '127.0.0.1'))
  await once(made, 'listening')
  return `127.0.0.1:${(made.address() as AddressInfo).port}`
}

function write(name: string, role: 'edge' | 'hub', more: object): string {
  const path = join(directory, `${name}.yaml`)
  const own = { role, credential: `${name}.cred`, dataDir: `data-${name}`, api: { socket: `${name}.sock` }, listen: { tcp: '127.0.0.1:0' } }
  writeFileSync(path, JSON.stringify({ ...own, hubs, ...more }))
  return path
}

async function start(name: string, role: 'edge' | 'hub', more: object, labels = 'team=dev'): Promise<Daemon> {
  const [key = '', value = ''] = labels.split('=')
  const out = join(directory, `${name}.cred`)
  issueCredential(join(directory, 'net'), { name, site: name, region: 'lab', role, out, labels: { [key]: value } })
  const daemon = await startDaemon(write(name, role, more), { log: pino({ level: 'silent' }), guardProcess: false })
  running.set(name, daemon)
  return daemon
}

function open(name: string, method: string, path: string, body?: unknown): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath: running.get(name)?.apiSocket ?? '', method, path, agent: false }, resolve)
    sent.on('error', reject)
    sent.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

async function call(name: string, method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
  const response = await open(name, method, path, body)
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return { status: response.statusCode ?? 0, body: text === '' ? undefined : JSON.parse(text) }
}

async function wordAt(listen: string): Promise<string> {
  const client = await dial(listen)
  client.end()
  return String(await restOf(client))
}

async function lastEvent(name: string, event: string): Promise<EventView['data'] | undefined> {
  const response = await open(name, 'GET', '/v1/events?follow=false')
  let last: EventView | undefined
  for await (const line of createInterface(response)) {
    const each = JSON.parse(line) as EventView
    if (each.name === event) last = each
  }
  return last?.data
}

test('a forward that was asked for leads there, and goes when it is removed', async () => {
  const made = await call('hkg-1', 'POST', '/v1/forwards', { listen: '0', to: 'word@nrt-1' })
  expect(made).toMatchObject({ status: 201, body: { to: 'word@nrt-1', protocol: 'tcp', origin: 'request', open: 0 } })
  const { id, listen } = made.body as ForwardView
  expect(await wordAt(listen)).toBe('one')
  expect(await call('hkg-1', 'GET', '/v1/forwards')).toMatchObject({ body: { items: [{ id, opened: 1, bytesIn: 3 }] } })
  expect(await call('nrt-1', 'GET', '/v1/services')).toMatchObject({ body: { items: [{ service: 'word', opened: 1, bytesOut: 3 }] } })
  expect(await call('hkg-1', 'DELETE', `/v1/forwards/${encodeURIComponent(id)}`)).toMatchObject({ status: 204 })
  expect(await call('hkg-1', 'DELETE', `/v1/forwards/${encodeURIComponent(id)}`)).toMatchObject({
    status: 404,
    body: { code: 'not-found' },
  })
})

test('a forward that is followed tells its failures, and goes with its reader', async () => {
  const response = await open('hkg-1', 'POST', '/v1/forwards?follow=true', { listen: '0', to: 'none@nrt-1' })
  const lines: unknown[] = []
  createInterface(response).on('line', (line) => lines.push(JSON.parse(line)))
  await vi.waitFor(() => expect(lines).toHaveLength(1), WAIT)
  const { listen } = lines[0] as ForwardView
  await expect(wordAt(listen)).rejects.toMatchObject({ code: 'ECONNRESET' })
  await vi.waitFor(
    () => expect(lines[1]).toMatchObject({ name: 'forward-failed', data: { reason: 'nobody at nrt-1 offers none over tcp' } }),
    WAIT,
  )
  response.destroy()
  await vi.waitFor(async () => expect((await call('hkg-1', 'GET', '/v1/forwards')).body).toEqual({ items: [] }), WAIT)
})

test.each([
  [{ listen: '0' }, 400, 'to'],
  [{ listen: 'nowhere', to: 'word@nrt-1' }, 400, 'listen'],
  [{ listen: '0', to: 'word' }, 400, 'SERVICE@SITE'],
  [{ listen: '0', to: 'word@nrt-1', proto: 'sctp' }, 400, 'proto'],
  ['text', 400, 'body'],
])('%j is refused, and says why', async (body, status, says) => {
  expect(await call('hkg-1', 'POST', '/v1/forwards', body)).toMatchObject({
    status,
    body: { detail: expect.stringContaining(says) as string },
  })
})

test('a reload does what can be done, names what takes a restart, and refuses what is wrong', async () => {
  const hkg = running.get('hkg-1')
  const nrt = running.get('nrt-1')
  if (!hkg || !nrt) throw new Error('both run')
  const free = await server('free')
  servers.pop()?.close()
  write('hkg-1', 'edge', { forwards: [{ listen: free, to: 'word@nrt-1' }], uplinks: 2 })
  const added = `forward tcp:${free} → word@nrt-1 added`
  expect(await hkg.reload()).toEqual({ changes: [added], restart: ['uplinks'] })
  expect(await lastEvent('hkg-1', 'config-reloaded')).toMatchObject({ changes: added, needRestart: 'uplinks' })
  expect(await wordAt(free)).toBe('one')

  write('nrt-1', 'edge', { services: [{ name: 'word', tcp: two, allow: ['label.team=ops'] }] })
  expect(await nrt.reload()).toEqual({ changes: ['service tcp/word changed'], restart: [] })
  expect(await wordAt(free)).toBe('two')

  write('hkg-1', 'edge', { forwards: [{ listen: free, to: 'word' }] })
  await expect(hkg.reload()).rejects.toMatchObject({ code: 'config-invalid' })
  expect(await lastEvent('hkg-1', 'config-refused')).toMatchObject({ reason: expect.stringContaining('SERVICE@SITE') as string })
  write('hkg-1', 'edge', { forwards: [{ listen: one, to: 'word@nrt-1' }] })
  await expect(hkg.reload()).rejects.toMatchObject({ code: 'port-in-use' })
  expect(await wordAt(free)).toBe('two')

  write('nrt-1', 'edge', { services: [{ name: 'word', tcp: two, allow: ['label.team=dev'] }] })
  await nrt.reload()
  await expect(wordAt(free)).rejects.toMatchObject({ code: 'ECONNRESET' })
  expect(await lastEvent('nrt-1', 'service-refused')).toMatchObject({ service: 'tcp/word', peer: 'hkg-1' })
})

test('a reload looks at the credential too: a renewed one takes a restart, a damaged one changes nothing', async () => {
  const path = join(directory, 'hkg-1.cred')
  renewCredential(join(directory, 'net'), { credential: path, out: `${path}.new`, expires: '365d' })
  const [first, renewed] = [readFileSync(path), readFileSync(`${path}.new`)]
  write('hkg-1', 'edge', {})
  writeFileSync(path, renewed)
  expect(await running.get('hkg-1')?.reload()).toMatchObject({ restart: ['credential'] })
  writeFileSync(path, renewed.subarray(0, 100))
  await expect(running.get('hkg-1')?.reload()).rejects.toMatchObject({ code: 'credential-invalid' })
  writeFileSync(path, first)
  expect(await running.get('hkg-1')?.reload()).toEqual({ changes: [], restart: [] })
})

test('what a node offers is gone from the records when it stops', async () => {
  const offers = async (): Promise<readonly OfferView[]> =>
    ((await call('core-1', 'GET', '/v1/services/nrt-1')).body as { items: OfferView[] }).items
  expect(await offers()).toEqual([{ service: 'word', protocol: 'tcp', node: 'nrt-1', site: 'nrt-1' }])
  const records = (await call('core-1', 'GET', '/v1/kv/services?selector=service%3Dword')).body as RecordListView
  expect(records.items).toMatchObject([{ key: 'tcp.word.nrt-1', partition: 'nrt-1', writer: 'nrt-1' }])
  await running.get('nrt-1')?.stop()
  running.delete('nrt-1')
  await vi.waitFor(async () => expect(await offers()).toEqual([]), WAIT)
})
