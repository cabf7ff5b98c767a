/**
 * The adapter to Yjs, and the only file that knows it. A document of records is a Y.Doc with one root, the Y.Array `entries`;
 * its one writer appends entries and deletes older ones, never anything else. Yjs merges runs of deleted entries
 * into one small struct, which is what keeps a document near the size of its live content (a Y.Map would keep some
 * bytes of every overwrite for ever).
 *
 *  1. The live entries of the Y.Doc and of the index are the same.
 *  2. `apply` is given only updates that passed the gate (update-gate.ts).
 *  3. The clientID of a struct is the epoch of the log that brought it.
 *
 * `SharedContent` is the other kind: what all writers of an application's own Y.Doc have done to it.
 */
import * as Y from 'yjs'
import { invariant } from '@causeway/protocol'
import { type Content, type Entry, compareEntries, encodeContent } from './entry.ts'
import { type DeleteRange, EntryIndex } from './entry-index.ts'

const ROOT = 'entries'
/** Never an epoch: remote structs under the document's own id would make Yjs choose another one at random. */
const NOBODY = 0

/** A position in a document: entry number `clock` of `epoch`. */
interface Place {
  readonly epoch: number
  readonly clock: number
}

/** One struct of an update in our words. */
export interface DecodedStruct extends Place {
  readonly length: number
  readonly kind: 'content' | 'other'
  /** The entry tuples, if `content`. */
  readonly content: readonly unknown[]
  /** The entry it was appended after. */
  readonly after: Place | undefined
  /** An insertion before something: nothing that only appends has it. */
  readonly before: boolean
  /** Names the root, where nothing comes before; `undefined` where it follows from `after`; `null` if it is no root. */
  readonly root: string | null | undefined
  /** Part of a map: never ours. */
  readonly keyed: boolean
}

export interface DecodedUpdate {
  readonly structs: readonly DecodedStruct[]
  readonly deletes: readonly DeleteRange[]
}

/** What the gate lets through. */
export interface CheckedUpdate {
  readonly update: Uint8Array
  readonly entries: readonly Entry[]
  readonly deletes: readonly DeleteRange[]
}

export function isEntriesRoot(name: string | null | undefined): boolean {
  return name === ROOT
}

/** Reads an update without applying it; `undefined` if it cannot be read. Never throws. */
export function decodeUpdate(update: Uint8Array): DecodedUpdate | undefined {
  try {
    const { structs, ds } = Y.decodeUpdate(update)
    const deletes: DeleteRange[] = []
    for (const [epoch, ranges] of ds.clients) for (const { clock, len } of ranges) deletes.push({ epoch, clock, length: len })
    return { structs: structs.map(decodeStruct), deletes }
  } catch {
    return undefined
  }
}

function decodeStruct(struct: Y.Item | Y.GC | Y.Skip): DecodedStruct {
  const { client: epoch, clock } = struct.id
  const base = { epoch, clock, length: struct.length }
  if (!(struct instanceof Y.Item) || !(struct.content instanceof Y.ContentAny)) {
    return { ...base, kind: 'other', content: [], after: undefined, before: false, root: null, keyed: false }
  }
  // Before integration the parent is what the bytes say: a root's name, the id of a nested type, or nothing.
  const parent: unknown = struct.parent
  return {
    ...base,
    kind: 'content',
    content: struct.content.arr,
    after: struct.origin ? { epoch: struct.origin.client, clock: struct.origin.clock } : undefined,
    before: struct.rightOrigin !== null,
    root: parent === null ? undefined : typeof parent === 'string' ? parent : null,
    keyed: struct.parentSub !== null,
  }
}

export class Document {
  readonly #doc: Y.Doc
  readonly #entries: Y.Array<unknown>
  readonly #index = new EntryIndex()

  constructor() {
    this.#doc = new Y.Doc({ guid: 'causeway', gc: true })
    this.#doc.clientID = NOBODY
    this.#entries = this.#doc.getArray(ROOT)
  }

  /** Number of live entries. */
  get size(): number {
    return this.#index.size
  }

  /** The newest live put or mark. */
  get(key: string): Entry | undefined {
    return this.#index.get(key)
  }

  /** All live entries of `key`. */
  all(key: string): readonly Entry[] {
    return this.#index.all(key)
  }

  keys(): Iterable<string> {
    return this.#index.keys()
  }

