/** Datagrams from real clients to a real server, over channels in memory. */
import { type Socket, createSocket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ForwardingLab, type LabNode, forwardTo } from './forwarding-lab.ts'

const WAIT = { timeout: 10_000, interval: 5 }
/** Not a port that was free a moment ago: the system may give that to the next socket of these tests. */
const NOBODY = '127.0.0.1:1'
let lab: ForwardingLab
let sockets: Socket[]

beforeEach(() => {
  lab = new ForwardingLab()
  sockets = []
})
afterEach(async () => {
  await lab.close()
  for (const socket of sockets) socket.close()
})

async function bound(): Promise<Socket> {
  const socket = createSocket('udp4')
  sockets.push(socket)
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}

function portOf(socket: Socket): number {
  return socket.address().port
}

/** Answers with the port from which it was asked, and what it was asked. */
async function server(): Promise<string> {
  const socket = await bound()
  socket.on('message', (datagram, { port, address }) => socket.send(`${port} ${String(datagram)}`, port, address))
  return `127.0.0.1:${portOf(socket)}`
}

async function ask(client: Socket, port: number, question: string): Promise<string> {
  const answered = once(client, 'message') as Promise<[Buffer]>
  client.send(question, port, '127.0.0.1')
  return String((await answered)[0])
}

/** The forward's port, and the node that has it. */
async function leadTo(to: string, more: object = {}): Promise<{ readonly port: number; readonly near: LabNode }> {
  const near = await lab.node('hkg-1-a')
  const { listen } = await near.forwarding.open(forwardTo(to, { proto: 'udp', ...more }))
  return { port: Number(listen.split(':')[1]), near }
}

test('every client is one flow, with answers of its own', async () => {
  const far = await lab.node('nrt-2-a', { services: [{ name: 'media', udp: await server() }] })
  const { port, near } = await leadTo('media@nrt-2', { class: 'twin' })
  const [one, other] = [await bound(), await bound()]
  const first = await ask(one, port, 'a')
  const second = await ask(other, port, 'b')
  expect(await ask(one, port, '')).toBe(first.slice(0, -1))
  expect(first.split(' ')[0]).not.toBe(second.split(' ')[0])
  expect(near.forwarding.forwards()[0]).toMatchObject({ class: 'twin', open: 2, opened: 2, bytesOut: 2, dropped: 0 })
  expect(far.forwarding.services()[0]).toMatchObject({ open: 2, opened: 2, bytesIn: 2 })
})

test('a flow that falls silent ends at both ends', async () => {
  const far = await lab.node('nrt-2-a', { services: [{ name: 'media', udp: await server() }] })
  const { port, near } = await leadTo('media@nrt-2', { idleSeconds: 0.05 })
  await ask(await bound(), port, 'a')
  await vi.waitFor(() => expect([near.forwarding.forwards()[0]?.open, far.forwarding.services()[0]?.open]).toEqual([0, 0]), WAIT)
})

test('a flow that the other end has forgotten begins anew', async () => {
  const far = await lab.node('nrt-2-a', { services: [{ name: 'media', udp: await server(), idleSeconds: 0.05 }] })
  const { port, near } = await leadTo('media@nrt-2')
  const client = await bound()
  const heard: string[] = []
  client.on('message', (datagram) => heard.push(String(datagram)))
  for (const word of ['a', 'b']) {
    await vi.waitFor(() => {
      client.send(word, port, '127.0.0.1')
      expect(heard.at(-1)).toMatch(new RegExp(` ${word}$`))
    }, WAIT)
    await vi.waitFor(() => expect(near.forwarding.forwards()[0]?.open).toBe(0), WAIT)
  }
  expect(far.forwarding.services()[0]?.opened).toBeGreaterThan(1)
  expect(near.forwarding.forwards()[0]?.failed).toBe(0)
})

test('what is too large for a channel is dropped, and counted', async () => {
  await lab.node('nrt-2-a', { services: [{ name: 'media', udp: await server() }] })
  const { port, near } = await leadTo('media@nrt-2')
  const client = await bound()
  client.send(Buffer.alloc(9_001), port, '127.0.0.1')
  const largest = 'x'.repeat(8_990)
  expect(await ask(client, port, largest)).toContain(largest)
  expect(near.forwarding.forwards()[0]).toMatchObject({ dropped: 1, bytesOut: 8_990 })
})

test('a flow whose server is gone goes on with the next node', async () => {
  await lab.node('nrt-2-a', { services: [{ name: 'media', udp: NOBODY }] })
  await lab.node('nrt-2-b', { services: [{ name: 'media', udp: await server() }] })
  for (const to of ['media@nrt-2', 'media@nrt-2']) {
    const { port } = await leadTo(to)
    const client = await bound()
    let answer = ''
    client.on('message', (datagram) => (answer = String(datagram)))
    await vi.waitFor(() => {
      client.send('x', port, '127.0.0.1')
      expect(answer).toMatch(/ x$/)
    }, WAIT)
  }
})

test('a flow leaves a node to which no way leads', async () => {
  const nodes = await Promise.all(
    ['nrt-2-a', 'nrt-2-b'].map(async (name) => ({
      name,
      at: await lab.node(name, { services: [{ name: 'media', udp: await server() }] }),
    })),
  )
  const { port } = await leadTo('media@nrt-2')
  const client = await bound()
  await ask(client, port, 'a')
  const used = nodes.find(({ at }) => at.forwarding.services()[0]?.opened === 1)
  const other = nodes.find((node) => node !== used)
  lab.lost.add(used?.name ?? '')
  await vi.waitFor(() => {
    client.send('b', port, '127.0.0.1')
    expect(other?.at.forwarding.services()[0]?.bytesIn).toBeGreaterThan(0)
  }, WAIT)
})

test('a peer that is not allowed is refused', async () => {
  const far = await lab.node('nrt-2-a', { services: [{ name: 'media', udp: await server(), allow: ['role=hub'] }] })
  const { port, near } = await leadTo('media@nrt-2')
  const client = await bound()
  client.send('a', port, '127.0.0.1')
  await vi.waitFor(() => expect(near.forwarding.forwards()[0]?.lastFailure?.reason).toBe('nrt-2-a refuses: media is not for hkg-1-a'), WAIT)
  expect(far.forwarding.services()[0]).toMatchObject({ refused: 1, opened: 0 })
})
