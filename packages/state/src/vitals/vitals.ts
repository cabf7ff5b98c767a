/**
 * The vitals plane: what every node says of itself, passed on to whoever should know, only ever the latest. Nothing is
 * stored, acknowledged or merged: what is lost is replaced by what is newer. It is not signed either: a gateway can
 * forge what the nodes of its own site say.
 *
 * The parent opens and closes sessions as it does for the sync of records, and asks them what there is to tell
 * (`gather`): those that are due, and others when something leaves anyway. Between two calls the newer replaces the older.
 *
 *  1. Of two sayings of a node the one with the higher (incarnation, seq) is the latest, whichever way they came.
 *  2. What came from below or from here goes to everybody but where it came from; what came from above or from the
 *     side only goes down, and only to sessions that want that node: so no saying passes twice between two hubs.
 *  3. A node that was not heard of for `SILENCE_MS` is not fresh; its last values stay with their age for `MEMORY_MS`.
 *  4. Whoever speaks with a lower (incarnation, seq) than is known of it, because its disk was lost or its machine was
 *     set back, is told what is known; it then takes a higher incarnation.
 *  5. Everything is bounded: nodes, fields, messages, numbers in sessions.
 */
import {
  Deadlines,
  type Instant,
  type VitalCounts,
  VITAL_THRESHOLDS,
  type VitalValues,
  after,
  instant,
  invariant,
} from '@causeway/protocol'
import type { Relation } from '../replica-contract.ts'
import {
  type NodeIdentity,
  type Vital,
  compareAge,
  fieldsOf,
  quantise,
  isSetBack,
  sameFields,
  sameNumbers,
  samePlace,
  valueOf,
  valuesOf,
} from './vital.ts'
import { INCARNATION_MAX, VitalDecoder } from './vital-decoder.ts'
import { VitalEncoder } from './vital-encoder.ts'
import type { VitalView, VitalsOptions, VitalsScope } from './vitals-contract.ts'

/** Several sayings that are late or lost in a row, and three hops that wait for their tick. */
export const SILENCE_MS = 10_000
const MEMORY_MS = 3_600_000
/** How often a node says that it is there if none of its values has changed enough to be told. */
const REPEAT_MS = 4_000
const NODES_MAX = 20_000
const MESSAGE_NODES_MAX = 500
/**
 * A session has its turn so long after the last one: within a site packets are cheap, towards a site they are not. Nodes
 * speak once a second, more or less: with a turn of just that, some would speak twice between two.
 */
const PERIOD_MS = { near: 200, up: 950, down: 2_000 } as const
/** Between a site and the core what only repeats waits so long for company: a packet costs more than what is in it. */
const COMPANY_MS = 2_000
/** To one who has just spoken is spoken at once, if that was not done so lately: acknowledgements then need no packets. */
const REPLY_MS = 1_000

interface Session {
  readonly number: number
  readonly relation: Relation
  readonly pace: keyof typeof PERIOD_MS
  readonly scope: VitalsScope
  /** If the other end is an edge node. */
  readonly site: string | undefined
  readonly encoder: VitalEncoder
  readonly decoder: VitalDecoder
  readonly unsaid: Set<Known>
  /** When it is to be asked; `undefined` if there is nothing to tell, or it has been its turn. */
  dueAt: Instant | undefined
  /** When it was last asked, and had something to tell. */
  turnAt: Instant | undefined
}

interface Known {
  vital: Vital
  place: Place
  /** The session it came from last; `undefined`: from here. */
  from: Session | undefined
  freshSince: Instant
}

/** A site: its nodes, and the sessions downwards that want them. */
interface Place {
  readonly partition: string
  readonly nodes: Set<Known>
  readonly audience: Set<Session>
}

