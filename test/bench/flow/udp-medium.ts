/** Datagrams of the kernel, over whatever routes there are. What cannot be sent is lost. */
import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { type FlowName, type Medium, type UdpSpec, portOf } from './medium.ts'

export function openUdpMedium({ side, host, source }: UdpSpec): Medium {
  const local = side === 'a' ? source : host
  const remote = side === 'a' ? host : source
  return {
    open: async (flow: FlowName, listener) => {
      const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
      socket.on('message', (message) => listener.messages([message]))
      socket.on('error', () => undefined)
      await new Promise<void>((done) => socket.bind({ port: portOf(flow), address: local }, done))
      return {
        send: (message) => {
          // Without a route there is an error: as good as lost.
          socket.send(message, portOf(flow), remote, () => undefined)
          return true
        },
      }
    },
  }
}