  /** How many entries of `epoch` have ever been appended. */
  clockOf(epoch: number): number {
    return Y.getState(this.#doc.store, epoch)
  }

  /** Of the live entries. */
  get liveBytes(): number {
    return this.#index.bytes
  }

  /** Bytes of the whole document in one update, with what waits for something else. */
  encodedBytes(): number {
    return Y.encodeStateAsUpdate(this.#doc).length
  }

  /** Appends entries of the writer itself, deleting what they replace; the index follows with `index`. */
  write(epoch: number, contents: readonly Content[]): Uint8Array {
    return this.#push(epoch, contents, (transaction) => {
      for (const { key, kind } of contents)
        for (const old of this.#index.all(key)) if (kind !== 'patch' || old.kind === 'patch') this.#deleteAt(transaction, old)
    })
  }

  /** Appends entries, and deletes none. Of none it makes the update of a document in which nothing is. */
  append(epoch: number, contents: readonly Content[]): Uint8Array {
    return contents.length === 0 ? Y.encodeStateAsUpdate(new Y.Doc()) : this.#push(epoch, contents, () => {})
  }

  #push(epoch: number, contents: readonly Content[], before: (transaction: Y.Transaction) => void): Uint8Array {
    const updates: Uint8Array[] = []
    const listener = (update: Uint8Array): number => updates.push(update)
    this.#doc.on('update', listener)
    this.#doc.clientID = epoch
    try {
      this.#doc.transact((transaction) => {
        before(transaction)
        this.#entries.push(contents.map(encodeContent))
      })
    } finally {
      this.#doc.clientID = NOBODY
      this.#doc.off('update', listener)
    }
    const update = updates[0]
    invariant(update !== undefined && updates.length === 1, 'one transaction makes one update')
    return update
  }

  /** Applies checked updates in one transaction. Throws if Yjs does: then the document is void. */
  apply(checked: readonly CheckedUpdate[], changed: Set<string>): void {
    this.#doc.transact(() => {
      for (const { update } of checked) Y.applyUpdate(this.#doc, update)
    })
    const { pendingStructs, pendingDs } = this.#doc.store
    if (pendingStructs || pendingDs) throw new Error('the update refers to what is not there')
    for (const each of checked) this.index(each, changed)
  }

  /** Takes an update that the Y.Doc holds into the index. */
  index(checked: CheckedUpdate, changed: Set<string>): void {
    for (const entry of checked.entries) {
      this.#index.add(entry)
      changed.add(entry.key)
    }
    for (const range of checked.deletes) for (const entry of this.#index.within(range)) this.#index.remove(entry)
  }

  /** Whether every live entry that the update deletes gives way to a newer one of the same key in it; only a patch does to a patch. */
  replaces(checked: CheckedUpdate): boolean {
    const added = new Map<string, Entry[]>()
    for (const entry of checked.entries) added.set(entry.key, [...(added.get(entry.key) ?? []), entry])
    const outdoes = (old: Entry, entry: Entry): boolean =>
      (entry.kind !== 'patch' || old.kind === 'patch') && compareEntries(entry, old) > 0
    return checked.deletes.every((range) =>
      this.#index.within(range).every((old) => added.get(old.key)?.some((entry) => outdoes(old, entry)) ?? false),
    )
  }

  /** O(log n): by id, not by position. */
  #deleteAt(transaction: Y.Transaction, { log, clock }: Entry): void {
    const id = Y.createID(log, clock)
    Y.getItemCleanStart(transaction, id)
    const item: Y.Item | Y.GC = Y.getItemCleanEnd(transaction, this.#doc.store, id)
    item.delete(transaction)
  }
}

/** A run of structs of one client, in an update of a shared document, and what it refers to. */
export interface SharedUpdate {
  readonly runs: readonly { readonly client: number; readonly clock: number; readonly length: number }[]
  /** Places that must be known before it can be applied: `clock` is known if so many are. */
  readonly needs: readonly { readonly client: number; readonly clock: number }[]
}

/** Reads an update of a shared document without applying it; `undefined` if it cannot be read, or holds what is not taken. Never throws. */
export function decodeShared(update: Uint8Array): SharedUpdate | undefined {
  try {
    const { structs, ds } = Y.decodeUpdate(update)
    const needs: { client: number; clock: number }[] = []
    const runs = structs.map((struct) => {
      if (struct instanceof Y.Skip || (struct instanceof Y.Item && struct.content instanceof Y.ContentDoc)) throw new Error('not taken')
      const { client, clock } = struct.id
      if (struct instanceof Y.Item) {
        const parent: unknown = struct.parent
        for (const id of [struct.origin, struct.rightOrigin, parent instanceof Y.ID ? parent : null])
          if (id) needs.push({ client: id.client, clock: id.clock + 1 })
      }
      return { client, clock, length: struct.length }
    })
    for (const [client, ranges] of ds.clients) for (const { clock, len } of ranges) needs.push({ client, clock: clock + len })
    return { runs, needs }
  } catch {
    return undefined
  }
}

/** The merge of what all writers have done to one shared document. */
export class SharedContent {
  readonly #doc = new Y.Doc({ guid: 'causeway', gc: true })

  constructor() {
    this.#doc.clientID = NOBODY
  }

  /** How much of a client is here. */
  clockOf(client: number): number {
    return Y.getState(this.#doc.store, client)
  }

  /** False if Yjs cannot take it: then the content is void. */
  apply(update: Uint8Array): boolean {
    try {
      Y.applyUpdate(this.#doc, update)
    } catch {
      return false
    }
    return !this.#doc.store.pendingStructs && !this.#doc.store.pendingDs
  }

  /** All of it, as one update. */
  encoded(): Uint8Array {
    return Y.encodeStateAsUpdate(this.#doc)
  }
}