export class Vitals {
  readonly #self: NodeIdentity
  readonly #thresholds: VitalValues
  readonly #siteOf: (peer: string) => string | undefined
  readonly #sessions = new Map<number, Session>()
  /** Those that do not lead downwards. */
  readonly #others = new Set<Session>()
  readonly #deadlines = new Deadlines<number>()
  readonly #known = new Map<string, Known>()
  readonly #places = new Map<string, Place>()
  #incarnation: number
  #forgetAt: Instant | undefined
  #version = 0
  readonly #counts = { bytesIn: 0, bytesOut: 0, stale: 0, refused: 0 }

  constructor({ self, incarnation, thresholds, siteOf }: VitalsOptions) {
    const { name, site, region, role } = self
    this.#self = { name, site, region, role }
    this.#incarnation = incarnation
    this.#thresholds = { ...VITAL_THRESHOLDS, ...thresholds }
    this.#siteOf = siteOf ?? (() => undefined)
  }

  get counts(): VitalCounts {
    return { ...this.#counts }
  }

  /** Changes with everything that is heard or said. */
  get version(): number {
    return this.#version
  }

  // ---- this node

  /** The values of this node now, all of them. To be repeated every second or so: a node that is silent is not fresh. */
  set(now: Instant, values: VitalValues): void {
    this.#forgetOld(now)
    const own = this.#known.get(this.#self.name)
    const before = own?.vital
    const fields = fieldsOf(values, before?.fields ?? [])
    const quanta = fields.map(({ name, digits }, at) => {
      const value = quantise(values[name] ?? 0, digits)
      const told = fields === before?.fields ? (before.quanta[at] ?? value) : value
      const small = Math.abs(valueOf(value, digits) - valueOf(told, digits)) < (this.#thresholds[name] ?? 0)
      return small ? told : value
    })
    const same = fields === before?.fields && sameNumbers(quanta, before.quanta)
    if (same && now < after(before.saidAt, REPEAT_MS)) return
    this.#speak(now, fields, quanta)
  }

  /** Says the same again where something leaves anyway: the next packet is then needed later. */
  #repeat(now: Instant): void {
    const own = this.#known.get(this.#self.name)?.vital
    if (own && now >= after(own.saidAt, REPEAT_MS / 2)) this.#speak(now, own.fields, own.quanta)
  }

  #speak(now: Instant, fields: Vital['fields'], quanta: readonly number[]): void {
    const own = this.#known.get(this.#self.name)
    const seq = own?.vital.incarnation === this.#incarnation ? own.vital.seq + 1 : 0
    this.#learn(now, { identity: this.#self, incarnation: this.#incarnation, seq, fields, quanta, saidAt: now }, undefined)
  }

  // ---- sessions

