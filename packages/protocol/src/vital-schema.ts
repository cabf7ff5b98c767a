/**
 * Vitals: what a node says of itself all the time, as numbers with names. Those that every node has are in a schema,
 * which fixes their order, what they mean and how finely they are told; an application adds its own.
 *
 * A value travels as a whole number of quanta of `10^-digits`. Those of the schema have fixed digits; a field of an
 * application has as many as its values have needed, up to six.
 */

/** Names of numbers. */
export type VitalValues = Readonly<Record<string, number>>

export interface VitalField {
  readonly name: string
  /** Digits after the point; negative: so many before it are left out. */
  readonly digits: number
  /** A smaller change than this is not told. The defaults keep a quiet machine quiet; 0 tells everything. */
  readonly threshold: number
  readonly meaning: string
}

export const VITAL_SCHEMA: readonly VitalField[] = [
  { name: 'cpu', digits: 1, threshold: 5, meaning: 'percent of all cores in use' },
  { name: 'mem', digits: 1, threshold: 1, meaning: 'percent of memory that is not available' },
  { name: 'disk', digits: 1, threshold: 0.1, meaning: 'percent of the disk of the data folder in use' },
  { name: 'netIn', digits: -2, threshold: 100_000, meaning: 'bytes per second received, all interfaces but loopback' },
  { name: 'netOut', digits: -2, threshold: 100_000, meaning: 'bytes per second sent, all interfaces but loopback' },
  { name: 'load', digits: 2, threshold: 0.5, meaning: 'load average of the last minute' },
  { name: 'gpu', digits: 1, threshold: 5, meaning: 'percent of the GPUs in use, mean over them' },
  { name: 'gpuMem', digits: 1, threshold: 1, meaning: 'percent of the memory of the GPUs in use' },
]

/** Field → the least change that is told. */
export const VITAL_THRESHOLDS: VitalValues = Object.fromEntries(VITAL_SCHEMA.map(({ name, threshold }) => [name, threshold]))

/** Besides those of the schema. */
export const VITAL_FREE_FIELDS_MAX = 32
/** One letter, then letters, digits, `_`, `.`, `-`: 32 characters at most. */
export const VITAL_NAME_PATTERN: RegExp = /^[A-Za-z][A-Za-z0-9_.-]{0,31}$/
export const VITAL_VALUE_MAX = 1e15

/** What is wrong with these as vitals, in words. */
export function vitalsFault(values: unknown): string | undefined {
  if (typeof values !== 'object' || values === null || Array.isArray(values)) return 'vitals are one map of names to numbers'
  const fields = Object.entries(values)
  const free = fields.filter(([name]) => !Object.hasOwn(VITAL_THRESHOLDS, name)).length
  if (free > VITAL_FREE_FIELDS_MAX) return `${free} vitals besides those of the schema are more than ${VITAL_FREE_FIELDS_MAX}`
  for (const [name, value] of fields) {
    if (!VITAL_NAME_PATTERN.test(name))
      return `"${name.slice(0, 40)}" cannot name a vital: one letter, then at most 31 letters, digits, "_", "." or "-"`
    if (typeof value !== 'number' || !(Math.abs(value) <= VITAL_VALUE_MAX)) return `${name} is not a number from -1e15 to 1e15`
  }
  return undefined
}
