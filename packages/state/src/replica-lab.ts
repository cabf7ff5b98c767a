/**
 * A small world for tests of replicas: nodes with disks and sessions between them, all in one seeded hand. Each step
 * delivers one message or completes one write of one disk, chosen by chance, so that sessions overtake each other
 * while each stays in order. A crash keeps what was reported durable, and of the rest a prefix.
 */
import {
  type Instant,
  LIMITS,
  type Limits,
  type RecordView,
  SeededRandom,
  type SignedCredential,
  type StoreEntry,
  WAKE,
  earliest,
  encodeCredential,
  equalBytes,
  instant,
  invariant,
  joinBytes,
} from '@causeway/protocol'
import { Replica } from './replica.ts'
import type {
  Durability,
  Relation,
  ReplicaEffect,
  ReplicaInput,
  Signer,
  WriteChange,
  WriteOperation,
  WriteOutcome,
} from './replica-contract.ts'
import { WriterCredentials } from './writer-credentials.ts'

/** 32 bytes of FNV-1a over the message with 8 different starts: enough to tell contents apart. */
function mix(message: Uint8Array): Uint8Array {
  const words = new Uint32Array(8)
  for (let word = 0; word < 8; word++) {
    let hash = Math.imul(0x811c9dc5 ^ word, 0x9e3779b1)
    for (const byte of message) hash = Math.imul(hash ^ byte, 0x01000193)
    words[word] = hash ^ (hash >>> 15)
  }
  return new Uint8Array(words.buffer)
}

/** 64 bytes that only who knows the key makes; here everybody does. */
function signature(key: Uint8Array, message: Uint8Array): Uint8Array {
  return joinBytes(mix(joinBytes(key, message)), mix(joinBytes(message, key)))
}

/** A cheap stand-in with the contract of the real thing, for a world without attackers. */
export function labCrypto(name: string): Signer {
  const own = labKey(name)
  return {
    hash: mix,
    sign: (message) => signature(own, message),
    verify: (key, message, given) => equalBytes(given, signature(key, message)),
  }
}

function labKey(name: string): Uint8Array {
  return mix(Uint8Array.from(name, (letter) => letter.codePointAt(0) ?? 0))
}

export const LAB_AUTHORITY = 'authority'

export function labCredential(
  name: string,
  write: readonly string[] = ['**'],
  notAfterMs: number = 2 ** 46,
  role: 'edge' | 'hub' = 'edge',
): SignedCredential {
  const place = { site: 'hkg-1', region: 'apac', role, labels: {} }
  const body = encodeCredential({ network: 'lab', name, ...place, write, key: labKey(name), notAfterMs })
  return { body, signature: labCrypto(LAB_AUTHORITY).sign(body) }
}

export function labCredentials(): WriterCredentials {
  return new WriterCredentials(labCrypto('anybody'), labKey(LAB_AUTHORITY))
}

export const WALL_MS = 1_790_000_000_000

export interface LabNodeOptions {
  readonly interest?: readonly string[]
  readonly write?: readonly string[]
  /** How wrong its wall clock is. */
  readonly skewMs?: number
  readonly limits?: Partial<Limits>
  /** It is a hub. */
  readonly core?: boolean
  /** End of its credential. */
  readonly notAfterMs?: number
}

type Persist = Extract<ReplicaEffect, { type: 'persist' }>
type Violation = Extract<ReplicaEffect, { type: 'violation' }>

interface Link {
  readonly ends: readonly [LabNode, LabNode]
  readonly session: number
  /** Messages towards end 0 and end 1. */
  readonly queues: readonly [Uint8Array[], Uint8Array[]]
}

export class LabNode {
  readonly lab: Lab
  readonly name: string
  options: LabNodeOptions
  readonly store: Map<string, Uint8Array> = new Map()
  readonly unpersisted: Persist[] = []
  readonly answers: Map<number, WriteOutcome> = new Map()
  readonly events: ReplicaEffect[] = []
  /** What a reader knows who has only followed the changes since the start. */
  readonly followed: Map<string, RecordView> = new Map()
  /** Partitions that it was told are not held any more. */
  readonly unsynced: string[] = []
  readonly shared: Extract<ReplicaEffect, { type: 'shared' }>[] = []
  flushed = false
  replica: Replica

