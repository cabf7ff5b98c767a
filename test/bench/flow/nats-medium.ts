/**
 * A client of a NATS server, as far as a flow needs one: the text protocol over TCP (docs.nats.io, "NATS Protocol"). `a`
 * publishes to the flow's `there` and subscribes to its `back`, `b` the other way round.
 */
import { type Socket, connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { FlowListener, Medium, NatsSpec } from './medium.ts'

const LINE_END = '\r\n'
const ATTEMPTS_MAX = 60
const ATTEMPT_MS = 500
const CONNECT = JSON.stringify({ verbose: false, pedantic: false, name: 'causeway-bench', lang: 'node', version: '1' })

export function openNatsMedium({ side, host, port }: NatsSpec): Medium {
  return {
    open: async (flow, listener) => {
      const [out, back] = side === 'a' ? ['there', 'back'] : ['back', 'there']
      const socket = await dial(host, port)
      const reader = new NatsReader(socket, listener)
      socket.on('data', (bytes: Buffer) => reader.read(bytes))
      socket.on('drain', () => listener.writable())
      socket.write(`CONNECT ${CONNECT}${LINE_END}SUB ${flow}.${back} 1${LINE_END}`)
      return {
        send: (message) => {
          if (socket.writableCorked === 0) {
            socket.cork()
            process.nextTick(() => socket.uncork())
          }
          socket.write(`PUB ${flow}.${out} ${message.length}${LINE_END}`)
          socket.write(message)
          return socket.write(LINE_END)
        },
      }
    },
  }
}

async function dial(host: string, port: number): Promise<Socket> {
  for (let attempt = 1; ; attempt++) {
    const socket = connect({ host, port, noDelay: true })
    const fault = await new Promise<Error | undefined>((done) => {
      socket.once('connect', () => done(undefined)).once('error', done)
    })
    socket.on('error', () => undefined)
    if (!fault) return socket
    if (attempt === ATTEMPTS_MAX) throw new Error(`the NATS server at ${host} port ${port} cannot be reached`, { cause: fault })
    await pause(ATTEMPT_MS)
  }
}

class NatsReader {
  readonly #socket: Socket
  readonly #listener: FlowListener
  #rest: Buffer = Buffer.alloc(0)

  constructor(socket: Socket, listener: FlowListener) {
    this.#socket = socket
    this.#listener = listener
  }

  read(bytes: Buffer): void {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    const messages: Buffer[] = []
    let at = 0
    for (let end = all.indexOf(LINE_END, at); end !== -1; end = all.indexOf(LINE_END, at)) {
      const line = all.toString('latin1', at, end)
      const body = end + LINE_END.length
      if (!line.startsWith('MSG ')) {
        if (line === 'PING') this.#socket.write(`PONG${LINE_END}`)
        at = body
        continue
      }
      const bodyEnd = body + Number(line.slice(line.lastIndexOf(' ')))
      if (bodyEnd + LINE_END.length > all.length) break
      messages.push(all.subarray(body, bodyEnd))
      at = bodyEnd + LINE_END.length
    }
    this.#rest = all.subarray(at)
    if (messages.length > 0) this.#listener.messages(messages)
  }
}