  opened(number: number, relation: Relation, scope: VitalsScope = {}): void {
    invariant(!this.#sessions.has(number), 'session numbers are not used twice')
    const site = scope.peer === undefined ? undefined : this.#siteOf(scope.peer)
    const pace = relation === 'mesh' || (relation === 'up' && site === this.#self.site) ? 'near' : relation
    const session: Session = {
      ...{ number, relation, pace, scope, site },
      ...{ encoder: new VitalEncoder(), decoder: new VitalDecoder(), unsaid: new Set(), dueAt: undefined, turnAt: undefined },
    }
    this.#sessions.set(number, session)
    if (relation === 'down') {
      this.#chooseAudience(session)
      return
    }
    this.#others.add(session)
    for (const known of this.#known.values()) if (isFromBelow(known)) this.#mark(session, known)
  }

  /** What the other end wants is no longer what it was. */
  interestChanged(number: number): void {
    const session = this.#sessions.get(number)
    if (session?.relation === 'down') this.#chooseAudience(session)
  }

  closed(number: number): void {
    const session = this.#sessions.get(number)
    if (!session) return
    this.#sessions.delete(number)
    this.#others.delete(session)
    this.#deadlines.set(number, undefined)
    for (const { audience } of this.#places.values()) audience.delete(session)
  }

  /** When the next session is due. */
  nextWake(): Instant | undefined {
    return this.#deadlines.next()
  }

  /** The sessions whose turn it is to be asked what there is to tell; each is named once. */
  takeDue(now: Instant): number[] {
    const due = this.#deadlines.due(now)
    for (const number of due) {
      const session = this.#sessions.get(number)
      if (session) session.dueAt = undefined
    }
    return due
  }

  /** What the other end of the session has not been told. To be called again until there is nothing: a message is bounded. */
  gather(now: Instant, number: number): Uint8Array | undefined {
    const session = this.#sessions.get(number)
    if (session?.pace === 'up') this.#repeat(now)
    if (!session || session.unsaid.size === 0) return undefined
    if (session.relation === 'down' && session.dueAt !== undefined && now < session.dueAt) return undefined
    session.turnAt = now
    const portion = [...session.unsaid].slice(0, MESSAGE_NODES_MAX)
    for (const known of portion) session.unsaid.delete(known)
    if (session.unsaid.size === 0) this.#setDue(session, undefined)
    const message = session.encoder.encode(
      now,
      portion.map(({ vital }) => vital),
    )
    this.#counts.bytesOut += message?.length ?? 0
    return message
  }

  /** Takes what the other end tells, or says what is wrong with it: the session must then be reset. Never throws. */
  receive(now: Instant, number: number, bytes: Uint8Array): string | undefined {
    const session = this.#sessions.get(number)
    if (!session) return undefined
    this.#counts.bytesIn += bytes.length
    const vitals = session.decoder.decode(now, bytes)
    if (typeof vitals === 'string') return vitals
    const { site } = session
    if (session.relation === 'down' && site !== undefined) {
      const alien = vitals.find(({ identity }) => identity.site !== site)
      if (alien) return `vitals of ${alien.identity.name}, which is not of site ${site}`
    }
    for (const vital of vitals) this.#hear(now, session, vital)
    const { unsaid, turnAt } = session
    if (session.relation === 'down' && unsaid.size > 0 && (turnAt === undefined || now >= after(turnAt, REPLY_MS)))
      this.#setDue(session, now)
    return undefined
  }

  // ---- reading

  /** Every node that is known, this one included, in no order. */
  views(now: Instant): VitalView[] {
    return [...this.#known.values()].map(({ vital, freshSince }) => {
      const silentAt = after(vital.saidAt, SILENCE_MS)
      const fresh = now < silentAt
      const ageMs = Math.max(0, now - vital.saidAt)
      return { identity: vital.identity, values: valuesOf(vital), ageMs, fresh, since: fresh ? freshSince : silentAt }
    })
  }

  // ---- inside

  #hear(now: Instant, session: Session, vital: Vital): void {
    const { name } = vital.identity
    if (name === this.#self.name) {
      this.#hearOfSelf(now, vital)
      return
    }
    const known = this.#known.get(name)
    if (known && compareAge(vital, known.vital) <= 0) {
      this.#counts.stale++
      // Upwards only of our own: of others somebody speaks who is nearer to them, and from us it would be a fault.
      if (isSetBack(now, vital, known.vital) && (session.relation !== 'up' || isFromBelow(known))) this.#mark(session, known)
    } else if (known || this.#known.size < NODES_MAX) {
      this.#learn(now, vital, session)
    } else {
      this.#counts.refused++
    }
  }

  /** Somebody remembers more of us than we do: we must be taken for newer than that. */
  #hearOfSelf(now: Instant, vital: Vital): void {
    const own = this.#known.get(this.#self.name)
    const newer = compareAge(vital, own?.vital ?? { incarnation: this.#incarnation, seq: -1 }) > 0
    if (!newer || vital.incarnation >= INCARNATION_MAX) return
    this.#incarnation = vital.incarnation + 1
    if (own) this.#speak(now, own.vital.fields, own.vital.quanta)
  }

  /** Makes this the latest of its node. What is as before stays the same object, so that it need not be declared anew. */
  #take(now: Instant, vital: Vital, from: Session | undefined): Known {
    this.#version++
    const { name } = vital.identity
    const known = this.#known.get(name)
    if (!known) {
      const added = { vital, place: this.#placeOf(vital.identity), from, freshSince: vital.saidAt }
      added.place.nodes.add(added)
      this.#known.set(name, added)
      return added
    }
    if (now >= after(known.vital.saidAt, SILENCE_MS)) known.freshSince = vital.saidAt
    const identity = samePlace(vital.identity, known.vital.identity) ? known.vital.identity : vital.identity
    const fields = sameFields(vital.fields, known.vital.fields) ? known.vital.fields : vital.fields
    known.from = from
    known.vital = { ...vital, identity, fields }
    const place = this.#placeOf(identity)
    if (place !== known.place) {
      known.place.nodes.delete(known)
      known.place = place
      place.nodes.add(known)
    }
    return known
  }

  #learn(now: Instant, vital: Vital, from: Session | undefined): void {
    const before = this.#known.get(vital.identity.name)?.vital
    const known = this.#take(now, vital, from)
    const repeated = before !== undefined && before.fields === known.vital.fields && sameNumbers(before.quanta, vital.quanta)
    this.#spread(known, repeated ? after(now, COMPANY_MS) : undefined)
  }

  /** Invariant 2. */
  #spread(known: Known, companyUntil: Instant | undefined): void {
    for (const session of known.place.audience) if (session !== known.from) this.#mark(session, known, companyUntil)
    if (!isFromBelow(known)) return
    for (const session of this.#others) if (session !== known.from) this.#mark(session, known, companyUntil)
  }

  /** `companyUntil`: until then it may wait for something else to leave, where packets are dear. */
  #mark(session: Session, known: Known, companyUntil?: Instant): void {
    const { pace, turnAt } = session
    session.unsaid.add(known)
    const turn = turnAt === undefined ? instant(0) : after(turnAt, PERIOD_MS[pace])
    const dueAt = pace === 'near' || companyUntil === undefined || companyUntil < turn ? turn : companyUntil
    if (session.dueAt === undefined || dueAt < session.dueAt) this.#setDue(session, dueAt)
  }

  #setDue(session: Session, at: Instant | undefined): void {
    session.dueAt = at
    this.#deadlines.set(session.number, at)
  }

