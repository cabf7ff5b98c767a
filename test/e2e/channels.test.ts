/** Channels of programs to services, through the client and two real nodes with two hubs between them. */
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { readFileSync } from 'node:fs'
import { buffer, text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type Causeway, connect } from '@causeway/client'
import type { OfferView, StatusView } from '@causeway/protocol'
import { Deployment } from './deployment.ts'
import { eventually } from './eventually.ts'

const EXAMPLE = fileURLToPath(new URL('../../packages/client/examples/echo.ts', import.meta.url))
const HUBS = ['core-1', 'core-2'] as const
const lab = new Deployment()
const echo = createServer({ allowHalfOpen: true }, (socket) => void socket.on('error', () => undefined).pipe(socket))
const breaker = createServer((socket) => void socket.on('error', () => undefined).once('data', () => socket.resetAndDestroy()))
const datagrams = createSocket('udp4')
let hkg: Causeway

beforeAll(async () => {
  const listening = [echo.listen(0, '127.0.0.1'), breaker.listen(0, '127.0.0.1'), datagrams.bind(0, '127.0.0.1')].map((each) =>
    once(each, 'listening'),
  )
  await Promise.all(listening)
  datagrams.on('message', (message, { address, port }) => datagrams.send(message, port, address))
  const [tcp, breaks, udp] = [echo, breaker, datagrams].map((each) => `127.0.0.1:${(each.address() as AddressInfo).port}`)
  await lab.prepare('mynet', [
    { name: 'core-1', role: 'hub', site: 'core-1', hubs: ['core-2'] },
    { name: 'core-2', role: 'hub', site: 'core-2', hubs: ['core-1'] },
    { name: 'hkg-1-a', role: 'edge', site: 'hkg-1', hubs: HUBS },
    { name: 'nrt-2-a', role: 'edge', site: 'nrt-2', hubs: HUBS },
  ])
  const services = `services: [{name: echo, tcp: "${tcp}"}, {name: echo, udp: "${udp}"}, {name: breaks, tcp: "${breaks}"}, {name: nobody, tcp: "127.0.0.1:1"}]\n`
  lab.write('nrt-2-a.yaml', readFileSync(lab.path('nrt-2-a.yaml'), 'utf8') + services)
  await Promise.all([...HUBS, 'hkg-1-a', 'nrt-2-a'].map((name) => lab.start(name)))
  hkg = await connect({ api: lab.path('hkg-1-a.sock') })
  await eventually('hkg-1-a knows what nrt-2 offers', async () => {
    const { uplinks } = await lab.ask<StatusView>('hkg-1-a', 'status')
    const { items } = await lab.ask<{ readonly items: readonly OfferView[] }>('hkg-1-a', 'services', 'nrt-2')
    return items.length === 4 && uplinks.filter(({ state }) => state === 'up').length === 2
  })
})

afterAll(async () => {
  await lab.close()
  for (const server of [echo, breaker, datagrams]) server.close()
})

test('a stream carries what it is given, both ways, while the hub in use is killed', async () => {
  const bytes = randomBytes(20_000_000)
  const stream = await hkg.open('echo@nrt-2')
  const answer = buffer(stream)
  stream.write(bytes.subarray(0, 5_000_000))
  const [path] = (await hkg.paths('nrt-2-a')).paths
  await lab.end(path?.hops[0] ?? '', 'SIGKILL')
  stream.end(bytes.subarray(5_000_000))
  expect(
    createHash('sha256')
      .update(await answer)
      .digest('hex'),
  ).toBe(createHash('sha256').update(bytes).digest('hex'))
  await lab.start(path?.hops[0] ?? '')
})

test('a stream that cannot be is refused with the reason, and one that breaks does not end', async () => {
  await expect(hkg.open('nothing@nrt-2')).rejects.toMatchObject({
    code: 'not-found',
    message: expect.stringContaining('nobody at nrt-2 offers nothing'),
  })
  await expect(hkg.open('nobody@nrt-2')).rejects.toMatchObject({ code: 'unreachable', message: expect.stringContaining('cannot connect') })
  await expect(hkg.open('a b')).rejects.toMatchObject({ code: 'usage' })
  const stream = await hkg.open('breaks@nrt-2/nrt-2-a')
  stream.write('hello')
  await expect(buffer(stream)).rejects.toMatchObject({ code: 'unreachable' })
})

test('who does not read costs no memory; who hangs up breaks the connection at the other end', async () => {
  const broken = new Promise<void>((done) => echo.once('connection', (socket) => socket.once('close', () => done())))
  const resident = (node: string): number => Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${lab.pid(node)}/status`, 'utf8'))?.[1])
  const chunk = randomBytes(1_000_000)
  const stream = await hkg.open('echo@nrt-2')
  for (let count = 0; count < 200; count++) stream.write(chunk)
  let taken = -1
  await eventually('nothing moves any more', () => {
    const before = taken
    taken = 200 * chunk.length - stream.writableLength
    return taken === before
  })
  expect(taken).toBeLessThan(100 * chunk.length)
  for (const node of ['hkg-1-a', 'nrt-2-a']) expect(resident(node)).toBeLessThan(300 * 1024)
  for (let left = 150 * chunk.length; left > 0;) left -= ((await once(stream, 'readable')) && (stream.read() as Buffer | null)?.length) || 0
  stream.on('error', () => undefined).destroy()
  await broken
})

test('datagrams keep their borders, also over two paths at once', async () => {
  for (const frameClass of ['latest', 'twin'] as const) {
    const flow = await hkg.datagrams('echo@nrt-2', { class: frameClass })
    onTestFinished(() => flow.close())
    const wanted = new Set(['', 'a', 'b'.repeat(5_000)])
    const repeating = setInterval(() => wanted.forEach((each) => flow.send(Buffer.from(each))), 50)
    onTestFinished(() => clearInterval(repeating))
    for await (const datagram of flow) {
      expect(['', 'a', 'b'.repeat(5_000)]).toContain(Buffer.from(datagram).toString())
      wanted.delete(Buffer.from(datagram).toString())
      if (wanted.size === 0) flow.close()
    }
    expect(wanted.size).toBe(0)
  }
})

test('the example', async () => {
  const env = { ...process.env, CAUSEWAY_API: lab.path('hkg-1-a.sock') }
  const child = spawn(process.execPath, [EXAMPLE, 'echo@nrt-2', 'good morning'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  expect(await text(child.stdout)).toBe('stream: good morning\ndatagram: good morning\n')
})

test('a node that is told to stop does, and its channels break', async () => {
  const stream = await hkg.open('echo@nrt-2')
  const flow = await hkg.datagrams('echo@nrt-2')
  const ends = Promise.allSettled([buffer(stream), flow[Symbol.asyncIterator]().next()])
  expect(await lab.end('hkg-1-a', 'SIGTERM')).toBe(0)
  const reason = expect.objectContaining({ code: expect.stringMatching(/unreachable/) })
  expect(await ends).toEqual([
    { status: 'rejected', reason },
    { status: 'rejected', reason },
  ])
})
