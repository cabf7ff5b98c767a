/**
 * What a SOCKS5 client says before its connection begins (RFC 1928, sections 3 to 6). No authentication, and nothing but CONNECT
 * to a name.
 *
 *     greeting:  05, number of methods, methods               answer: 05, method (00 none, FF no one of these)
 *     request:   05, command, 00, address type, address, port answer: 05, reply, 00, 01, 0.0.0.0, 0
 */
import type { Socket } from 'node:net'

const VERSION = 5
const NO_AUTHENTICATION = 0x00
const CONNECT = 0x01
const ADDRESS = { ipv4: 0x01, name: 0x03, ipv6: 0x04 } as const

/** RFC 1928, section 6. */
export const SOCKS_REPLY = {
  succeeded: 0x00,
  generalFailure: 0x01,
  notAllowed: 0x02,
  hostUnreachable: 0x04,
  connectionRefused: 0x05,
  commandNotSupported: 0x07,
  addressTypeNotSupported: 0x08,
} as const
export type SocksReply = (typeof SOCKS_REPLY)[keyof typeof SOCKS_REPLY]

/** `more`: it is not complete yet. `length` is that of what was read. */
export type Greeting = 'more' | 'malformed' | { readonly length: number; readonly acceptable: boolean }
export type Request =
  | 'more'
  | 'malformed'
  | { readonly length: number; readonly host: string; readonly port: number }
  | { readonly refused: SocksReply; readonly reason: string }

/** What a client wants; a refusal without a reply is one that has been told. */
export type Heard = { readonly host: string } | { readonly refused: SocksReply | null; readonly reason: string }

/**
 * Hears a client up to its request, and answers its greeting; what it says beyond that stays in the socket, which is paused
 * then. `undefined`: it has gone, or speaks something else, or is too slow.
 */
export function hearRequest(socket: Socket, patienceMs: number): Promise<Heard | undefined> {
  return new Promise((resolve) => {
    let [bytes, greeted] = [Buffer.alloc(0), false]
    const settle = (heard: Heard | undefined): void => {
      clearTimeout(patience)
      socket.off('data', onData).off('end', onGone).off('close', onGone).pause()
      resolve(heard)
    }
    const onGone = (): void => settle(undefined)
    const patience = setTimeout(onGone, patienceMs)
    const greet = (): boolean => {
      const greeting = readGreeting(bytes)
      if (greeting === 'malformed') onGone()
      if (typeof greeting === 'string') return false
      socket.write(greetingAnswer(greeting.acceptable))
      bytes = bytes.subarray(greeting.length)
      if (!greeting.acceptable) settle({ refused: null, reason: 'it wants to authenticate, which is not needed here' })
      return greeting.acceptable
    }
    const onData = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk])
      greeted ||= greet()
      const request = greeted ? readRequest(bytes) : 'more'
      if (request === 'malformed') onGone()
      if (typeof request === 'string') return
      if ('refused' in request) return settle(request)
      settle(request)
      if (bytes.length > request.length) socket.unshift(bytes.subarray(request.length))
    }
    socket.on('data', onData).on('end', onGone).on('close', onGone)
  })
}

export function readGreeting(bytes: Uint8Array): Greeting {
  const [version, count] = bytes
  if (version !== undefined && version !== VERSION) return 'malformed'
  if (count === undefined || bytes.length < 2 + count) return 'more'
  return { length: 2 + count, acceptable: bytes.subarray(2, 2 + count).includes(NO_AUTHENTICATION) }
}

export function readRequest(bytes: Uint8Array): Request {
  const [version, command, , type, first] = bytes
  if (version !== undefined && version !== VERSION) return 'malformed'
  if (type === undefined) return 'more'
  if (command !== CONNECT) return { refused: SOCKS_REPLY.commandNotSupported, reason: `command ${command} is not CONNECT` }
  if (type === ADDRESS.ipv4 || type === ADDRESS.ipv6) {
    return { refused: SOCKS_REPLY.addressTypeNotSupported, reason: 'it asks for an IP address: let it leave names to the proxy (socks5h)' }
  }
  if (type !== ADDRESS.name) return 'malformed'
  if (first === undefined || bytes.length < 5 + first + 2) return 'more'
  const host = Buffer.from(bytes.subarray(5, 5 + first)).toString('latin1')
  const port = Buffer.from(bytes.subarray(5 + first, 7 + first)).readUInt16BE()
  return { length: 7 + first, host, port }
}

function greetingAnswer(acceptable: boolean): Buffer {
  return Buffer.from([VERSION, acceptable ? NO_AUTHENTICATION : 0xff])
}

export function requestAnswer(reply: SocksReply): Buffer {
  return Buffer.from([VERSION, reply, 0, ADDRESS.ipv4, 0, 0, 0, 0, 0, 0])
}
