/** Listening for programs of this machine, with faults that name the setting. */
import type { Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import type { Server } from 'node:net'
import { CausewayError } from '@causeway/protocol'
import { type HostPort, formatHostPort } from '../host-port.ts'

/** Clients that come at once: of more than that some wait a second for their next try. */
const BACKLOG = 4_096

/** Resolves with the address that was taken. Throws `port-in-use` or `config-invalid`. */
export async function listenTcp(server: Server, listen: HostPort, setting: string): Promise<HostPort> {
  try {
    server.listen({ host: listen.host, port: listen.port, backlog: BACKLOG })
    await once(server, 'listening')
  } catch (error) {
    throw listenError(error, `TCP ${formatHostPort(listen)}`, setting)
  }
  return boundTo(server.address())
}

export async function bindUdp(socket: UdpSocket, listen: HostPort, setting: string): Promise<HostPort> {
  try {
    socket.bind({ address: listen.host, port: listen.port, exclusive: true })
    await once(socket, 'listening')
  } catch (error) {
    socket.close()
    throw listenError(error, `UDP ${formatHostPort(listen)}`, setting)
  }
  return boundTo(socket.address())
}

function boundTo(bound: ReturnType<Server['address']>): HostPort {
  if (bound === null || typeof bound === 'string') throw new Error('a listening socket has an address')
  return { host: bound.address, port: bound.port }
}

function listenError(cause: unknown, where: string, setting: string): CausewayError {
  const { code, message } = cause as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') {
    return new CausewayError('port-in-use', `${where} is in use`, `stop what listens there, or choose another address for ${setting}`, {
      cause,
    })
  }
  return new CausewayError(
    'config-invalid',
    `cannot listen on ${where}: ${code ?? message}`,
    `set ${setting} to an address of this machine`,
    { cause },
  )
}
