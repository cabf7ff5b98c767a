/**
 * Records of one collection, as this node's replica holds them. Reads and writes are local: they work the same
 * while the site is cut off, and what was written then is merged when the site comes back.
 *
 * With a schema, a value is checked before it is sent, and sent as it was given; what is read is what the schema makes of it.
 * A record that does not fit, because somebody else wrote it, is never passed over: `get` throws `SchemaViolation`, lists have
 * it under `violations`, and a watch tells `VIOLATION`.
 */
import type {
  BatchChange,
  BatchResult,
  HistoryView,
  ListView,
  RecordListView,
  RecordView,
  WatchEvent,
  WriteResult,
} from '@causeway/protocol'
import { type SchemaIssue, SchemaViolation, type StandardSchema } from './standard-schema.ts'
import type { Transport } from './transport.ts'
import { type RelistedEvent, type WatchStreamOptions, watchStream } from './watch-stream.ts'

export type TypedRecord<Value> = Omit<RecordView, 'value'> & { readonly value: Value }

/** A record that does not fit the schema. */
export interface ViolatingRecord {
  readonly record: RecordView
  readonly issues: readonly SchemaIssue[]
}

export interface TypedList<Value> extends ListView<TypedRecord<Value>>, Omit<RecordListView, 'items'> {
  /** Those that do not fit the schema. */
  readonly violations: readonly ViolatingRecord[]
}

export type TypedWatchEvent<Value> =
  | { readonly type: 'ADDED' | 'MODIFIED'; readonly record: TypedRecord<Value> }
  /** As it last was, where that is known; not checked against the schema. */
  | { readonly type: 'DELETED'; readonly record: RecordView }
  /** The record was added or modified and does not fit the schema. */
  | ({ readonly type: 'VIOLATION' } & ViolatingRecord)
  | Extract<WatchEvent, { type: 'BOOKMARK' | 'UNSYNCED' }>
  | RelistedEvent

export interface CollectionOptions<Input, Output> {
  readonly schema?: StandardSchema<Input, Output> | undefined
}

interface PartitionOption {
  /** @default the daemon's choice: for single records its own site, for lists and watches all that it holds */
  readonly partition?: string | undefined
}

export interface ReadOptions extends PartitionOption {
  /** The token of a write, here or at another node: waits until that can be read, at most 2 s, then throws `timeout`. */
  readonly atLeast?: string | undefined
}

interface SelectorOption {
  /** Label conditions, all of which must hold: `kind=record,tier!=test,zone in (a,b),!old`. */
  readonly selector?: string | undefined
}

export interface ListOptions extends ReadOptions, SelectorOption {
  /** At most so many, and `continue` for the rest. @default all, fetched page by page */
  readonly limit?: number | undefined
  /** Of the page before. */
  readonly continue?: string | undefined
}

export interface WatchOptions extends PartitionOption, SelectorOption, WatchStreamOptions {}

export interface DeleteOptions extends PartitionOption {
  /** Compare-and-set against what this node knows; a mismatch is a `conflict` error. */
  readonly revision?: string | undefined
  /**
   * What the write waits for: this node's disk, one more of the site, or a hub's disk.
   * @default 'local'
   */
  readonly durability?: 'local' | 'site' | 'hub' | undefined
  /** Granted by the allocator or refused; never while cut off. */
  readonly strict?: boolean | undefined
}

export interface PatchOptions extends DeleteOptions {
  /** `null` removes a label. */
  readonly labels?: Readonly<Record<string, string | null>> | undefined
}

export interface WriteOptions extends DeleteOptions {
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** The record is gone so long after the write: `30s`, `15m`, `12h`, `7d`. */
  readonly ttl?: string | undefined
}

export interface Collection<Input, Output = Input> {
  readonly name: string
  /** The record, or `undefined` if there is none. */
  get(key: string, options?: ReadOptions): Promise<TypedRecord<Output> | undefined>
  list(options?: ListOptions): Promise<TypedList<Output>>
  /** What this node has lately seen of a record, oldest first; values are not checked. */
  history(key: string, options?: PartitionOption): Promise<HistoryView>
  /** Creates or replaces. */
  put(key: string, value: Input, options?: WriteOptions): Promise<WriteResult>
  /** Fails with `conflict` if the record exists here. */
  create(key: string, value: Input, options?: WriteOptions): Promise<WriteResult>
  /** Fails with `not-found` if the record does not exist here. */
  update(key: string, value: Input, options?: WriteOptions): Promise<WriteResult>
  /** Sets some fields and leaves the others; `null` removes one. With a schema the record is checked as it would be here. */
  patch(key: string, fields: PatchOf<Input>, options?: PatchOptions): Promise<WriteResult>
  delete(key: string, options?: DeleteOptions): Promise<WriteResult>
  /** Several changes of one partition: all or none. Patches are not checked against the schema. */
  batch(changes: readonly BatchChange[], options?: Omit<DeleteOptions, 'revision'>): Promise<BatchResult>
  /** What is there now (as ADDED), a BOOKMARK, then every change. Ends when `signal` is aborted. */
  watch(options?: WatchOptions): AsyncGenerator<TypedWatchEvent<Output>, void, undefined>
}

export type PatchOf<Value> = Value extends object
  ? { readonly [Field in keyof Value]?: Value[Field] | null }
  : Readonly<Record<string, unknown>>

export function openCollection<Input, Output>(
  transport: Transport,
  name: string,
  { schema }: CollectionOptions<Input, Output> = {},
): Collection<Input, Output> {
  return new RemoteCollection(transport, name, schema)
}

class RemoteCollection<Input, Output> implements Collection<Input, Output> {
  readonly name: string
  readonly #transport: Transport
  readonly #schema: StandardSchema<Input, Output> | undefined

