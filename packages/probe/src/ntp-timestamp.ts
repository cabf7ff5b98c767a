/**
 * Time as test packets carry it: the 64 bits of an NTP timestamp (RFC 5905, 6) or of a truncated PTP one (RFC 8186,
 * 2.1), and the error estimate that says how far either may be trusted (RFC 4656, 4.1.2).
 *
 * Here a time is wall clock: milliseconds since 1970, with fractions.
 */
const SECONDS_1900_TO_1970 = 2_208_988_800
const TWO_32 = 2 ** 32
const ERA_HALF = 2 ** 31
const NANOSECONDS = 1e9

export type TimestampFormat = 'ntp' | 'ptp'

/** What the stamping end says of its clock. */
export interface ClockClaim {
  /** Set by an outside source of time (NTP, PTP, GPS). */
  readonly synchronised: boolean
  readonly format: TimestampFormat
  /** How far off its stamps may be; infinite if it did not say. */
  readonly errorMs: number
}

export function writeNtpTimestamp(view: DataView, offset: number, wallMs: number): void {
  const seconds = Math.floor(wallMs / 1000)
  const fraction = Math.round(((wallMs - seconds * 1000) / 1000) * TWO_32)
  view.setUint32(offset, (seconds + SECONDS_1900_TO_1970) % TWO_32)
  view.setUint32(offset + 4, Math.min(fraction, TWO_32 - 1))
}

/** `undefined` if the bytes are no time. */
export function readTimestamp(view: DataView, offset: number, format: TimestampFormat): number | undefined {
  const seconds = view.getUint32(offset)
  const rest = view.getUint32(offset + 4)
  if (format === 'ptp') return rest < NANOSECONDS ? seconds * 1000 + rest / 1e6 : undefined
  // Era 0 ends in 2036: a number that would be before 1968 is of era 1.
  const era = seconds < ERA_HALF ? TWO_32 : 0
  return (seconds + era - SECONDS_1900_TO_1970) * 1000 + (rest * 1000) / TWO_32
}

/*
 * Error estimate, 16 bits: S (synchronised), Z (0 NTP, 1 PTP), 6 bits of scale, 8 bits of multiplier.
 * The error is multiplier · 2^scale · 2^−32 seconds. A multiplier of 0 is not allowed: it says nothing.
 */
const S_BIT = 0x8000
const Z_BIT = 0x4000
const SCALE_MAX = 63
const MULTIPLIER_MAX = 255

/** The least estimate that is not below the error. */
export function encodeErrorEstimate({ synchronised, format, errorMs }: ClockClaim): number {
  const units = (Math.max(errorMs, 0) / 1000) * TWO_32
  let scale = 0
  while (scale < SCALE_MAX && units / 2 ** scale > MULTIPLIER_MAX) scale++
  const multiplier = Math.min(MULTIPLIER_MAX, Math.max(1, Math.ceil(units / 2 ** scale)))
  return (synchronised ? S_BIT : 0) | (format === 'ptp' ? Z_BIT : 0) | (scale << 8) | multiplier
}

export function decodeErrorEstimate(bits: number): ClockClaim {
  const multiplier = bits & 0xff
  return {
    synchronised: (bits & S_BIT) !== 0 && multiplier > 0,
    format: (bits & Z_BIT) === 0 ? 'ntp' : 'ptp',
    errorMs: multiplier === 0 ? Number.POSITIVE_INFINITY : (multiplier * 2 ** ((bits >> 8) & SCALE_MAX) * 1000) / TWO_32,
  }
}
