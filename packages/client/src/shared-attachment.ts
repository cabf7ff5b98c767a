/**
 * A Y.Doc that is tied to a shared document: its edits go to the node, those of others come from there.
 *
 *  1. Edits are written in the order in which they were made; one that was not answered is written again, which does no harm.
 *  2. A lost connection, and a node that is restarted, are waited out; edits made meanwhile are kept. What the node refuses ends it.
 *  3. The Y.Doc keeps the client id of the beginning: another one would leave a gap between what it made and what it makes.
 */
import { CausewayError } from '@causeway/protocol'
import { isPassing, pauseBefore } from './reconnection.ts'
import type { SharedDocument, SharedEvent } from './shared.ts'

/** What is used of a Y.Doc. */
export interface EditedDoc {
  clientID: number
  on(event: 'update', listener: (update: Uint8Array, origin: unknown) => void): unknown
  off(event: 'update', listener: (update: Uint8Array, origin: unknown) => void): unknown
}

/** What is used of the module `yjs`. */
export interface YjsFunctions<Doc> {
  applyUpdate(doc: Doc, update: Uint8Array, origin?: unknown): void
  encodeStateAsUpdate(doc: Doc): Uint8Array
}

export interface AttachOptions {
  /** Aborting it closes the attachment. */
  readonly signal?: AbortSignal | undefined
  /** Told when the connection is lost and will be made again. */
  readonly onInterrupted?: ((fault: CausewayError) => void) | undefined
}

export interface Attachment {
  /** Resolves when it is closed; rejects with what ended it before. */
  readonly ended: Promise<void>
  /** Resolves when nothing that was edited waits to be written to the disk of the node. Rejects if the attachment ends before. */
  flushed(): Promise<void>
  /** What waits to be written is not: see `flushed`. */
  close(): Promise<void>
}

/** An update of an empty Y.Doc says so in two bytes: no structs, no deletes. */
const EMPTY_BYTES = 2
/** Of one request: the node takes 1 MiB, and base64 makes four bytes of three. */
const TOGETHER = { updates: 500, bytes: 512 * 1024 } as const

export async function attach<Doc extends EditedDoc>(
  shared: SharedDocument,
  doc: Doc,
  yjs: YjsFunctions<Doc>,
  options: AttachOptions = {},
): Promise<Attachment> {
  if (yjs.encodeStateAsUpdate(doc).length > EMPTY_BYTES)
    throw new CausewayError('usage', 'the Y.Doc was edited before it was attached', 'attach an empty one, then edit it')
  const attachment = new SharedAttachment(shared, doc, yjs, options)
  await Promise.race([attachment.began, attachment.ended])
  return attachment
}

class SharedAttachment<Doc extends EditedDoc> implements Attachment {
  readonly ended: Promise<void>
  readonly began: Promise<void>
  readonly #began = Promise.withResolvers<void>()
  readonly #shared: SharedDocument
  readonly #doc: Doc
  readonly #yjs: YjsFunctions<Doc>
  readonly #onInterrupted: AttachOptions['onInterrupted']
  readonly #end = new AbortController()
  readonly #signal: AbortSignal
  readonly #waiting: Uint8Array[] = []
  #flushed = Promise.withResolvers<void>()
  #isWriting = false
  #isBegun = false
  #fault: Error | undefined

  constructor(shared: SharedDocument, doc: Doc, yjs: YjsFunctions<Doc>, { signal, onInterrupted }: AttachOptions) {
    this.#shared = shared
    this.#doc = doc
    this.#yjs = yjs
    this.#onInterrupted = onInterrupted
    this.#signal = signal ? AbortSignal.any([signal, this.#end.signal]) : this.#end.signal
    this.began = this.#began.promise
    this.ended = this.#follow().finally(() => doc.off('update', this.#edited))
    // It is no fault of the program not to look at it.
    this.ended.catch(() => undefined)
  }

  async flushed(): Promise<void> {
    while (this.#waiting.length > 0) {
      await Promise.race([this.#flushed.promise, this.ended])
      if (this.#fault) throw this.#fault
      if (this.#signal.aborted && this.#waiting.length > 0)
        throw new CausewayError('usage', 'the attachment was closed before all was written', 'wait for flushed, then close it')
    }
  }

  async close(): Promise<void> {
    this.#end.abort()
    await this.ended
  }

  readonly #edited = (update: Uint8Array, origin: unknown): void => {
    if (origin === this) return
    this.#waiting.push(update)
    void this.#write()
  }

  async #follow(): Promise<void> {
    for (let attempts = 0; !this.#signal.aborted; attempts++) {
      try {
        for await (const event of this.#shared.watch({ signal: this.#signal })) {
          attempts = 0
          this.#take(event)
        }
        throw new CausewayError('daemon-unreachable', 'the connection ended early', 'see the log of the daemon for the reason')
      } catch (error) {
        if (this.#signal.aborted) break
        if (!this.#isBegun || !isPassing(error)) throw error
        this.#onInterrupted?.(error)
        await pauseBefore(attempts, this.#signal)
      }
    }
    if (this.#fault) throw this.#fault
  }

  #take(event: SharedEvent): void {
    if (event.type === 'STATE' && !this.#isBegun) {
      this.#isBegun = true
      this.#doc.clientID = event.clientId
      this.#doc.on('update', this.#edited)
    }
    this.#yjs.applyUpdate(this.#doc, event.update, this)
    this.#began.resolve()
  }

  async #write(): Promise<void> {
    if (this.#isWriting) return
    this.#isWriting = true
    for (let attempts = 0; this.#waiting.length > 0 && !this.#signal.aborted;) {
      const together = portionOf(this.#waiting)
      try {
        await this.#shared.write(together, { signal: this.#signal })
        this.#waiting.splice(0, together.length)
        attempts = 0
      } catch (error) {
        if (isPassing(error) || (error as CausewayError).code === 'store-full') await pauseBefore(attempts++, this.#signal)
        else this.#fail(error as Error)
      }
    }
    this.#isWriting = false
    this.#flushed.resolve()
    this.#flushed = Promise.withResolvers()
  }

  #fail(fault: Error): void {
    this.#fault ??= fault
    this.#end.abort()
  }
}

function portionOf(waiting: readonly Uint8Array[]): Uint8Array[] {
  let bytes = 0
  const end = waiting.findIndex((update, index) => {
    bytes += update.length
    return index > 0 && (index === TOGETHER.updates || bytes > TOGETHER.bytes)
  })
  return waiting.slice(0, end === -1 ? waiting.length : end)
}
