/**
 * A server for y-websocket's clients, as their protocol asks for (y-protocols, PROTOCOL.md): what a client lacks when it
 * comes, then every update to all others. Updates are not sent back to where they came from, which the reference server
 * does. Presence is off. Messages are compressed as well as WebSocket allows: each with the context of those before it.
 */
import { createServer } from 'node:http'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { type WebSocket, WebSocketServer } from 'ws'
import * as sync from 'y-protocols/sync'
import * as Y from 'yjs'
import type { Access, Sight } from '../participant.ts'
import type { ParticipantSpec } from '../participant-talk.ts'
import { CONFIG_DOCUMENT, documentOf, watch, writeTo } from './y-websocket-records.ts'

type ServerSpec = Extract<ParticipantSpec, { system: 'y-websocket'; role: 'core' }>

const SYNC = 0

export async function openServer({ port, sites }: ServerSpec, sight: Sight): Promise<Access> {
  const documents = new Map<string, ServedDocument>()
  const serve = (name: string, site: number | undefined): void => void documents.set(name, new ServedDocument(site, sight))
  serve(CONFIG_DOCUMENT, undefined)
  for (let site = 0; site < sites; site++) serve(documentOf({ site }), site)
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: { threshold: 0 } })
  const server = createServer().on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (client) => documents.get((request.url ?? '').slice(1))?.accept(client))
  })
  await new Promise<void>((done) => server.listen(port, done))
  return {
    write: (change) => {
      const served = documents.get(documentOf(change))
      if (served) writeTo(served.document, change)
      return Promise.resolve()
    },
  }
}

class ServedDocument {
  readonly document = new Y.Doc()
  readonly #clients = new Set<WebSocket>()

  constructor(site: number | undefined, sight: Sight) {
    watch(this.document, site, sight)
    this.document.on('update', (update: Uint8Array, origin: unknown) => {
      const message = syncMessage((encoder) => sync.writeUpdate(encoder, update))
      for (const client of this.#clients) if (client !== origin) client.send(message)
    })
  }

  accept(client: WebSocket): void {
    this.#clients.add(client)
    client.on('close', () => this.#clients.delete(client))
    client.on('message', (data: Buffer) => {
      const decoder = decoding.createDecoder(new Uint8Array(data))
      if (decoding.readVarUint(decoder) !== SYNC) return
      const reply = syncMessage((encoder) => void sync.readSyncMessage(decoder, encoder, this.document, client))
      if (reply.length > 1) client.send(reply)
    })
    client.send(syncMessage((encoder) => sync.writeSyncStep1(encoder, this.document)))
  }
}

function syncMessage(write: (encoder: encoding.Encoder) => void): Uint8Array {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, SYNC)
  write(encoder)
  return encoding.toUint8Array(encoder)
}
