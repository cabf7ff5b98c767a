/** One TCP connection of node:net, without Nagle's delay; each message behind its length. What is sent in one turn is one write. */
import { type Socket, type TcpNetConnectOpts, connect, createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { type AddressSpec, type FlowListener, type Medium, type Outlet, portOf } from './medium.ts'
import { StreamReader, headOf } from './stream-reader.ts'

const ATTEMPTS_MAX = 60
const ATTEMPT_MS = 1000
const QUEUE_BYTES_MAX = 512 * 1024

export function openTcpMedium({ side, host }: AddressSpec): Medium {
  return {
    open: async (flow, listener) => {
      const port = portOf(flow)
      if (side === 'a') return outletOf(await dial(host, port), listener)
      let outlet: Outlet | undefined
      const server = createServer((socket) => {
        outlet = outletOf(socket, listener)
      })
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve))
      return { send: (message) => outlet?.send(message) ?? true }
    },
  }
}

/** Until the network carries it. */
async function dial(host: string, port: number): Promise<Socket> {
  for (let attempt = 1; ; attempt++) {
    const options: TcpNetConnectOpts & { readonly writableHighWaterMark: number } = {
      host,
      port,
      timeout: ATTEMPT_MS,
      writableHighWaterMark: QUEUE_BYTES_MAX,
    }
    const socket = connect(options)
    const fault = await new Promise<Error | undefined>((done) => {
      socket.once('connect', () => done(undefined))
      socket.once('timeout', () => done(new Error('no answer')))
      socket.once('error', done)
    })
    socket.setTimeout(0)
    if (!fault) return socket
    socket.destroy()
    if (attempt === ATTEMPTS_MAX) throw new Error(`${host} port ${port} cannot be reached`, { cause: fault })
    await pause(ATTEMPT_MS)
  }
}

function outletOf(socket: Socket, listener: FlowListener): Outlet {
  const reader = new StreamReader()
  socket.setNoDelay(true)
  socket.on('data', (bytes: Buffer) => {
    const messages = reader.read(bytes)
    if (messages.length > 0) listener.messages(messages)
  })
  socket.on('drain', () => listener.writable())
  socket.on('error', () => undefined)
  return {
    send: (message) => {
      if (socket.writableCorked === 0) {
        socket.cork()
        process.nextTick(() => socket.uncork())
      }
      socket.write(headOf(message))
      return socket.write(message)
    },
  }
}
