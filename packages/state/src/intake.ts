/**
 * What a session brings: batches of one message, each through the gate into its document, then all on to other peers and to
 * readers, and into one ticket. A bad one is a violation and changes nothing; one that cannot be next is asked for again by comparing heads.
 */
import { type Instant, after, batchBytesMax } from '@causeway/protocol'
import { type Batch, decodeBatch } from './batch.ts'
import { Changes } from './changes.ts'
import type { Documents, Sealed } from './documents.ts'
import type { Entry } from './entry.ts'
import { FoldDraft } from './fold-draft.ts'
import { AHEAD_MS_MAX, type HybridClock } from './hybrid-clock.ts'
import type { Partition } from './partition.ts'
import type { Readers } from './readers.ts'
import type { ReplicaConfig, ReplicaEffect, Signer } from './replica-contract.ts'
import type { ReplacedLogs } from './replaced-logs.ts'
import type { ReplicatedDocument } from './replicated-document.ts'
import type { Retirement } from './retirement.ts'
import type { Silence } from './silence.ts'
import type { SyncSession } from './sync-session.ts'
import { supersededBy } from './superseded.ts'
import type { Sync } from './sync.ts'
import type { Tickets } from './tickets.ts'
import type { Writer } from './writer.ts'

/** Documents of the replica; a peer cannot make it hold more. */
const DOCUMENTS_MAX = 200_000
/** A writer whose clock is wrong goes on writing: it is told of once in so long. */
const AHEAD_TOLD_MS = 600_000

export interface IntakeParts {
  readonly config: ReplicaConfig
  readonly crypto: Signer
  readonly documents: Documents
  readonly clock: HybridClock
  readonly writer: Writer
  readonly sync: Sync
  readonly tickets: Tickets
  readonly readers: Readers
  readonly retirement: Retirement
  readonly replaced: ReplacedLogs
  readonly silence: Silence
}

export interface Received {
  readonly effects: ReplicaEffect[]
  /** What is left, and the fold that the first of it begins: to be given back when all of that is made. */
  readonly rest: { readonly batches: readonly Uint8Array[]; readonly draft: FoldDraft } | undefined
}

/** One message on its way in, or what was left of one. */
interface Message {
  readonly now: Instant
  readonly wallMs: number
  readonly session: SyncSession
  readonly changes: Changes
  readonly effects: ReplicaEffect[]
  /** Documents that have changed, by partition. */
  readonly touched: Map<Partition, Set<ReplicatedDocument>>
  /** Of the batch that comes next. */
  draft: FoldDraft | undefined
}

export class Intake {
  readonly #parts: IntakeParts
  /** When it was last told of writers whose stamps are too far ahead. */
  readonly #aheadToldAt = new Map<string, Instant>()

  constructor(parts: IntakeParts) {
    this.#parts = parts
  }

  /** Takes batches up to the first that begins a fold which has to be made before; `draft`: the fold that the first of them begins. */
  receive(now: Instant, wallMs: number, session: SyncSession, batches: readonly Uint8Array[], draft?: FoldDraft): Received {
    const { crypto, sync, tickets, readers, retirement } = this.#parts
    const message: Message = { now, wallMs, session, changes: new Changes(crypto), effects: [], touched: new Map(), draft }
    const { changes, effects } = message
    let bytes = 0
    let taken = 0
    let toMake: FoldDraft | undefined
    for (const encoded of batches) {
      const fault = this.#take(message, encoded)
      if (fault instanceof FoldDraft) {
        toMake = fault
        break
      }
      bytes += encoded.length
      taken += 1
      if (fault) effects.push({ type: 'violation', peer: session.peer, code: 'bad-batch', detail: fault })
    }
    const sealed = this.#settle(message)
    const { number, peer, relation } = session
    const origin = { session: number, peer, relation, bytes }
    effects.push(...sync.applied(now, changes.documents, origin))
    const brought = changes.ticket()
    const shown = readers.showEarly(wallMs, brought)
    // Also without entries, so that the acknowledgement keeps its place in the order.
    effects.push(...(shown ?? []), tickets.add(changes.entries, { written: [], ...brought, origin, isShown: shown !== undefined }))
    if (sealed.length > 0) effects.push(...retirement.apply(now, sealed, sync.informed, wallMs))
    return { effects, rest: toMake && { batches: batches.slice(taken), draft: toMake } }
  }

