/**
 * Shared documents: an application's own Y.Doc, edited at many nodes. This knows nothing of Yjs: updates are bytes to it, and
 * who attaches a Y.Doc gives what applies them.
 */
import type { SharedNews, SharedView, SharedWritten } from '@causeway/protocol'
import { type Attachment, type AttachOptions, type EditedDoc, type YjsFunctions, attach } from './shared-attachment.ts'
import type { Transport } from './transport.ts'

export interface SharedState {
  /** For a Y.Doc that is about to be edited: its client id from before its first edit until it is thrown away. */
  readonly clientId: number
  /** All of it, as one Yjs update. */
  readonly update: Uint8Array
}

export type SharedEvent = ({ readonly type: 'STATE' } & SharedState) | { readonly type: 'UPDATE'; readonly update: Uint8Array }

export interface SharedDocument {
  readonly name: string
  /** As this node shows it. */
  state(): Promise<SharedState>
  /** Resolves when the updates, in the order in which a Y.Doc made them, are on the disk of this node. They may be repeated. */
  write(updates: readonly Uint8Array[], options?: { readonly signal?: AbortSignal | undefined }): Promise<SharedWritten>
  /** As it is, then every update, by anybody. One connection: it ends with an error when that is lost. */
  watch(options?: { readonly signal?: AbortSignal | undefined }): AsyncGenerator<SharedEvent, void, undefined>
  /**
   * Ties a Y.Doc that nobody has edited yet to the document, until the attachment is closed or fails: what is edited is written,
   * and what others write is applied. Resolves when it shows what this node does. `yjs` is the module: `import * as yjs from 'yjs'`.
   */
  attach<Doc extends EditedDoc>(doc: Doc, yjs: YjsFunctions<Doc>, options?: AttachOptions): Promise<Attachment>
}

export function openShared(transport: Transport, name: string): SharedDocument {
  const path = ['shared', name]
  const document: SharedDocument = {
    name,
    state: async () => stateOf(await transport.json<SharedView>({ method: 'GET', path })),
    write: (updates, { signal } = {}) => {
      const body = { updates: updates.map((update) => Buffer.from(update).toString('base64')) }
      return transport.json({ method: 'POST', path, body, signal })
    },
    watch: async function* ({ signal } = {}) {
      for await (const news of transport.lines<SharedNews>({ method: 'GET', path, query: { watch: true }, signal }))
        yield news.type === 'STATE' ? { type: 'STATE', ...stateOf(news) } : { type: 'UPDATE', update: bytesOf(news.update) }
    },
    attach: (doc, yjs, options) => attach(document, doc, yjs, options),
  }
  return document
}

function stateOf({ clientId, update }: SharedView): SharedState {
  return { clientId, update: bytesOf(update) }
}

function bytesOf(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, 'base64'))
}
