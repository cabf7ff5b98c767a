/**
 * A watch that survives its connection: it goes on from the last bookmark, and where that is too long ago it lists again and
 * tells the difference. So whoever reads it sees one sequence: each record ADDED once, then MODIFIED, until DELETED.
 *
 *  1. For one key events come in order, none is left out that would make the reader's state wrong, none is told twice.
 *  2. After `RELISTED` everything that was told before has been compared with what is there, by the next bookmark.
 *  3. A fault of the first connection, and one that no repetition can mend, is thrown.
 */
import { CausewayError, type RecordView, type WatchEvent } from '@causeway/protocol'
import { isPassing, pauseBefore } from './reconnection.ts'

export interface WatchStreamOptions {
  /** Goes on from there instead of telling what is there: the token of a list, a write or a bookmark. */
  readonly since?: string | undefined
  /**
   * Whether to go on after a lost connection; else that is an error.
   * @default true
   */
  readonly resume?: boolean | undefined
  /** Told when the connection is lost and will be made again. */
  readonly onInterrupted?: ((fault: CausewayError) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export type RelistedEvent = {
  /**
   * What came since the last bookmark cannot be told one by one. All that is new, changed or gone follows, up to the next
   * bookmark. A watch that began with `since` tells everything that is there instead, and what it does not tell is gone.
   */
  readonly type: 'RELISTED'
  readonly reason: string
}

/** Opens the connection: a watch from the start, or since a token. */
type Open = (since: string | undefined) => AsyncIterable<WatchEvent>

export async function* watchStream(open: Open, options: WatchStreamOptions): AsyncGenerator<WatchEvent | RelistedEvent, void, undefined> {
  const { signal, resume = true } = options
  const told = new ToldRecords(options.since !== undefined)
  let since = options.since
  let connected = false
  let attempts = 0
  // oxlint-disable-next-line eslint/no-unmodified-loop-condition -- the reader aborts it meanwhile
  while (!signal?.aborted) {
    try {
      for await (const event of open(since)) {
        connected = true
        attempts = 0
        yield* told.next(event)
        if (event.type === 'BOOKMARK') since = event.token
      }
      if (signal?.aborted || !resume) return
      throw new CausewayError('daemon-unreachable', 'the watch ended early', 'see the log of the daemon for the reason')
    } catch (error) {
      if (signal?.aborted) return
      if (!resume || !(error instanceof CausewayError)) throw error
      if (error.code === 'gone' && since !== undefined) {
        yield { type: 'RELISTED', reason: error.message }
        since = undefined
        told.relist()
        continue
      }
      if (!connected || !isPassing(error)) throw error
      options.onInterrupted?.(error)
      // Before the first bookmark there is no place to go on from: all is told again.
      if (since === undefined) told.relist()
      await pauseBefore(attempts++, signal)
    }
  }
}

/** What the reader has been told, so that what comes again after a break can be told apart from what is new. */
class ToldRecords {
  readonly #records = new Map<string, RecordView>()
  /** The reader has a state of its own from before: a record we have not told may still be known to it. */
  readonly #hasMore: boolean
  /** While everything is told again: what is there. */
  #present: Set<string> | undefined

  constructor(hasMore: boolean) {
    this.#hasMore = hasMore
  }

  /** Everything that is there comes once more, up to the next bookmark. */
  relist(): void {
    if (this.#hasMore) this.#records.clear()
    else this.#present = new Set()
  }

  *next(event: WatchEvent): Iterable<WatchEvent> {
    switch (event.type) {
      case 'ADDED':
      case 'MODIFIED':
        return yield* this.#changed(event.type, event.record)
      case 'DELETED':
        if (this.#records.delete(identify(event.record)) || this.#hasMore) yield event
        return
      case 'UNSYNCED':
        for (const [id, { partition }] of this.#records) if (partition === event.partition) this.#records.delete(id)
        return yield event
      case 'BOOKMARK':
        yield* this.#vanished()
        yield event
    }
  }

  *#changed(type: 'ADDED' | 'MODIFIED', record: RecordView): Iterable<WatchEvent> {
    const id = identify(record)
    const before = this.#records.get(id)
    this.#present?.add(id)
    if (before && before.revision === record.revision) return
    this.#records.set(id, record)
    yield { type: before ? 'MODIFIED' : this.#hasMore ? type : 'ADDED', record }
  }

  *#vanished(): Iterable<WatchEvent> {
    const present = this.#present
    this.#present = undefined
    if (!present) return
    for (const [id, record] of this.#records) {
      if (present.has(id)) continue
      this.#records.delete(id)
      yield { type: 'DELETED', record }
    }
  }
}

function identify({ partition, key }: RecordView): string {
  return `${partition} ${key}`
}
