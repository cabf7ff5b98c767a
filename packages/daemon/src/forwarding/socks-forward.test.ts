/** A proxy as its clients meet it, on a real socket. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ForwardingLab, type LabNode, dial, restOf } from './forwarding-lab.ts'

const GREETING = Buffer.from([5, 1, 0])
let lab: ForwardingLab
let near: LabNode

beforeEach(async () => {
  lab = new ForwardingLab()
  await lab.node('nrt-2-a', {
    services: [
      { name: 'echo', tcp: await lab.server((socket) => socket.pipe(socket)) },
      { name: 'private', tcp: '127.0.0.1:1', allow: ['role=hub'] },
      { name: 'down', tcp: '127.0.0.1:1' },
    ],
  })
  near = await lab.node('hkg-1-a', { socks: true })
})
afterEach(() => lab.close())

function request(host: string, command = 1): Buffer {
  return Buffer.concat([Buffer.from([5, command, 0, 3, host.length]), Buffer.from(host), Buffer.from([0, 80])])
}

async function client(): Promise<Socket> {
  return dial(near.forwarding.forwards()[0]?.listen ?? '')
}

/** What the proxy answers to a request, up to its end. */
async function answerTo(...words: readonly Buffer[]): Promise<string> {
  const socket = await client()
  const answered = restOf(socket)
  for (const word of words) socket.write(word)
  const answer = (await answered).toString('hex')
  socket.destroy()
  return answer
}

test.each(['echo.nrt-2.causeway', 'ECHO.nrt-2-a.nrt-2.causeway'])('%s is a way to the service', async (host) => {
  const socket = await client()
  const answered = restOf(socket)
  socket.write(GREETING)
  await once(socket, 'data')
  socket.end(Buffer.concat([request(host), Buffer.from('hello')]))
  expect((await answered).toString('latin1')).toBe(`${Buffer.from('050005000001000000000000', 'hex').toString('latin1')}hello`)
  expect(near.forwarding.forwards()[0]).toMatchObject({ protocol: 'socks', to: null, opened: 1, bytesOut: 5, bytesIn: 5 })
})

test('words may come in any pieces, and the first bytes with them', async () => {
  const socket = await client()
  const answered = restOf(socket)
  for (const byte of Buffer.concat([GREETING, request('echo.nrt-2.causeway'), Buffer.from('hi')])) socket.write(Buffer.from([byte]))
  socket.end()
  expect((await answered).toString('hex')).toBe(`050005000001000000000000${Buffer.from('hi').toString('hex')}`)
})

test.each([
  ['a service that nobody offers', request('none.nrt-2.causeway'), '04'],
  ['a service that is not for us', request('private.nrt-2.causeway'), '02'],
  ['a service whose server is down', request('down.nrt-2.causeway'), '05'],
  ['a name outside the network', request('example.org'), '02'],
  ['another command', request('echo.nrt-2.causeway', 2), '07'],
  ['UDP', request('echo.nrt-2.causeway', 3), '07'],
  ['an address instead of a name', Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, 0, 80]), '08'],
])('%s is refused with the right code', async (_what, words, code) => {
  expect(await answerTo(GREETING, words)).toBe(`050005${code}0001000000000000`)
})

test('who wants to authenticate is told that it is not needed', async () => {
  expect(await answerTo(Buffer.from([5, 1, 2]))).toBe('05ff')
})

test('who speaks something else is left', async () => {
  const socket = await client()
  const ended = once(socket, 'end')
  socket.write('GET / HTTP/1.1\r\n\r\n')
  socket.resume()
  await ended
  socket.destroy()
})
