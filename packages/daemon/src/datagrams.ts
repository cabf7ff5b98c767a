/**
 * The datagram lane: one UDP socket for all connections. A datagram says by a number which association it belongs
 * to, and proves by its seal that it came from the peer of that association; the address it came from proves
 * nothing and is only remembered once the seal has been checked.
 *
 * Layout, big-endian:
 *
 *     0    u32   index of the association at the receiver, chosen by the receiver
 *     4    u64   counter of the sender, from 0
 *     12   n     ChaCha20-Poly1305 (RFC 8439) of the message; nonce = u32 0 ‖ counter, header as associated data
 *     12+n 16    tag
 *
 *  1. Each direction has its own key, chosen by the receiver, new for every connection; a counter is never reused.
 *  2. A message is delivered at most once (`ReplayWindow`).
 *  3. The remote address follows the peer (a NAT that rebinds), but only after authentication.
 *  4. Sending never fails loudly: a datagram that cannot go is lost, as any may be.
 */
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes, randomInt, type KeyObject } from 'node:crypto'
import { type Socket, createSocket } from 'node:dgram'
import { isIP } from 'node:net'
import { CausewayError, type ConnectionId, type DatagramKey, readU32, writeU32 } from '@causeway/protocol'
import { type HostPort, formatHostPort } from './host-port.ts'
import { ReplayWindow } from './replay-window.ts'

const ALGORITHM = 'chacha20-poly1305'
const HEADER_BYTES = 12
const TAG_BYTES = 16
const SOCKET_BUFFER_BYTES = 1024 * 1024

/** Why datagrams were thrown away, since the start. */
export interface DatagramDrops {
  /** For no association we know. */
  unknown: number
  forged: number
  replayed: number
  short: number
}

interface Association {
  readonly connection: ConnectionId
  readonly local: DatagramKey
  readonly opener: KeyObject
  readonly seen: ReplayWindow
  /** The highest authenticated counter: only newer datagrams move the address. */
  newest: number
  remote: { readonly index: number; readonly sealer: KeyObject } | undefined
  address: HostPort | undefined
  counter: number
}

export class Datagrams {
  readonly dropped: DatagramDrops = { unknown: 0, forged: 0, replayed: 0, short: 0 }
  readonly #socket: Socket
  readonly #sixes: boolean
  readonly #onMessage: (connection: ConnectionId, message: Uint8Array) => void
  readonly #byIndex = new Map<number, Association>()
  readonly #byConnection = new Map<ConnectionId, Association>()
  #closed = false

