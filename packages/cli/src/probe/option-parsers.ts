/** Options of `probe` and `reflect` as people write them, checked where they are read. */
import { InvalidArgumentError } from 'commander'

const UNIT_SECONDS: Readonly<Record<string, number>> = { '': 1, ms: 0.001, s: 1, m: 60, h: 3600 }

/** `0.2`, `200ms`, `30s`, `5m` as milliseconds; a bare number is seconds. */
export function durationBetween(minSeconds: number, maxSeconds: number): (text: string) => number {
  return (text) => {
    const [, amount, unit = ''] = /^(\d+(?:\.\d+)?|\.\d+)(ms|s|m|h)?$/.exec(text.trim()) ?? []
    const seconds = amount === undefined ? Number.NaN : Number(amount) * (UNIT_SECONDS[unit] ?? 1)
    if (seconds >= minSeconds && seconds <= maxSeconds) return seconds * 1000
    throw new InvalidArgumentError(`It must be ${minSeconds} to ${maxSeconds} seconds, like 0.2, 200ms or 5m.`)
  }
}

/** `1` and `1%` are one in a hundred; as a ratio. */
export function parsePercent(text: string): number {
  const value = /^\d+(?:\.\d+)?%?$/.test(text.trim()) ? Number.parseFloat(text) : Number.NaN
  if (value >= 0 && value <= 100) return value / 100
  throw new InvalidArgumentError('It must be a percentage from 0 to 100.')
}

/** `20` and `20ms`. */
export function parseMilliseconds(text: string): number {
  const value = /^\d+(?:\.\d+)?(?:ms)?$/.test(text.trim()) ? Number.parseFloat(text) : Number.NaN
  if (Number.isFinite(value)) return value
  throw new InvalidArgumentError('It must be a number of milliseconds.')
}

const DSCP_MAX = 63
/** RFC 3246. */
const EXPEDITED = 46

/** A number, or a name of the field: `ef`, `cs1` to `cs7` (RFC 2474), `af11` to `af43` (RFC 2597). */
export function parseDscp(text: string): number {
  const name = text.trim().toLowerCase()
  const [, selector] = /^cs([0-7])$/.exec(name) ?? []
  const [, forwarding, drop] = /^af([1-4])([1-3])$/.exec(name) ?? []
  if (name === 'ef') return EXPEDITED
  if (selector !== undefined) return 8 * Number(selector)
  if (forwarding !== undefined) return 8 * Number(forwarding) + 2 * Number(drop)
  if (/^\d+$/.test(name) && Number(name) <= DSCP_MAX) return Number(name)
  throw new InvalidArgumentError(`It must be 0 to ${DSCP_MAX}, ef, cs0 to cs7, or af11 to af43.`)
}