  constructor(lab: Lab, name: string, options: LabNodeOptions, stored: ReadonlyMap<string, Uint8Array> = new Map()) {
    this.lab = lab
    this.name = name
    this.options = options
    this.store = new Map(stored)
    this.replica = this.#start()
  }

  input(input: ReplicaInput): void {
    for (const effect of this.replica.handle(this.lab.now, input)) this.#carryOut(effect)
  }

  /** The oldest write of the disk is done. */
  persistNext(): void {
    const effect = this.unpersisted.shift()
    if (!effect) return
    this.#apply(effect)
    this.input({ type: 'persisted', ticket: effect.ticket })
  }

  /** Stops without warning; `survives` of the writes not yet reported durable made it to the disk. Starts again. */
  crash(survives: number): void {
    for (const effect of this.unpersisted.splice(0).slice(0, survives)) this.#apply(effect)
    this.restart()
  }

  restart(stored: ReadonlyMap<string, Uint8Array> = this.store): void {
    this.lab.cutAll(this)
    const copy = [...stored]
    this.unpersisted.length = 0
    this.store.clear()
    for (const [key, value] of copy) this.store.set(key, value)
    this.flushed = false
    this.replica = this.#start()
  }

  /** The wall clock is what the options say now. */
  setClock(): void {
    this.input({ type: 'wall', offsetMs: WALL_MS + (this.options.skewMs ?? 0) })
  }

  write(partition: string, key: string, operation: WriteOperation, revision?: string): number {
    return this.writeAll(partition, [revision === undefined ? { key, operation } : { key, operation, revision }])
  }

  writeAll(partition: string, changes: readonly WriteChange[], durability: Durability = 'local'): number {
    const request = this.lab.nextNumber()
    this.input({ type: 'write', request, collection: 'tasks', partition, changes, durability })
    return request
  }

  put(partition: string, key: string, value: unknown): number {
    return this.write(partition, key, { type: 'put', value })
  }

  /** Events of this name, as they were told. */
  told(name: string): readonly Readonly<Record<string, unknown>>[] {
    return this.events.flatMap((effect) => (effect.type === 'event' && effect.name === name ? [effect.data] : []))
  }

  violations(): Violation[] {
    return this.events.filter((effect): effect is Violation => effect.type === 'violation')
  }

  #start(): Replica {
    const { lab, name } = this
    const { interest = ['**'], write = ['**'], skewMs = 0, limits, core = false, notAfterMs } = this.options
    const stored = [...this.store].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]): StoreEntry => ({ key, value }))
    const environment = { random: lab.random, crypto: labCrypto(name), now: lab.now, wallOffsetMs: WALL_MS + skewMs }
    const credential = labCredential(name, write, notAfterMs, core ? 'hub' : 'edge')
    const trust = { credential, authorityKey: labKey(LAB_AUTHORITY) }
    const replica = new Replica({ writer: name, interest, write, limits: { ...LIMITS, ...limits }, core, ...trust }, environment, stored)
    this.followed.clear()
    for (const partition of replica.partitionsOf('tasks')) {
      for (const record of replica.list('tasks', partition)) this.followed.set(`${partition}|${record.key}`, record)
    }
    return replica
  }

  #apply(effect: Persist): void {
    for (const { key, value } of effect.entries) {
      if (value) this.store.set(key, value)
      else this.store.delete(key)
    }
  }

  #carryOut(effect: ReplicaEffect): void {
    switch (effect.type) {
      case 'persist':
        this.unpersisted.push(effect)
        return
      case 'written':
        this.answers.set(effect.request, effect.result)
        return
      case 'change': {
        const { change, record } = effect
        const id = `${record.partition}|${record.key}`
        invariant((change === 'ADDED') === !this.followed.has(id), `${change} of ${id} does not follow from what was before`)
        if (change === 'DELETED') this.followed.delete(id)
        else this.followed.set(id, record)
        return
      }
      case 'unsynced':
        for (const id of this.followed.keys()) if (id.startsWith(`${effect.partition}|`)) this.followed.delete(id)
        this.unsynced.push(`${effect.collection}/${effect.partition}`)
        return
      case 'shared':
        this.shared.push(effect)
        return
      case 'sessionSend':
        this.lab.send(this, effect.session, effect.message)
        return
      case 'sessionReset':
        this.lab.cut(effect.session)
        return
      case 'flushed':
        this.flushed = true
        return
      case 'event':
      case 'violation':
        this.events.push(effect)
    }
  }
}

