/** A site on y-websocket: one connection for each document, which a gateway shares among the nodes of the site. */
import { WebSocket } from 'ws'
import { Awareness } from 'y-protocols/awareness'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import type { Access, Sight } from '../participant.ts'
import type { ParticipantSpec } from '../participant-talk.ts'
import { CONFIG_DOCUMENT, documentOf, watch, writeTo } from './y-websocket-records.ts'

type ClientSpec = Extract<ParticipantSpec, { system: 'y-websocket'; role: 'site' }>

class CompressedSocket extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, protocols, { perMessageDeflate: { threshold: 0 } })
  }
}

export async function openClient({ url, site }: ClientSpec, sight: Sight): Promise<Access> {
  const documents = new Map<string, Y.Doc>()
  for (const [name, whose] of [
    [documentOf({ site }), site],
    [CONFIG_DOCUMENT, undefined],
  ] as const) {
    const document = new Y.Doc()
    documents.set(name, document)
    watch(document, whose, sight)
    const awareness = new Awareness(document)
    awareness.setLocalState(null)
    const provider = new WebsocketProvider(url, name, document, {
      WebSocketPolyfill: CompressedSocket as unknown as typeof globalThis.WebSocket,
      disableBc: true,
      awareness,
    })
    await new Promise<void>((done) => provider.once('sync', () => done()))
  }
  return {
    write: (change) => {
      const document = documents.get(documentOf(change))
      if (document) writeTo(document, change)
      return Promise.resolve()
    },
  }
}