  /** Takes one batch, or says why it is bad, or what is to be made before. */
  #take(message: Message, encoded: Uint8Array): string | FoldDraft | undefined {
    const { documents, sync } = this.#parts
    const { now, session, changes, effects, draft } = message
    message.draft = undefined
    if (encoded.length > batchBytesMax(this.#parts.config.limits)) return `a batch of ${encoded.length} bytes`
    const batch = decodeBatch(encoded)
    if (!batch) return 'not a batch'
    if (!sync.wants(session, batch)) return undefined
    const partition = documents.partition(batch.collection, batch.partition)
    if (partition?.isVoid(batch)) {
      effects.push(...sync.voided(now, session, batch, partition.documents.values()))
      return undefined
    }
    const document = documents.getOrDraft(batch)
    if (documents.size >= DOCUMENTS_MAX && !documents.get(document.id)) return `more than ${DOCUMENTS_MAX} documents`
    const toMake = draft ? undefined : document.draftOf(batch)
    if (toMake) return toMake
    const { epoch, seq } = batch
    const acceptance = document.accept(batch, draft)
    const name = `${batch.collection}/${batch.partition} of ${batch.writer}, epoch ${epoch}, batch ${seq}`
    switch (acceptance.type) {
      case 'duplicate':
        // It may be on its way to the disk still, for a session that has ended since: this one learns when it is there.
        // Of what a fold has replaced nothing is said: it may be of a life of its writer that the fold does not know.
        if (document.log(epoch) && !changes.has(batch, epoch)) changes.reached(document, batch)
        return undefined
      case 'bad':
        return `${name}: ${acceptance.reason}`
      case 'gap':
        sync.gap(now, session)
        if (!session.passedOver.has(document.id))
          effects.push({ type: 'violation', peer: session.peer, code: 'unexpected', detail: `${name}: ${acceptance.reason}` })
        return undefined
      case 'unmade':
        sync.gap(now, session)
        return undefined
      case 'applied':
        this.#applied(message, document, acceptance)
        return undefined
    }
  }

  #applied(
    message: Message,
    document: ReplicatedDocument,
    applied: { batch: Batch; entries: readonly Entry[]; changed: ReadonlySet<string> },
  ): void {
    const { documents, writer, config, silence } = this.#parts
    const { now, changes, touched } = message
    documents.keep(document)
    silence.hear(now, document.writer)
    if (document.writer === config.writer) writer.raiseAbove(applied.batch.epoch)
    const partition = documents.partitionOf(document)
    for (const entry of applied.entries) this.#observe(message, partition, entry)
    changes.add(document, applied.batch)
    changes.touch(partition, applied.changed)
    if (applied.entries.some(({ kind }) => kind === 'mark' || kind === 'ack')) writer.sweepSoon(now, partition)
    const others = touched.get(partition)
    if (others) others.add(document)
    else touched.set(partition, new Set([document]))
  }

  /** Folds that are complete take the place of what was before, and with them goes who is retired. */
  #settle({ now, changes, touched }: Message): Sealed[] {
    const { documents, writer, config, replaced } = this.#parts
    return [...touched].flatMap(([partition, changed]) => {
      const { keys, sealed, folded } = documents.settle(partition, changed)
      changes.touch(partition, keys)
      for (const document of folded) changes.drop(replaced.erase(document))
      if (keys.size > 0) writer.sweepSoon(now, partition)
      for (const document of changed) if (document.writer === config.writer && document.hasOpenFold) writer.foldSoon(now, document)
      return sealed
    })
  }

  #observe({ now, wallMs, effects }: Message, partition: Partition, entry: Entry): void {
    const superseded = supersededBy(entry, partition, this.#parts.config.writer)
    if (superseded) effects.push(superseded)
    const { writer, key } = entry
    if (this.#parts.clock.receive(entry, wallMs)) return
    // Who writes over such a stamp has to go beyond it: it is not that clock which is wrong.
    const before = entry.kind === 'patch' ? entry.birth.ms : entry.over
    if (before !== undefined && before > wallMs + AHEAD_MS_MAX) return
    const toldAt = this.#aheadToldAt.get(writer)
    if (toldAt !== undefined && now < after(toldAt, AHEAD_TOLD_MS)) return
    this.#aheadToldAt.set(writer, now)
    const remedy = `set the clock of ${writer} right, or that of this node: what neither knows of the other, the later stamp wins`
    effects.push({ type: 'event', name: 'stamp-ahead', data: { writer, key, aheadMs: entry.ms - Math.floor(wallMs), remedy } })
  }
}
