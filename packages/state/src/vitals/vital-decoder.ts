/**
 * The other end of `VitalEncoder`, which has the layout. What comes is a peer's: everything is bounded and checked, and
 * a message that is wrong anywhere is worth nothing.
 *
 *  1. What is told of a node bears the same identity and the same list of fields, as objects, until it is declared anew.
 */
import { type Instant, NAME_PATTERN, VITAL_NAME_PATTERN, after } from '@causeway/protocol'
import { BitReader } from './bit-stream.ts'
import { FieldModel, QUANTA_MAX, unzigzag } from './field-model.ts'
import { DIGITS_MAX, type Field, type NodeIdentity, type Vital } from './vital.ts'
import { AGE_UNIT_MS, NUMBERS_MAX } from './vital-encoder.ts'

const BYTES_MAX = 1024 * 1024
const NAME_CHARACTERS_MAX = 63
const FIELD_CHARACTERS_MAX = 32
/** A node adopts a higher incarnation than it is told of: this leaves room for many. */
export const INCARNATION_MAX: number = 2 ** 48
const SEQ_MAX = 2 ** 48
const AGE_UNITS_MAX = 2 ** 40

interface Known {
  readonly identity: NodeIdentity
  readonly incarnation: number
  seq: number
  readonly fields: readonly Field[]
  readonly models: readonly FieldModel[]
}

export class VitalDecoder {
  readonly #known: Known[] = []
  #place: Omit<NodeIdentity, 'name'> | undefined
  #fields: readonly Field[] | undefined

  /** What the message tells, or what is wrong with it; after that the session cannot go on. */
  decode(now: Instant, bytes: Uint8Array): Vital[] | string {
    if (bytes.length > BYTES_MAX) return `vitals of ${bytes.length} bytes`
    const from = new BitReader(bytes)
    const vitals: Vital[] = []
    let number = -1
    for (let left = from.number(3); left > 0; left--) {
      number += 1 + from.number(0)
      if (from.broken || number > this.#known.length || number >= NUMBERS_MAX) return 'vitals of a node that was not declared'
      const vital = this.#item(from, now, number)
      if (typeof vital === 'string') return vital
      vitals.push(vital)
    }
    return from.finished ? vitals : 'vitals that end too early or too late'
  }

  #item(from: BitReader, now: Instant, number: number): Vital | string {
    const kind = from.bits(1) === 0 ? 'next' : from.bits(1) === 0 ? 'same' : from.bits(1) === 0 ? 'late' : 'new'
    if (kind === 'new') return this.#declaration(from, now, number)
    const known = this.#known[number]
    if (!known) return 'vitals of a node that was not declared'
    const step = kind === 'late' ? from.number(0) : 1
    const age = kind === 'late' ? from.number(3) : 0
    known.seq += step
    const { identity, incarnation, seq, fields, models } = known
    const quanta = models.map((model) => (kind === 'same' ? model.value : model.read(from)))
    if (from.broken || seq > SEQ_MAX || age > AGE_UNITS_MAX) return `vitals of ${identity.name} that cannot be`
    return { identity, incarnation, seq, fields, quanta, saidAt: after(now, -age * AGE_UNIT_MS) }
  }

  #declaration(from: BitReader, now: Instant, number: number): Vital | string {
    const name = from.text(NAME_CHARACTERS_MAX)
    if (from.bits(1) === 0) {
      const site = from.text(NAME_CHARACTERS_MAX)
      const region = from.text(NAME_CHARACTERS_MAX)
      this.#place = { site, region, role: from.bits(1) === 1 ? 'hub' : 'edge' }
    }
    const place = this.#place
    if (from.broken || !place || ![name, place.site, place.region].every((each) => NAME_PATTERN.test(each))) return 'vitals of no name'
    const identity = { name, ...place }
    const incarnation = from.number(31)
    const seq = from.number(6)
    const age = from.number(3)
    if (from.bits(1) === 0) this.#fields = readFields(from)
    const fields = this.#fields
    if (from.broken || !fields || !areFields(fields)) return `vitals of ${name} that cannot be`
    const quanta = fields.map(() => unzigzag(from.number(8)))
    const large = quanta.some((value) => Math.abs(value) > QUANTA_MAX)
    if (from.broken || large || incarnation > INCARNATION_MAX || seq > SEQ_MAX || age > AGE_UNITS_MAX) {
      return `vitals of ${name} that cannot be`
    }
    this.#known[number] = { identity, incarnation, seq, fields, models: quanta.map((value) => new FieldModel(value)) }
    return { identity, incarnation, seq, fields, quanta, saidAt: after(now, -age * AGE_UNIT_MS) }
  }
}

function readFields(from: BitReader): Field[] {
  const fields: Field[] = []
  for (let left = from.bits(6); left > 0 && !from.broken; left--) {
    fields.push({ name: from.text(FIELD_CHARACTERS_MAX), digits: unzigzag(from.number(2)) })
  }
  return fields
}

function areFields(fields: readonly Field[]): boolean {
  if (new Set(fields.map(({ name }) => name)).size < fields.length) return false
  return fields.every(({ name, digits }) => VITAL_NAME_PATTERN.test(name) && Math.abs(digits) <= DIGITS_MAX)
}
