/** Connections from a real client to a real server, over channels in memory. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ForwardingLab, type LabNode, breakOf, dial, forwardTo, refusalAt, restOf } from './forwarding-lab.ts'

const WAIT = { timeout: 10_000, interval: 5 }
let lab: ForwardingLab

beforeEach(() => {
  lab = new ForwardingLab()
})
afterEach(() => lab.close())

/** A forward at hkg-1-a to a service of nrt-2-a; resolves with its address. */
async function between(
  onConnection: (socket: Socket) => void,
  more: object = {},
): Promise<{ readonly address: string; readonly near: LabNode; readonly far: LabNode }> {
  const far = await lab.node('nrt-2-a', { services: [{ name: 'signal', tcp: await lab.server(onConnection), ...more }] })
  const near = await lab.node('hkg-1-a')
  const { listen } = await near.forwarding.open(forwardTo('signal@nrt-2'))
  return { address: listen, near, far }
}

const echo = (socket: Socket): void => void socket.pipe(socket)

test('bytes go through both ways, and each direction ends by itself', async () => {
  let asked = ''
  const { address, near, far } = await between((socket) => {
    socket.on('data', (chunk) => (asked += String(chunk)))
    socket.on('end', () => socket.end(`you said ${asked}`))
  })
  const client = await dial(address)
  client.write('hel')
  client.end('lo')
  expect(String(await restOf(client))).toBe('you said hello')
  await vi.waitFor(
    () => expect(near.forwarding.forwards()[0]).toMatchObject({ open: 0, opened: 1, failed: 0, bytesOut: 5, bytesIn: 14 }),
    WAIT,
  )
  await vi.waitFor(
    () => expect(far.forwarding.services()[0]).toMatchObject({ open: 0, opened: 1, refused: 0, bytesIn: 5, bytesOut: 14 }),
    WAIT,
  )
})

test('a server that speaks first and ends first hears the client to its end', async () => {
  const heard = Promise.withResolvers<Buffer>()
  const { address } = await between((socket) => {
    socket.end('welcome')
    void restOf(socket).then(heard.resolve, heard.reject)
  })
  const client = await dial(address)
  expect(String(await restOf(client))).toBe('welcome')
  client.end('late words')
  expect(String(await heard.promise)).toBe('late words')
})

test('many megabytes arrive as they were, both ways at once', async () => {
  const { address } = await between(echo)
  const payload = randomBytes(24 * 1024 * 1024)
  const client = await dial(address)
  const answered = restOf(client)
  client.end(payload)
  expect(digest(await answered)).toBe(digest(payload))
  expect(lab.network.heldBytesMax).toBeLessThan(1024 * 1024)
})

test('a client that breaks its connection breaks it at the server', async () => {
  const broken = Promise.withResolvers<string>()
  const { address } = await between((socket) => {
    socket.write('hello')
    void breakOf(socket).then(broken.resolve, broken.reject)
  })
  const client = await dial(address)
  await once(client, 'data')
  client.resetAndDestroy()
  expect(await broken.promise).toBe('ECONNRESET')
})

test('a server that breaks a connection breaks it at the client, and never ends it cleanly', async () => {
  const { address } = await between((socket) => {
    socket.on('data', () => socket.resetAndDestroy())
  })
  const client = await dial(address)
  client.write('hello')
  expect(await breakOf(client)).toBe('ECONNRESET')
})

test('a network that breaks breaks both ends', async () => {
  const broken = Promise.withResolvers<string>()
  const { address } = await between((socket) => {
    socket.write('hello')
    void breakOf(socket).then(broken.resolve, broken.reject)
  })
  const client = await dial(address)
  await once(client, 'data')
  lab.network.breakAll('no path has worked for 60 s')
  expect(await Promise.all([breakOf(client), broken.promise])).toEqual(['ECONNRESET', 'ECONNRESET'])
})

test('a reader that does not read stops its writer, and nobody else', async () => {
  let written = 0
  const { address, far } = await between((socket) => {
    const more = (): void => {
      while (written < 200e6 && socket.write(Buffer.alloc(64 * 1024))) written += 64 * 1024
    }
    socket.once('data', (chunk) => {
      socket.write('ready')
      if (String(chunk) === 'echo') return echo(socket)
      socket.on('drain', more)
      more()
    })
  })
  const slow = await dial(address)
  slow.write('flood')
  slow.pause()
  // When a look finds nothing new, all buffers on the way are full.
  let before = -1
  await vi.waitFor(
    () => {
      const now = far.forwarding.services()[0]?.bytesOut ?? 0
      const still = now > 0 && now === before
      before = now
      expect(still).toBe(true)
    },
    { timeout: 10_000, interval: 200 },
  )
  expect(written).toBeLessThan(32e6)
  const quick = await dial(address)
  quick.write('echo')
  expect(String((await once(quick, 'data'))[0])).toBe('ready')
  quick.write('!')
  expect(String((await once(quick, 'data'))[0])).toBe('!')
  expect(lab.network.heldBytesMax).toBeLessThan(1024 * 1024)
  slow.destroy()
  quick.destroy()
})

