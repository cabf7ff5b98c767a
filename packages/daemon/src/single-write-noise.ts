/**
 * Noise, one write at a time. js-libp2p hands the 2-byte length and the ciphertext of each Noise message to the
 * socket as separate writes, which under TCP_NODELAY are separate packets: headers would cost more than a
 * heartbeat itself. Here whatever Noise sends at once reaches the socket as one buffer.
 */
import { noise } from '@chainsafe/libp2p-noise'
import type { ConnectionEncrypter, MessageStream } from '@libp2p/interface'

type Components = Parameters<ReturnType<typeof noise>>[0]

/** Under that name, for whoever dials and is dialled to agree on. */
export function singleWriteNoise(protocol: string): (components: Components) => ConnectionEncrypter {
  return (components) => {
    const inner = noise()(components)
    return {
      protocol,
      secureInbound: (connection, options) => inner.secureInbound(joinWrites(connection), options),
      secureOutbound: (connection, options) => inner.secureOutbound(joinWrites(connection), options),
    }
  }
}

function joinWrites(connection: MessageStream): MessageStream {
  const send = connection.send.bind(connection)
  connection.send = (data) => send(data instanceof Uint8Array ? data : data.subarray())
  return connection
}
