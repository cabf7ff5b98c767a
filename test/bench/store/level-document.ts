/**
 * The same records in one Yjs document that y-leveldb keeps: every update is stored as it is made, as its own manual says.
 * LevelDB does not wait for the disk: what it calls stored may be lost with the power, though not with the process.
 */
import { join } from 'node:path'
// @ts-expect-error -- it tells its types in comments only
import { LeveldbPersistence } from 'y-leveldb'
import type * as Y from 'yjs'
import type { Table } from './table.ts'

const NAME = 'tasks'

/** What is used of it here. */
interface Persistence {
  getYDoc(name: string): Promise<Y.Doc>
  storeUpdate(name: string, update: Uint8Array): Promise<number>
  destroy(): Promise<void>
}

const Persistence = LeveldbPersistence as new (location: string) => Persistence

export class LevelDocument implements Table {
  readonly #persistence: Persistence
  readonly #document: Y.Doc
  #stored: Promise<unknown> = Promise.resolve()

  static async open(directory: string): Promise<LevelDocument> {
    const persistence = new Persistence(join(directory, 'level'))
    return new LevelDocument(persistence, await persistence.getYDoc(NAME))
  }

  private constructor(persistence: Persistence, document: Y.Doc) {
    this.#persistence = persistence
    this.#document = document
    document.on('update', (update: Uint8Array) => {
      this.#stored = persistence.storeUpdate(NAME, update)
    })
  }

  async put(key: string, value: unknown): Promise<void> {
    this.#document.getMap(NAME).set(key, value)
    await this.#stored
  }

  get(key: string): unknown {
    return this.#document.getMap(NAME).get(key)
  }

  async close(): Promise<void> {
    await this.#stored
    await this.#persistence.destroy()
  }
}
