/** What one node said of itself at one instant, in whole quanta, and how its numbers become quanta. */
import {
  type Instant,
  type Role,
  VITAL_FREE_FIELDS_MAX,
  VITAL_NAME_PATTERN,
  VITAL_SCHEMA,
  VITAL_VALUE_MAX,
  type VitalValues,
} from '@causeway/protocol'
import { QUANTA_MAX } from './field-model.ts'

/** As its credential has it. */
export interface NodeIdentity {
  readonly name: string
  readonly site: string
  readonly region: string
  readonly role: Role
}

/** A field of a node: in quanta of `10^-digits`. */
export interface Field {
  readonly name: string
  readonly digits: number
}

/** Never changed: what is newer is another one. The fields are the same object as long as they are the same. */
export interface Vital {
  readonly identity: NodeIdentity
  readonly incarnation: number
  /** Counts what the node has said in this incarnation. */
  readonly seq: number
  readonly fields: readonly Field[]
  /** In the order of the fields. */
  readonly quanta: readonly number[]
  /** By our clock, as well as those who passed it on could tell. */
  readonly saidAt: Instant
}

/** A saying of this age or less comes from a node that is there now. */
const PRESENT_MS = 5_000
/** On either side of the point. */
export const DIGITS_MAX = 6

/** Place in the schema by name. */
const SCHEMA_PLACES: ReadonlyMap<string, number> = new Map(VITAL_SCHEMA.map(({ name }, place) => [name, place]))

/** Negative, zero or positive, as the first is older, as old or newer. */
export function compareAge(a: Pick<Vital, 'incarnation' | 'seq'>, b: Pick<Vital, 'incarnation' | 'seq'>): number {
  return a.incarnation - b.incarnation || a.seq - b.seq
}

export function samePlace(a: NodeIdentity, b: NodeIdentity): boolean {
  return a === b || (a.site === b.site && a.region === b.region && a.role === b.role)
}

export function sameFields(a: readonly Field[], b: readonly Field[]): boolean {
  if (a === b) return true
  return a.length === b.length && a.every((field, at) => field.name === b[at]?.name && field.digits === b[at].digits)
}

export function quantise(value: number, digits: number): number {
  const quanta = digits < 0 ? Math.round(value / 10 ** -digits) : Math.round(value * 10 ** digits)
  return Math.min(Math.max(quanta, -QUANTA_MAX), QUANTA_MAX)
}

export function valueOf(quanta: number, digits: number): number {
  return digits < 0 ? quanta * 10 ** -digits : quanta / 10 ** digits
}

export function valuesOf({ fields, quanta }: Vital): VitalValues {
  return Object.fromEntries(fields.map(({ name, digits }, at) => [name, valueOf(quanta[at] ?? 0, digits)]))
}

/** The fields of these values, those of the schema first; `before` are those that the node had. */
export function fieldsOf(values: VitalValues, before: readonly Field[]): readonly Field[] {
  const fields = Object.entries(values)
    .filter(([name, value]) => VITAL_NAME_PATTERN.test(name) && Math.abs(value) <= VITAL_VALUE_MAX)
    .toSorted(([a], [b]) => placeOf(a) - placeOf(b) || (a < b ? -1 : 1))
    .slice(0, VITAL_SCHEMA.length + VITAL_FREE_FIELDS_MAX)
    .map(([name, value]): Field => {
      const own = before.find((field) => field.name === name)
      const digits = VITAL_SCHEMA[placeOf(name)]?.digits ?? freeDigits(value, own?.digits ?? 0)
      return own?.digits === digits ? own : { name, digits }
    })
  return sameFields(fields, before) ? before : fields
}

/** As many digits as the value needs, and as any before it has; fewer where it is too large for them. */
function freeDigits(value: number, before: number): number {
  let digits = before
  while (digits < DIGITS_MAX && valueOf(Math.round(value * 10 ** digits), digits) !== value) digits++
  while (digits > 0 && Math.abs(value) * 10 ** digits > QUANTA_MAX) digits--
  return digits
}

function placeOf(name: string): number {
  return SCHEMA_PLACES.get(name) ?? VITAL_SCHEMA.length
}

export function sameNumbers(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((value, at) => value === other[at])
}

/** Whether the node is there now, and behind what it once said. Two ways of different length are no reason. */
export function isSetBack(now: Instant, heard: Vital, known: Vital): boolean {
  if (now - heard.saidAt > PRESENT_MS) return false
  return heard.incarnation < known.incarnation || (heard.seq < known.seq && now - known.saidAt > PRESENT_MS)
}
