/**
 * Nodes that forward to each other, for tests: real sockets on loopback at both ends, and between them channels in memory.
 * Records are at once where they belong; a node that does not hold those of a site asks, and is answered in a later turn.
 */
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net'
import { once } from 'node:events'
import { buffer } from 'node:stream/consumers'
import { type Credential, LIMITS, type RecordView } from '@causeway/protocol'
import { MemoryNetwork } from '../overlay/memory-programs.ts'
import { Forwarding } from './forwarding.ts'
import { heldOffers } from './offers.ts'
import { type ForwardSetting, type ServiceSetting, forwardSchema, serviceSchema } from './settings.ts'

export interface LabNode {
  readonly forwarding: Forwarding
  readonly events: { readonly name: string; readonly data: Readonly<Record<string, unknown>> }[]
}

export class ForwardingLab {
  readonly network: MemoryNetwork = new MemoryNetwork()
  /** No way leads there. */
  readonly lost: Set<string> = new Set()
  readonly #records: RecordView[] = []
  readonly #undo: (() => unknown)[] = []

  /** A node whose site is its name without the last letter: `hkg-1-a` is of `hkg-1`. */
  async node(name: string, what: { services?: readonly object[]; forwards?: readonly object[]; socks?: boolean } = {}): Promise<LabNode> {
    const events: { name: string; data: Readonly<Record<string, unknown>> }[] = []
    const own = credentialOf(name)
    const records = { list: (_collection: string, site: string) => this.#records.filter(({ partition }) => partition === site) }
    const forwarding = await Forwarding.start(
      {
        services: (what.services ?? []).map((service) => serviceSchema.parse(service)),
        forwards: (what.forwards ?? []).map((forward) => forwardSchema.parse(forward)),
        socks: what.socks ? { host: '127.0.0.1', port: 0 } : null,
      },
      {
        self: name,
        site: own.site,
        limits: { ...LIMITS, datagramMessageBytesMax: 9_000 },
        programs: this.network.programs(name),
        records,
        credentialOf,
        offersHere: (site) => heldOffers({ list: (_, at) => (at === own.site ? records.list(_, at) : []) }, own, site),
        askOffers: async (site) => heldOffers(records, { site, role: 'hub' }, site) ?? [],
        costTo: (node) => (this.lost.has(node) ? null : 10),
        writeOffers: async (changes) => {
          for (const { key, operation } of changes) {
            const at = this.#records.findIndex((record) => record.key === key && record.writer === name)
            if (at >= 0) this.#records.splice(at, 1)
            if (operation.type !== 'put') continue
            this.#records.push({ key, partition: own.site, value: operation.value, labels: {}, revision: '1', writer: name, asOf: 0 })
          }
        },
        report: (event, data) => events.push({ name: event, data }),
      },
    )
    this.#undo.push(() => forwarding.stop())
    return { forwarding, events }
  }

  /** A TCP server of some node; resolves with its address. */
  async server(onConnection: (socket: Socket) => void): Promise<string> {
    const server = createServer({ allowHalfOpen: true }, onConnection)
    const sockets = new Set<Socket>()
    server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => {})))
    this.#undo.push(() => {
      server.close()
      for (const socket of sockets) socket.destroy()
    })
    return listening(server)
  }

  async close(): Promise<void> {
    for (let step = this.#undo.pop(); step; step = this.#undo.pop()) await step()
  }
}

function credentialOf(name: string): Credential {
  return {
    network: 'lab',
    name,
    site: name.replace(/-[a-z]$/, ''),
    region: 'lab',
    role: 'edge',
    labels: {},
    write: [],
    key: new Uint8Array(32),
    notAfterMs: 0,
  }
}

export function forwardTo(to: string, more: object = {}): ForwardSetting {
  return forwardSchema.parse({ listen: '127.0.0.1:0', to, ...more })
}

export function service(name: string, tcp: string, more: object = {}): ServiceSetting {
  return serviceSchema.parse({ name, tcp, ...more })
}

/** A client of whatever listens there. */
export async function dial(address: string): Promise<Socket> {
  const [host = '', port] = address.split(':')
  const socket = connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true })
  await once(socket, 'connect')
  return socket
}

/** How a connection ends that can be made only up to the near node: it may be reset before it is seen to be made. */
export async function refusalAt(address: string): Promise<string> {
  return dial(address).then(breakOf, (error: NodeJS.ErrnoException) => error.code ?? error.message)
}

/** All that is still to come; rejects if the connection breaks. */
export function restOf(socket: Socket): Promise<Buffer> {
  return buffer(socket)
}

/** How the connection broke; rejects if it ends cleanly. */
export function breakOf(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.on('end', () => reject(new Error('the connection ended cleanly')))
    socket.resume()
  })
}

async function listening(server: Server): Promise<string> {
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 })
  await once(server, 'listening')
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}
