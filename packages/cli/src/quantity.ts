/**
 * Quantities as people read them. What was not measured is a dash, never a zero.
 */
const DASH = '-'

/** Milliseconds with as many digits as mean something: `0.42`, `7.3`, `184`. */
export function milliseconds(value: number | null): string {
  if (value === null) return DASH
  const size = Math.abs(value)
  return value.toFixed(size < 1 ? 2 : size < 100 ? 1 : 0)
}

export function percent(ratio: number | null): string {
  if (ratio === null) return DASH
  return `${(ratio * 100).toFixed(ratio > 0 && ratio < 0.1 ? 1 : 0)}%`
}

/** `812 B`, `4.1 kB`, `18 MB` (powers of ten, as network people count). */
export function bytes(value: number | null): string {
  if (value === null) return DASH
  let size = value
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (size < 1000) return `${unit === 'B' || size >= 100 ? Math.round(size) : size.toFixed(1)} ${unit}`
    size /= 1000
  }
  return `${size.toFixed(1)} TB`
}

/** `12s`, `4m10s`, `3h20m`, `9d4h`: two units at most, like kubectl's AGE. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const days = Math.floor(whole / 86_400)
  const hours = Math.floor((whole % 86_400) / 3600)
  const minutes = Math.floor((whole % 3600) / 60)
  if (days > 0) return `${days}d${hours}h`
  if (hours > 0) return `${hours}h${minutes}m`
  return minutes > 0 ? `${minutes}m${whole % 60}s` : `${whole}s`
}