test('a thousand connections at a time', async () => {
  const { address, near } = await between(echo)
  const clients = await Promise.all(Array.from({ length: 1_000 }, () => dial(address)))
  const answers = clients.map(async (client, index) => {
    client.write(`${index}`)
    return String((await once(client, 'data'))[0])
  })
  expect(await Promise.all(answers)).toEqual(clients.map((_, index) => `${index}`))
  expect(near.forwarding.forwards()[0]?.open).toBe(1_000)
  for (const client of clients) client.end()
  for (const client of clients) client.resume()
  await vi.waitFor(() => expect(near.forwarding.forwards()[0]?.open).toBe(0), WAIT)
})

test('a rate cap slows down and loses nothing', async () => {
  const { address, far } = await between(echo, { rate: 2_000_000 })
  const payload = randomBytes(600_000)
  const client = await dial(address)
  const answered = restOf(client)
  client.end(payload)
  expect(digest(await answered)).toBe(digest(payload))
  expect(far.forwarding.services()[0]).toMatchObject({ bytesPerSecondMax: 2_000_000, bytesIn: 600_000, bytesOut: 600_000 })
})

test('the server is told whose connection it is, if it wants to know', async () => {
  const heard = Promise.withResolvers<Buffer>()
  const { address } = await between((socket) => socket.once('data', heard.resolve), { proxyProtocol: true })
  const client = await dial(address)
  client.write('x')
  const header = await heard.promise
  expect(header.subarray(0, 24).toString('hex')).toBe('0d0a0d0a000d0a515549540a2111000c7f0000017f000001')
  expect([header.readUInt16BE(24), header.readUInt16BE(26)]).toEqual([client.localPort, client.remotePort])
  client.destroy()
})

test('a peer that is not allowed is refused, with the reason at both ends', async () => {
  const { address, near, far } = await between(echo, { allow: ['site=lhr-*', 'name=hkg-1-b'] })
  expect(await refusalAt(address)).toBe('ECONNRESET')
  expect(near.events).toContainEqual({
    name: 'forward-failed',
    data: expect.objectContaining({ to: 'signal@nrt-2', reason: 'nrt-2-a refuses: signal is not for hkg-1-a' }) as object,
  })
  expect(near.forwarding.forwards()[0]).toMatchObject({
    open: 0,
    failed: 1,
    lastFailure: { reason: expect.stringContaining('refuses') as string },
  })
  expect(far.events).toContainEqual({ name: 'service-refused', data: expect.objectContaining({ peer: 'hkg-1-a' }) as object })
  expect(far.forwarding.services()[0]).toMatchObject({ refused: 1, opened: 0 })
})

test('a server that is not there is an end with a reason', async () => {
  await lab.node('nrt-2-a', { services: [{ name: 'signal', tcp: '127.0.0.1:1' }] })
  const near = await lab.node('hkg-1-a')
  const { listen } = await near.forwarding.open(forwardTo('signal@nrt-2'))
  expect(await refusalAt(listen)).toBe('ECONNRESET')
  expect(near.forwarding.forwards()[0]?.lastFailure?.reason).toBe('nrt-2-a cannot connect: 127.0.0.1:1: ECONNREFUSED')
})

test('a site where nobody offers it is an end with a reason', async () => {
  const near = await lab.node('hkg-1-a')
  const { listen } = await near.forwarding.open(forwardTo('signal@nrt-2'))
  expect(await refusalAt(listen)).toBe('ECONNRESET')
  expect(near.forwarding.forwards()[0]?.lastFailure?.reason).toBe('nobody at nrt-2 offers signal over tcp')
})

test('what one node cannot do, the next does, and is asked first from then on', async () => {
  await lab.node('nrt-2-a', { services: [{ name: 'signal', tcp: '127.0.0.1:1' }] })
  const b = await lab.node('nrt-2-b', { services: [{ name: 'signal', tcp: await lab.server(echo) }] })
  for (const name of ['hkg-1-a', 'hkg-1-b', 'hkg-1-c', 'hkg-1-d']) {
    const { forwarding } = await lab.node(name)
    const { listen } = await forwarding.open(forwardTo('signal@nrt-2'))
    for (let times = 0; times < 2; times++) {
      const client = await dial(listen)
      client.end('x')
      expect(String(await restOf(client))).toBe('x')
    }
  }
  expect(b.forwarding.services()[0]?.opened).toBe(8)
})

test('a node reaches what it offers itself', async () => {
  const { forwarding } = await lab.node('nrt-2-a', { services: [{ name: 'signal', tcp: await lab.server(echo), allow: ['name=nrt-2-a'] }] })
  const { listen } = await forwarding.open(forwardTo('signal@nrt-2/nrt-2-a'))
  const client = await dial(listen)
  client.end('myself')
  expect(String(await restOf(client))).toBe('myself')
})

test('a client that gives up while its connection is made leaves nothing behind', async () => {
  const near = await lab.node('hkg-1-a')
  // Nobody ever answers.
  lab.network.programs('nrt-2-a').serve('tcp/signal', (channel) => channel.listen({ messages: () => {}, ended: () => {} }))
  const { listen } = await near.forwarding.open(forwardTo('signal@nrt-2/nrt-2-a'))
  const client = await dial(listen)
  await vi.waitFor(() => expect(near.forwarding.forwards()[0]?.open).toBe(1), WAIT)
  near.forwarding.remove(near.forwarding.forwards()[0]?.id ?? '')
  expect(await breakOf(client)).toBe('ECONNRESET')
  expect(near.forwarding.forwards()).toEqual([])
})

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
