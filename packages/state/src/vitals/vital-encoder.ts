/**
 * What one end of a session tells the other of many nodes, in few bits. The session is reliable and ordered, so both
 * ends know what was told before: a node is declared once and has a number from then on, and its values travel as
 * changes. All of it is one string of bits, most significant first:
 *
 *     message      count (order 3), items in order of their numbers, zeros up to a whole byte
 *     item         numbers left out since the item before (order 0), kind, what the kind says
 *       0    next    the next seq, said just now: its changes
 *       10   same    the next seq, said just now: nothing changed
 *       110  late    seq step (order 0), age (order 3): its changes
 *       111  new     a declaration; the number means this node from now on
 *     changes      one per field, as its model says (field-model.ts)
 *     declaration  node (text); 1 bit: site, region and role are those of the last declaration, else site, region
 *                  (texts) and 1 bit: a hub; incarnation (order 31); seq (order 6); age (order 3); 1 bit: the fields
 *                  are those of the last declaration, else their number (6 bits) and each; zigzag values (order 8)
 *     field        name (text), zigzag digits (order 2)
 *     text         length (order 3), 7 bits for each character
 *     age          how long ago the node said so, in quarters of a second
 */
import type { Instant } from '@causeway/protocol'
import { BitWriter } from './bit-stream.ts'
import { FieldModel, zigzag } from './field-model.ts'
import { type Field, type NodeIdentity, type Vital, sameFields, samePlace } from './vital.ts'

/** Of each session and direction. Two tiers of hubs over a fleet of 2,000 sites fit. */
export const NUMBERS_MAX = 20_000
export const AGE_UNIT_MS = 250
/** What is not older was said just now. */
const NOW_MS = 1_500

/** What both ends know of a node after it has been told. */
interface Told {
  readonly number: number
  readonly identity: NodeIdentity
  readonly incarnation: number
  seq: number
  readonly fields: readonly Field[]
  readonly models: readonly FieldModel[]
}

export class VitalEncoder {
  readonly #told = new Map<string, Told>()
  readonly #free: number[] = []
  #declared: Vital | undefined

  /** The message that tells of these nodes, each named once; `undefined` if none of them has a number or can have one. */
  encode(now: Instant, vitals: Iterable<Vital>): Uint8Array | undefined {
    const items: { readonly number: number; readonly vital: Vital }[] = []
    let fresh = this.#told.size + this.#free.length
    for (const vital of vitals) {
      const number = this.#told.get(vital.identity.name)?.number ?? this.#free.pop() ?? fresh++
      if (number < NUMBERS_MAX) items.push({ number, vital })
    }
    if (items.length === 0) return undefined
    items.sort((a, b) => a.number - b.number)
    const out = new BitWriter()
    out.number(items.length, 3)
    let before = -1
    for (const { number, vital } of items) {
      out.number(number - before - 1, 0)
      before = number
      this.#item(out, now, number, vital)
    }
    return out.bytes()
  }

  /** The number of a node that is no longer told of may mean another one. */
  forget(node: string): void {
    const told = this.#told.get(node)
    if (!told) return
    this.#told.delete(node)
    this.#free.push(told.number)
  }

  #item(out: BitWriter, now: Instant, number: number, vital: Vital): void {
    const { identity, incarnation, seq, fields, quanta, saidAt } = vital
    const told = this.#told.get(identity.name)
    if (told?.identity !== identity || told.incarnation !== incarnation || told.fields !== fields || told.seq > seq) {
      this.#declare(out, now, number, vital)
      return
    }
    const ageMs = now - saidAt
    if (seq === told.seq + 1 && ageMs <= NOW_MS) {
      const same = quanta.every((value, at) => value === told.models[at]?.value)
      out.bits(same ? 0b10 : 0, same ? 2 : 1)
      if (!same) writeChanges(out, told.models, quanta)
    } else {
      out.bits(0b110, 3)
      out.number(seq - told.seq, 0)
      out.number(ageUnits(ageMs), 3)
      writeChanges(out, told.models, quanta)
    }
    told.seq = seq
  }

  #declare(out: BitWriter, now: Instant, number: number, vital: Vital): void {
    const { identity, incarnation, seq, fields, quanta, saidAt } = vital
    out.bits(0b111, 3)
    out.text(identity.name)
    const last = this.#declared
    const placed = last !== undefined && samePlace(last.identity, identity)
    out.bits(Number(placed), 1)
    if (!placed) {
      out.text(identity.site)
      out.text(identity.region)
      out.bits(Number(identity.role === 'hub'), 1)
    }
    out.number(incarnation, 31)
    out.number(seq, 6)
    out.number(ageUnits(now - saidAt), 3)
    const listed = last !== undefined && sameFields(last.fields, fields)
    out.bits(Number(listed), 1)
    if (!listed) writeFields(out, fields)
    for (const value of quanta) out.number(zigzag(value), 8)
    this.#declared = vital
    const models = quanta.map((value) => new FieldModel(value))
    this.#told.set(identity.name, { number, identity, incarnation, seq, fields, models })
  }
}

function writeChanges(out: BitWriter, models: readonly FieldModel[], quanta: readonly number[]): void {
  for (const [at, model] of models.entries()) model.write(out, quanta[at] ?? 0)
}

function writeFields(out: BitWriter, fields: readonly Field[]): void {
  out.bits(fields.length, 6)
  for (const { name, digits } of fields) {
    out.text(name)
    out.number(zigzag(digits), 2)
  }
}

function ageUnits(ageMs: number): number {
  return Math.max(0, Math.floor(ageMs / AGE_UNIT_MS))
}
