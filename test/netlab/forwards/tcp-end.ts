/**
 * One end of plain TCP connections, as a process of its own in some host: a server that echoes or floods, and clients that
 * measure. Prints one line of JSON.
 *
 *     tcp-end.ts serve PORT             what a client says is echoed; one that begins with `F` is flooded
 *     tcp-end.ts many PORT COUNT        so many connections at a time, each with an echo of its own
 *     tcp-end.ts echoes PORT SECONDS    one byte to and fro, a hundred times a second: how long that takes
 *     tcp-end.ts flood PORT SECONDS     how much is flooded
 *     tcp-end.ts stalled PORT           connects to be flooded, and never reads
 */
import { once } from 'node:events'
import { type Socket, connect, createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

const HOST = '127.0.0.1'
const PIECE = Buffer.alloc(64 * 1024)
const ECHO_EVERY_MS = 10

const [job, portText, amount] = process.argv.slice(2)
const port = Number(portText)

switch (job) {
  case 'serve':
    createServer({ allowHalfOpen: true, noDelay: true }, serve).listen({ port, host: HOST, backlog: 4_096 }, () => say({ listening: port }))
    break
  case 'many':
    await many(Number(amount))
    break
  case 'echoes':
    await echoes(Number(amount))
    break
  case 'flood':
    await flood(Number(amount))
    break
  default: {
    const socket = await dial()
    socket.pause()
    socket.write('F')
  }
}

function serve(socket: Socket): void {
  socket.on('error', () => {})
  socket.once('data', (first: Buffer) => {
    if (!first.toString('latin1').startsWith('F')) {
      socket.write(first)
      socket.pipe(socket)
      return
    }
    const more = (): void => {
      while (socket.writable && socket.write(PIECE));
    }
    socket.on('drain', more)
    more()
  })
}

async function many(count: number): Promise<void> {
  const began = performance.now()
  const sockets = await Promise.all(Array.from({ length: count }, dial))
  let echoed = 0
  for (const word of ['first', 'again']) {
    await Promise.all(
      sockets.map(async (socket, index) => {
        const said = `${word} ${index}`
        socket.write(said)
        if (String((await once(socket, 'data'))[0]) === said) echoed++
      }),
    )
  }
  say({ connections: count, echoed, ms: Math.round(performance.now() - began) })
  for (const socket of sockets) socket.destroy()
}

async function echoes(seconds: number): Promise<void> {
  const socket = await dial()
  const tookMs: number[] = []
  // The first one waits until the connection is made at the other end.
  socket.write('.')
  await once(socket, 'data')
  for (const until = performance.now() + seconds * 1000; performance.now() < until; await pause(ECHO_EVERY_MS)) {
    const sentAt = performance.now()
    const echoed = once(socket, 'data')
    socket.write('.')
    await echoed
    tookMs.push(performance.now() - sentAt)
  }
  tookMs.sort((a, b) => a - b)
  const at = (share: number): number => tookMs[Math.floor(tookMs.length * share)] ?? Number.NaN
  say({ echoes: tookMs.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: tookMs.at(-1) })
  socket.destroy()
}

async function flood(seconds: number): Promise<void> {
  const socket = await dial()
  socket.on('data', () => {})
  socket.write('F')
  await pause(seconds * 1000)
  say({ bytes: socket.bytesRead, megabytesPerSecond: socket.bytesRead / seconds / 1e6 })
  socket.destroy()
}

async function dial(): Promise<Socket> {
  const socket = connect({ host: HOST, port, noDelay: true })
  await once(socket, 'connect')
  return socket
}

function say(facts: object): void {
  process.stdout.write(`${JSON.stringify(facts)}\n`)
}
