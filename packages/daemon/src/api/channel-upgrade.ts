/**
 * `GET /v1/open/SERVICE@SITE` with `Upgrade: causeway-channel`: a program's own channel to a service, without a port that others
 * could use. The answer is 101 once the service is connected, or a problem document that tells why it is not.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { CausewayError, CHANNEL_UPGRADE } from '@causeway/protocol'
import { type Destination, parseDestination } from '../forwarding/destination.ts'
import { refuse } from '../http-listener.ts'
import { problemOf } from '../problem.ts'
import { ChannelSocket } from './channel-socket.ts'

/** What a channel needs of the node. */
export interface ChannelBackend {
  /** Joins the stream to a TCP service, when that is connected. `connected` is called before the first byte. Throws why it is not. */
  joinStream(to: Destination, socket: ChannelSocket, connected: () => void): Promise<void>
  /** A flow of datagrams to a UDP service, until the returned function is called. */
  openFlow(to: Destination, frameClass: 'latest' | 'twin', onDatagram: (bytes: Uint8Array) => void): DatagramFlow
}

export interface DatagramFlow {
  send(datagram: Uint8Array): void
  end(reason: string): void
}

const PATH = '/v1/open/'
const PROTOCOLS = ['tcp', 'udp']
const CLASSES = ['latest', 'twin']

/** Other upgrades that a request may ask for are none of ours: it is served as if it did not. */
export function wantsChannel({ url = '', headers }: Pick<IncomingMessage, 'url' | 'headers'>): boolean {
  return url.startsWith(PATH) && headers.upgrade?.toLowerCase() === CHANNEL_UPGRADE
}

export async function openChannel(backend: ChannelBackend, request: IncomingMessage, socket: Socket, head: Uint8Array): Promise<void> {
  socket.on('error', () => socket.destroy())
  let accepted = false
  const accept = (): void => {
    accepted = true
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${CHANNEL_UPGRADE}\r\n\r\n`)
  }
  try {
    const { to, proto, frameClass } = askedFor(request.url ?? '')
    if (proto === 'tcp') await backend.joinStream(to, new ChannelSocket(socket, head), accept)
    else {
      accept()
      carryDatagrams(backend, to, frameClass, socket, head)
    }
  } catch (error) {
    if (accepted) socket.destroy()
    else refuse(socket, problemOf(error))
  }
}

function carryDatagrams(backend: ChannelBackend, to: Destination, frameClass: 'latest' | 'twin', socket: Socket, head: Uint8Array): void {
  // What cannot be told at once is dropped, as on any network.
  const flow = backend.openFlow(to, frameClass, (bytes) => void (socket.writableNeedDrain || channel.frame('data', bytes)))
  const channel = new ChannelSocket(socket, head, { datagram: (bytes) => flow.send(bytes) })
  channel.on('close', () => flow.end('the program has finished'))
  channel.on('end', () => channel.end())
  channel.resume()
}

function askedFor(url: string): { readonly to: Destination; readonly proto: string; readonly frameClass: 'latest' | 'twin' } {
  const { pathname = '', searchParams = new URLSearchParams() } = URL.parse(url, 'http://localhost') ?? {}
  const text = decoded(pathname.slice(PATH.length))
  const [proto, frameClass] = [searchParams.get('proto') ?? 'tcp', searchParams.get('class') ?? 'latest']
  const to = parseDestination(text)
  if (!to) throw usage(`"${text.slice(0, 60)}" is no service`, 'write SERVICE@SITE or SERVICE@SITE/NODE')
  for (const name of searchParams.keys())
    if (name !== 'proto' && name !== 'class') throw usage(`${name}= is not understood here`, 'leave it out')
  if (!PROTOCOLS.includes(proto)) throw usage(`proto=${proto} is not understood`, 'use tcp or udp')
  if (!CLASSES.includes(frameClass)) throw usage(`class=${frameClass} is not understood`, 'use latest or twin')
  return { to, proto, frameClass: frameClass as 'latest' | 'twin' }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function usage(message: string, remedy: string): CausewayError {
  return new CausewayError('usage', message, remedy)
}
