/** A bare js-libp2p stream: TCP, Noise, Yamux, and nothing above them but lengths. What is sent in one turn is one write. */
import { createRequire } from 'node:module'
import { multiaddr } from '@multiformats/multiaddr'
import { createTransportHost, multiaddrOf } from '../../../packages/daemon/src/libp2p-host.ts'
import { type AddressSpec, type FlowListener, type Medium, type Outlet, portOf } from './medium.ts'
import { StreamReader, headOf } from './stream-reader.ts'

type Host = Awaited<ReturnType<typeof createTransportHost>>
type Stream = Awaited<ReturnType<Host['dialProtocol']>>
type PrivateKey = Parameters<typeof createTransportHost>[0]

const PROTOCOL = '/causeway-bench/1'
/** js-libp2p moves several times as much in writes of this size as message by message. */
const WRITE_BYTES_MAX = 256 * 1024
const QUEUE_BYTES_MAX = 1024 * 1024
const ANY = { host: '0.0.0.0', port: 0 }

/** The daemon's own dependency, and found from there. */
const daemonRequire = createRequire(new URL('../../../packages/daemon/package.json', import.meta.url))
const { generateKeyPair } = daemonRequire('@libp2p/crypto/keys') as { generateKeyPair(type: 'Ed25519'): Promise<PrivateKey> }

export async function openLibp2pMedium({ side, host }: AddressSpec): Promise<Medium> {
  const key = await generateKeyPair('Ed25519')
  return {
    open: async (flow, listener) => {
      const address = { host, port: portOf(flow) }
      if (side === 'a') {
        const node = await createTransportHost(key, ANY)
        return outletOf(await node.dialProtocol(multiaddr(multiaddrOf(address)), PROTOCOL), listener)
      }
      let outlet: Outlet | undefined
      const node = await createTransportHost(key, address)
      await node.handle(PROTOCOL, (stream) => {
        outlet = outletOf(stream, listener)
      })
      return { send: (message) => outlet?.send(message) ?? true }
    },
  }
}

function outletOf(stream: Stream, listener: FlowListener): Outlet {
  const reader = new StreamReader()
  stream.addEventListener('message', ({ data }) => {
    const bytes = data.subarray()
    const messages = reader.read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
    if (messages.length > 0) listener.messages(messages)
  })
  const writer = new TurnWriter(stream, () => listener.writable())
  return { send: (message) => writer.send(message) }
}

/** Gathers what is sent in one turn into few writes. */
class TurnWriter {
  readonly #stream: Stream
  readonly #onWritable: () => void
  #parts: Uint8Array[] = []
  #bytes = 0
  #waiting = false

  constructor(stream: Stream, onWritable: () => void) {
    this.#stream = stream
    this.#onWritable = onWritable
    // libp2p empties its own buffer in a microtask after `drain`.
    stream.addEventListener('drain', () => setImmediate(() => this.#flush()))
  }

  send(message: Uint8Array): boolean {
    if (this.#bytes === 0) queueMicrotask(() => this.#flush())
    this.#parts.push(headOf(message), message)
    this.#bytes += message.length
    this.#waiting ||= this.#bytes > QUEUE_BYTES_MAX
    return !this.#waiting
  }

  #flush(): void {
    while (this.#parts.length > 0 && !this.#stream.writableNeedsDrain) {
      let bytes = 0
      const count = this.#parts.findIndex((part) => (bytes += part.length) >= WRITE_BYTES_MAX) + 1
      const taken = this.#parts.splice(0, count === 0 ? this.#parts.length : count)
      this.#stream.send(Buffer.concat(taken))
    }
    if (this.#parts.length > 0) return
    this.#bytes = 0
    if (!this.#waiting) return
    this.#waiting = false
    this.#onWritable()
  }
}