  #placeOf({ region, site }: NodeIdentity): Place {
    const partition = `${region}/${site}`
    const before = this.#places.get(partition)
    if (before) return before
    const audience = new Set([...this.#sessions.values()].filter((session) => wants(session, partition)))
    const place = { partition, nodes: new Set<Known>(), audience }
    this.#places.set(partition, place)
    return place
  }

  #chooseAudience(session: Session): void {
    for (const { partition, nodes, audience } of this.#places.values()) {
      const before = audience.delete(session)
      const wanted = wants(session, partition)
      if (wanted) audience.add(session)
      for (const known of nodes) {
        if (!wanted) session.unsaid.delete(known)
        else if (!before && known.from !== session) this.#mark(session, known)
      }
    }
  }

  #forgetOld(now: Instant): void {
    if (this.#forgetAt !== undefined && now < this.#forgetAt) return
    this.#forgetAt = after(now, MEMORY_MS / 60)
    for (const [name, known] of this.#known) {
      if (name === this.#self.name || now < after(known.vital.saidAt, MEMORY_MS)) continue
      this.#version++
      this.#known.delete(name)
      known.place.nodes.delete(known)
      if (known.place.nodes.size === 0) this.#places.delete(known.place.partition)
      for (const { unsaid, encoder } of this.#sessions.values()) {
        unsaid.delete(known)
        encoder.forget(name)
      }
    }
  }
}

/** What a site wants is written as its own site too, without the region: `nodes/SITE`. */
function wants({ relation, scope }: Session, partition: string): boolean {
  if (relation !== 'down' || !scope.wants) return false
  return scope.wants(partition) || scope.wants(partition.slice(partition.indexOf('/') + 1))
}

/** From here is below, too. */
function isFromBelow({ from }: Known): boolean {
  return from === undefined || from.relation === 'down'
}
