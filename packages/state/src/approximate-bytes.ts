/**
 * About how much memory plain data takes: strings with two bytes a character, and something for each place. Quick, because
 * nothing is encoded.
 */
export function approximateBytes(value: unknown): number {
  if (typeof value === 'string') return 16 + 2 * value.length
  if (typeof value !== 'object' || value === null) return 8
  let bytes = 16
  if (Array.isArray(value)) for (const item of value as unknown[]) bytes += 8 + approximateBytes(item)
  else for (const [key, item] of Object.entries(value)) bytes += 8 + key.length + approximateBytes(item)
  return bytes
}