  private constructor(socket: Socket, sixes: boolean, onMessage: (connection: ConnectionId, message: Uint8Array) => void) {
    this.#socket = socket
    this.#sixes = sixes
    this.#onMessage = onMessage
    socket.on('message', (packet, from) => this.#receive(packet, { host: from.address, port: from.port }))
    // For instance ICMP "port unreachable" of an earlier datagram: the lane just loses it.
    socket.on('error', () => {})
  }

  /** Binds the socket; throws `port-in-use`. */
  static async open(listen: HostPort, onMessage: (connection: ConnectionId, message: Uint8Array) => void): Promise<Datagrams> {
    const sixes = isIP(listen.host) === 6
    const socket = createSocket({ type: sixes ? 'udp6' : 'udp4' })
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (cause: NodeJS.ErrnoException) => {
        socket.close()
        reject(listenError(cause, listen))
      })
      socket.bind({ address: listen.host, port: listen.port }, resolve)
    })
    socket.removeAllListeners('error')
    socket.setRecvBufferSize(SOCKET_BUFFER_BYTES)
    socket.setSendBufferSize(SOCKET_BUFFER_BYTES)
    return new Datagrams(socket, sixes, onMessage)
  }

  get port(): number {
    return this.#socket.address().port
  }

  /**
   * Makes the key with which the peer of `connection` may send to us. `address` is where it takes datagrams,
   * or `undefined` if we have to learn that from its first one.
   */
  associate(connection: ConnectionId, address: HostPort | undefined): DatagramKey {
    let index: number
    do index = randomInt(1, 2 ** 32)
    while (this.#byIndex.has(index))
    const key = new Uint8Array(randomBytes(32))
    const local = { index, key }
    const association: Association = {
      connection,
      local,
      opener: createSecretKey(key),
      seen: new ReplayWindow(),
      newest: -1,
      remote: undefined,
      address,
      counter: 0,
    }
    this.#byIndex.set(index, association)
    this.#byConnection.set(connection, association)
    return local
  }

  /** From now on datagrams to the peer of `connection` are sealed with its key. */
  openRemote(connection: ConnectionId, remote: DatagramKey): void {
    const association = this.#byConnection.get(connection)
    if (!association || remote.key.length !== 32) return
    association.remote = { index: remote.index, sealer: createSecretKey(remote.key) }
  }

  forget(connection: ConnectionId): void {
    const association = this.#byConnection.get(connection)
    if (!association) return
    this.#byConnection.delete(connection)
    this.#byIndex.delete(association.local.index)
  }

  send(connection: ConnectionId, message: Uint8Array): void {
    const association = this.#byConnection.get(connection)
    if (!association?.remote || !association.address || this.#closed) return
    const header = new Uint8Array(HEADER_BYTES)
    writeU32(header, 0, association.remote.index)
    writeCounter(header, association.counter++)
    const cipher = createCipheriv(ALGORITHM, association.remote.sealer, nonceOf(header), { authTagLength: TAG_BYTES })
    cipher.setAAD(header, { plaintextLength: message.length })
    const sealed = cipher.update(message)
    cipher.final()
    const { host, port } = association.address
    this.#socket.send([header, sealed, cipher.getAuthTag()], port, this.#reachable(host), () => {})
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()))
  }

  #receive(packet: Uint8Array, from: HostPort): void {
    if (packet.length < HEADER_BYTES + TAG_BYTES) return void this.dropped.short++
    const association = this.#byIndex.get(readU32(packet, 0))
    if (!association) return void this.dropped.unknown++
    const counter = readU32(packet, 4) * 2 ** 32 + readU32(packet, 8)
    if (!Number.isSafeInteger(counter)) return void this.dropped.forged++
    if (!association.seen.isFresh(counter)) return void this.dropped.replayed++
    const message = open(association.opener, packet)
    if (!message) return void this.dropped.forged++
    association.seen.mark(counter)
    if (counter > association.newest) {
      association.newest = counter
      association.address = from
    }
    this.#onMessage(association.connection, message)
  }

  /** An IPv6 socket reaches an IPv4 host by its mapped address. */
  #reachable(host: string): string {
    return this.#sixes && isIP(host) === 4 ? `::ffff:${host}` : host
  }
}

function open(key: KeyObject, packet: Uint8Array): Uint8Array | undefined {
  const header = packet.subarray(0, HEADER_BYTES)
  const end = packet.length - TAG_BYTES
  const decipher = createDecipheriv(ALGORITHM, key, nonceOf(header), { authTagLength: TAG_BYTES })
  decipher.setAAD(header, { plaintextLength: end - HEADER_BYTES })
  decipher.setAuthTag(packet.subarray(end))
  try {
    const message = decipher.update(packet.subarray(HEADER_BYTES, end))
    decipher.final()
    return message
  } catch {
    return undefined
  }
}

function nonceOf(header: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(12)
  nonce.set(header.subarray(4), 4)
  return nonce
}

function writeCounter(header: Uint8Array, counter: number): void {
  writeU32(header, 4, Math.floor(counter / 2 ** 32))
  writeU32(header, 8, counter % 2 ** 32)
}

function listenError(cause: NodeJS.ErrnoException, listen: HostPort): CausewayError {
  const address = formatHostPort(listen)
  if (cause.code === 'EADDRINUSE') {
    return new CausewayError(
      'port-in-use',
      `UDP ${address} is in use`,
      'stop the program that uses it, or set another port in listen.udp',
      { cause },
    )
  }
  return new CausewayError(
    'config-invalid',
    `cannot listen on UDP ${address}: ${cause.message}`,
    'set listen.udp to an address of this machine',
    { cause },
  )
}