export class Lab {
  readonly random: SeededRandom
  readonly nodes: LabNode[] = []
  readonly #links = new Map<number, Link>()
  now: Instant = instant(1_000)
  bytes = 0
  messages = 0
  #number = 0

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
  }

  nextNumber(): number {
    this.#number += 1
    return this.#number
  }

  add(name: string, options: LabNodeOptions = {}, stored?: ReadonlyMap<string, Uint8Array>): LabNode {
    const node = new LabNode(this, name, options, stored)
    this.nodes.push(node)
    return node
  }

  /** Opens a session; to `a`, `b` is `relation`. */
  connect(a: LabNode, b: LabNode, relation: Relation): number {
    const session = this.nextNumber()
    this.#links.set(session, { ends: [a, b], session, queues: [[], []] })
    a.input({ type: 'sessionOpened', session, peer: b.name, relation })
    b.input({ type: 'sessionOpened', session, peer: a.name, relation: relation === 'up' ? 'down' : relation === 'down' ? 'up' : 'mesh' })
    return session
  }

  connected(a: LabNode, b: LabNode): boolean {
    return [...this.#links.values()].some(({ ends }) => ends.includes(a) && ends.includes(b))
  }

  cut(session: number): void {
    const link = this.#links.get(session)
    if (!link) return
    this.#links.delete(session)
    for (const end of link.ends) end.input({ type: 'sessionClosed', session })
  }

  cutAll(node: LabNode): void {
    for (const { ends, session } of [...this.#links.values()]) if (ends.includes(node)) this.cut(session)
  }

  sessions(): number[] {
    return [...this.#links.keys()]
  }

  send(from: LabNode, session: number, message: Uint8Array): void {
    const link = this.#links.get(session)
    if (!link) return
    this.bytes += message.length
    this.messages += 1
    link.queues[link.ends[0] === from ? 1 : 0].push(message)
  }

  /** One thing that can happen now happens; false if nothing can. */
  step(): boolean {
    const actions: (() => void)[] = []
    for (const node of this.nodes) if (node.unpersisted.length > 0) actions.push(() => node.persistNext())
    for (const { ends, session, queues } of this.#links.values()) {
      for (const side of [0, 1] as const) {
        if (queues[side].length === 0) continue
        actions.push(() => {
          const message = queues[side].shift()
          if (message) ends[side].input({ type: 'sessionMessage', session, message })
        })
      }
    }
    const action = actions[Math.floor(this.random.float() * actions.length)]
    action?.()
    return action !== undefined
  }

  /** Time passes at once: whoever is due is woken, and nothing else happens. */
  tick(ms: number): void {
    this.now = instant(this.now + ms)
    for (const node of this.nodes) if ((node.replica.nextWake() ?? Infinity) <= this.now) node.input(WAKE)
  }

  /** Lets time pass: everything that can happen does, and whoever is due is woken. */
  run(ms: number): void {
    const end = this.now + ms
    for (let turns = 0; ; turns++) {
      invariant(turns < 10_000, 'the lab comes to rest')
      for (let steps = 0; this.step(); steps++) invariant(steps < 1_000_000, 'messages come to an end')
      const next = this.nodes.map(({ replica }) => replica.nextWake()).reduce(earliest, undefined)
      if (next === undefined || next > end) break
      this.now = instant(Math.max(this.now, next))
      for (const node of this.nodes) if ((node.replica.nextWake() ?? Infinity) <= this.now) node.input(WAKE)
    }
    this.now = instant(end)
  }
}