  constructor(transport: Transport, name: string, schema: StandardSchema<Input, Output> | undefined) {
    this.name = name
    this.#transport = transport
    this.#schema = schema
  }

  async get(key: string, options: ReadOptions = {}): Promise<TypedRecord<Output> | undefined> {
    const record = await this.#read(key, options)
    if (!record) return undefined
    const checked = await this.#check(record)
    if (!('issues' in checked)) return checked
    const remedy = 'have its writer correct it, or read it without a schema'
    throw new SchemaViolation(`${this.name}/${key} as ${record.writer} wrote it`, remedy, checked.issues, record)
  }

  async list(options: ListOptions = {}): Promise<TypedList<Output>> {
    const items: TypedRecord<Output>[] = []
    const violations: ViolatingRecord[] = []
    let next = options.continue
    for (;;) {
      const { partition, selector, limit, atLeast } = options
      const query = { partition, selector, limit, continue: next, 'at-least': atLeast }
      const page = await this.#transport.json<RecordListView>({ method: 'GET', path: ['kv', this.name], query })
      for (const record of page.items) {
        const checked = await this.#check(record)
        if ('issues' in checked) violations.push(checked)
        else items.push(checked)
      }
      next = page.continue
      if (next === undefined || limit !== undefined) return { ...page, items, violations }
    }
  }

  history(key: string, { partition }: PartitionOption = {}): Promise<HistoryView> {
    return this.#transport.json({ method: 'GET', path: this.#at(key), query: { partition, history: true } })
  }

  put(key: string, value: Input, options: WriteOptions = {}): Promise<WriteResult> {
    return this.#write(undefined, key, value, options)
  }

  create(key: string, value: Input, options: WriteOptions = {}): Promise<WriteResult> {
    return this.#write('create', key, value, options)
  }

  update(key: string, value: Input, options: WriteOptions = {}): Promise<WriteResult> {
    return this.#write('update', key, value, options)
  }

  async patch(key: string, fields: PatchOf<Input>, options: PatchOptions = {}): Promise<WriteResult> {
    if (this.#schema) {
      const record = await this.#read(key, options)
      if (record) await this.#checkOwn(key, patched(record.value, fields))
    }
    const query = { ...writeQuery(options), label: labelTerms(options.labels) }
    return this.#transport.json({ method: 'PATCH', path: this.#at(key), query, body: fields })
  }

  delete(key: string, options: DeleteOptions = {}): Promise<WriteResult> {
    return this.#transport.json({ method: 'DELETE', path: this.#at(key), query: writeQuery(options) })
  }

  async batch(changes: readonly BatchChange[], options: Omit<DeleteOptions, 'revision'> = {}): Promise<BatchResult> {
    for (const { key, op, value } of changes) if (op !== 'delete' && op !== 'patch') await this.#checkOwn(key, value)
    const { partition, ...query } = writeQuery(options)
    return this.#transport.json({ method: 'POST', path: ['kv', `${this.name}:batch`], query, body: { partition, changes } })
  }

  async *watch(options: WatchOptions = {}): AsyncGenerator<TypedWatchEvent<Output>, void, undefined> {
    const { partition, selector, signal } = options
    const open = (since: string | undefined): AsyncIterable<WatchEvent> =>
      this.#transport.lines({ method: 'GET', path: ['kv', this.name], query: { partition, selector, watch: true, since }, signal })
    for await (const event of watchStream(open, options)) {
      if (!('record' in event)) {
        yield event
        continue
      }
      const { type, record } = event
      if (type === 'DELETED') {
        yield { type, record }
        continue
      }
      const checked = await this.#check(record)
      yield 'issues' in checked ? { type: 'VIOLATION', ...checked } : { type, record: checked }
    }
  }

  async #write(mode: 'create' | 'update' | undefined, key: string, value: Input, options: WriteOptions): Promise<WriteResult> {
    await this.#checkOwn(key, value)
    const { partition, ...query } = writeQuery(options)
    return this.#transport.json({
      method: 'PUT',
      path: this.#at(key),
      query: { partition, mode, ...query, ttl: options.ttl, label: labelTerms(options.labels) },
      body: value,
    })
  }

  /** The record as the daemon has it. */
  async #read(key: string, { partition, atLeast }: ReadOptions): Promise<RecordView | undefined> {
    try {
      return await this.#transport.json({ method: 'GET', path: this.#at(key), query: { partition, 'at-least': atLeast } })
    } catch (error) {
      if ((error as { code?: unknown }).code === 'not-found') return undefined
      throw error
    }
  }

  async #check(record: RecordView): Promise<TypedRecord<Output> | ViolatingRecord> {
    if (!this.#schema) return record as TypedRecord<Output>
    const result = await this.#schema['~standard'].validate(record.value)
    return result.issues ? { record, issues: result.issues } : { ...record, value: result.value }
  }

  async #checkOwn(key: string, value: unknown): Promise<void> {
    const result = await this.#schema?.['~standard'].validate(value)
    if (result?.issues) throw new SchemaViolation(`the value for ${this.name}/${key}`, 'correct it; nothing was written', result.issues)
  }

  #at(key: string): readonly string[] {
    return ['kv', this.name, key]
  }
}

function writeQuery({ partition, revision, durability, strict }: DeleteOptions): Record<string, string | boolean | undefined> {
  return { partition, revision, durability, strict }
}

/** `k=v`, or `k-` for one that is removed. */
function labelTerms(labels: Readonly<Record<string, string | null>> | undefined): readonly string[] {
  return Object.entries(labels ?? {}).map(([name, value]) => (value === null ? `${name}-` : `${name}=${value}`))
}

/** RFC 7396, one level. */
function patched(value: unknown, fields: object): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries({ ...value, ...fields }).filter(([, field]) => field !== null))
}
