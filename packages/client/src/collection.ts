/**
 * Records of one collection, as this node's replica holds them. Reads and writes are local: they work the same
 * while the site is cut off, and what was written then is merged when the site comes back.
 */
import type { ListView, RecordView, WatchEvent, WriteResult } from '@causeway/protocol'
import type { Transport } from './transport.ts'

export type TypedRecord<Value> = Omit<RecordView, 'value'> & { readonly value: Value }

export type TypedWatchEvent<Value> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly record: TypedRecord<Value> }
  | Extract<WatchEvent, { type: 'BOOKMARK' }>

export interface ReadOptions {
  /** @default the daemon's choice: an edge node's own site */
  readonly partition?: string | undefined
}

export interface ListOptions extends ReadOptions {
  /** Label conditions, all of which must hold: `kind=record,tier!=test`. */
  readonly selector?: string | undefined
}

export interface WatchOptions extends ListOptions {
  readonly signal?: AbortSignal | undefined
}

export interface DeleteOptions extends ReadOptions {
  /** Compare-and-set against what this node knows; a mismatch is a `conflict` error. */
  readonly revision?: string | undefined
}

export interface WriteOptions extends DeleteOptions {
  readonly labels?: Readonly<Record<string, string>> | undefined
}

export interface Collection<Value> {
  readonly name: string
  /** The record, or `undefined` if there is none. */
  get(key: string, options?: ReadOptions): Promise<TypedRecord<Value> | undefined>
  list(options?: ListOptions): Promise<ListView<TypedRecord<Value>>>
  /** Creates or replaces. */
  put(key: string, value: Value, options?: WriteOptions): Promise<WriteResult>
  /** Fails with `conflict` if the record exists here. */
  create(key: string, value: Value, options?: WriteOptions): Promise<WriteResult>
  /** Fails with `not-found` if the record does not exist here. */
  update(key: string, value: Value, options?: WriteOptions): Promise<WriteResult>
  delete(key: string, options?: DeleteOptions): Promise<WriteResult>
  /** What is there now (as ADDED), a BOOKMARK, then every change. Ends when `signal` is aborted. */
  watch(options?: WatchOptions): AsyncGenerator<TypedWatchEvent<Value>, void, undefined>
}

export function openCollection<Value>(transport: Transport, name: string): Collection<Value> {
  const at = (key: string): readonly string[] => ['kv', name, key]
  const write = (mode: 'create' | 'update' | undefined, key: string, value: Value, options: WriteOptions): Promise<WriteResult> =>
    transport.json({
      method: 'PUT',
      path: at(key),
      query: { partition: options.partition, mode, revision: options.revision, label: labelsOf(options) },
      body: value,
    })

  return {
    name,
    async get(key, options = {}) {
      try {
        return await transport.json({ method: 'GET', path: at(key), query: { partition: options.partition } })
      } catch (error) {
        if ((error as { code?: unknown }).code === 'not-found') return undefined
        throw error
      }
    },
    list(options = {}) {
      const query = { partition: options.partition, selector: options.selector }
      return transport.json({ method: 'GET', path: ['kv', name], query })
    },
    put: (key, value, options = {}) => write(undefined, key, value, options),
    create: (key, value, options = {}) => write('create', key, value, options),
    update: (key, value, options = {}) => write('update', key, value, options),
    delete(key, options = {}) {
      const query = { partition: options.partition, revision: options.revision }
      return transport.json({ method: 'DELETE', path: at(key), query })
    },
    watch(options = {}) {
      const query = { partition: options.partition, selector: options.selector, watch: true }
      return transport.lines({ method: 'GET', path: ['kv', name], query, signal: options.signal })
    },
  }
}

function labelsOf(options: WriteOptions): readonly string[] {
  return Object.entries(options.labels ?? {}).map(([name, value]) => `${name}=${value}`)
}
