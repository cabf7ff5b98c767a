/**
 * What a record may hold: JSON and nothing else, so that it means the same to every reader and survives every
 * encoding. Checked where data enters: at the writer, and again in every batch from a peer.
 */

const DEPTH_MAX = 32

/** What is wrong with `value`, in words that follow "the value"; `undefined` if it is plain data. */
export function plainDataFault(value: unknown, depth = 0): string | undefined {
  if (depth > DEPTH_MAX) return `is nested deeper than ${DEPTH_MAX} levels`
  switch (typeof value) {
    case 'boolean':
      return undefined
    case 'number':
      return Number.isFinite(value) ? undefined : `contains the number ${value}, which JSON cannot carry`
    case 'string':
      return value.isWellFormed() ? undefined : 'contains a string that is not valid Unicode'
    case 'object':
      return value === null ? undefined : containerFault(value, depth)
    default:
      return `contains a value of type ${typeof value}, which JSON cannot carry`
  }
}

function containerFault(value: object, depth: number): string | undefined {
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) {
      const fault = plainDataFault(value[at], depth + 1)
      if (fault) return fault
    }
    return undefined
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return 'contains an object that is not plain data'
  for (const [key, item] of Object.entries(value)) {
    // Decoders assign keys one by one; this one would set the prototype instead.
    if (key === '__proto__') return 'contains the key __proto__'
    const fault = key.isWellFormed() ? plainDataFault(item, depth + 1) : 'contains a key that is not valid Unicode'
    if (fault) return fault
  }
  return undefined
}

/** Labels are few, short strings. */
export function labelsFault(labels: unknown): string | undefined {
  const fault = plainDataFault(labels)
  if (fault) return fault
  if (typeof labels !== 'object' || labels === null || Array.isArray(labels)) return 'are not a map of strings'
  const pairs = Object.entries(labels)
  if (pairs.length > 64) return 'are more than 64'
  for (const [key, value] of pairs) {
    if (typeof value !== 'string') return `have a value for ${key} that is not a string`
    if (key.length > 128 || value.length > 512) return 'are longer than 128 characters (names) or 512 (values)'
  }
  return undefined
}

/** Keys: 1 to 512 characters, no control characters. */
export function keyFault(key: unknown): string | undefined {
  if (typeof key !== 'string') return 'is not a string'
  if (key.length === 0 || key.length > 512) return 'is not 1 to 512 characters long'
  if (!key.isWellFormed()) return 'is not valid Unicode'
  for (let at = 0; at < key.length; at++) {
    const code = key.charCodeAt(at)
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) return 'contains control characters'
  }
  return undefined
}
