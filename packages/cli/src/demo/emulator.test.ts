import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Server, type Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Emulator } from './emulator.ts'
import { bindLoopbackPort } from './loopback-port.ts'

/** Real sockets through the real process. No upper bounds on time: a slow machine may be slow. */
const DELAY_MS = 15
/** Nobody listens there, and the system gives it to nobody who asks for any port. */
const CLOSED_PORT = 1

let emulator: Emulator
let echo: Server
let udpEcho: UdpSocket
let accepted: Socket[]
let ports: readonly number[]
const opened: { destroy?: () => unknown; close?: () => unknown }[] = []

beforeEach(async () => {
  accepted = []
  const { port, tcp, udp } = await bindLoopbackPort()
  echo = tcp
  udpEcho = udp
  echo.on('connection', (socket) => {
    accepted.push(socket)
    socket.on('error', () => undefined).on('data', (chunk) => socket.write(chunk))
  })
  udpEcho.on('message', (message, from) => udpEcho.send(message, from.port, from.address))
  emulator = new Emulator()
  ports = await emulator.open([
    { from: 'edge', to: 'hub', targetPort: port, delayMs: DELAY_MS },
    { from: 'edge', to: 'other', targetPort: port, delayMs: DELAY_MS * 3 },
  ])
})

afterEach(async () => {
  for (const one of opened.splice(0)) (one.destroy ?? one.close)?.call(one)
  for (const socket of accepted) socket.destroy()
  echo.close()
  udpEcho.close()
  await emulator.stop()
})

function dial(port: number): { socket: Socket; text: () => string; until: (length: number) => Promise<string> } {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  opened.push(socket)
  let text = ''
  socket.setEncoding('utf8').on('error', () => undefined)
  socket.on('data', (chunk: string) => (text += chunk))
  const until = async (length: number): Promise<string> => {
    while (text.length < length) await once(socket, 'data')
    return text
  }
  return { socket, text: () => text, until }
}

const port = (link: number): number => ports[link] ?? 0

const closing = (socket: Socket): Promise<unknown> => new Promise((done) => socket.once('close', done))

/** Passes the slower, uncut link there and back: what the faster one had to deliver would have come before. */
async function fence(): Promise<void> {
  const { socket, until } = dial(port(1))
  socket.write('fence')
  await until(5)
}

test('bytes take the delay each way', async () => {
  const line = dial(port(0))
  const started = performance.now()
  line.socket.write('hello')
  expect(await line.until(5)).toBe('hello')
  expect(performance.now() - started).toBeGreaterThanOrEqual(2 * DELAY_MS)
  const [traffic] = await emulator.traffic()
  expect(traffic).toEqual({ from: 'edge', to: 'hub', forwardBytes: 5, backwardBytes: 5, swallowed: 0 })
})

test('a cut is silent: bytes, close and reset of either end stay unseen; a heal brings all of it, in order', async () => {
  const line = dial(port(0))
  line.socket.write('a')
  await line.until(1)
  const far = accepted[0]!
  const seenFar: string[] = []
  far.on('data', (chunk) => seenFar.push(`data ${chunk.toString()}`))
  far.on('end', () => seenFar.push('end'))
  const seenNear: string[] = []
  line.socket.on('end', () => seenNear.push('end')).on('close', () => seenNear.push('close'))

  await emulator.cut([['hub', 'edge']])
  line.socket.write('b')
  line.socket.write('c')
  line.socket.end()
  await fence()
  expect(seenFar).toEqual([])
  expect(seenNear).toEqual([])
  expect(line.text()).toBe('a')
  expect((await emulator.traffic())[0]?.swallowed).toBeGreaterThan(0)

  const ended = once(far, 'end')
  await emulator.heal([['edge', 'hub']])
  await ended
  expect(
    seenFar
      .filter((what) => what.startsWith('data'))
      .map((what) => what.slice(5))
      .join(''),
  ).toBe('bc')
  expect(seenFar.at(-1)).toBe('end')
  expect(await line.until(3)).toBe('abc')
})

test('an end that dies during a cut is seen by the other only after the heal', async () => {
  const line = dial(port(0))
  line.socket.write('a')
  await line.until(1)
  let gone = false
  line.socket.on('close', () => (gone = true)).on('end', () => (gone = true))

  await emulator.cut([['edge', 'hub']])
  accepted[0]?.resetAndDestroy()
  await fence()
  expect(gone).toBe(false)

  const closed = closing(line.socket)
  await emulator.heal([['edge', 'hub']])
  await closed
  expect(gone).toBe(true)
})

test('without a cut a death crosses by itself', async () => {
  const line = dial(port(0))
  line.socket.write('a')
  await line.until(1)
  const closed = closing(line.socket)
  accepted[0]?.resetAndDestroy()
  await closed
  expect(line.socket.destroyed).toBe(true)
})

test('a connect during a cut reaches the target only after the heal', async () => {
  await emulator.cut([['edge', 'hub']])
  const line = dial(port(0))
  line.socket.write('early')
  await fence()
  expect(accepted).toHaveLength(1)
  await emulator.heal([['edge', 'hub']])
  expect(await line.until(5)).toBe('early')
  expect(accepted).toHaveLength(2)
})

test('a target that is not there resets, after the delay', async () => {
  const [front = 0] = await emulator.open([{ from: 'x', to: 'y', targetPort: CLOSED_PORT, delayMs: DELAY_MS }])
  const line = dial(front)
  const [error] = (await once(line.socket, 'error').catch((fault: unknown) => [fault])) as [{ code?: string }]
  expect(error.code).toBe('ECONNRESET')
})

test('datagrams take the delay, are lost in a cut, and pass again after it', async () => {
  const near = createSocket('udp4')
  opened.push(near)
  const heard: string[] = []
  near.on('message', (message) => heard.push(message.toString()))
  const say = (text: string): void => near.send(text, ports[0], '127.0.0.1')

  const started = performance.now()
  const first = once(near, 'message')
  say('one')
  await first
  expect(performance.now() - started).toBeGreaterThanOrEqual(2 * DELAY_MS)

  await emulator.cut([['edge', 'hub']])
  say('two')
  await fence()
  await emulator.heal([['edge', 'hub']])
  const third = once(near, 'message')
  say('three')
  await third
  expect(heard).toEqual(['one', 'three'])
})
