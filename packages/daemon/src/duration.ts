/** Durations as people write them: `90d`, `12h`, `30m`, `45s`. */
const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** Milliseconds, or `undefined` if the text is no duration. */
export function parseDuration(text: string): number | undefined {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)([smhdw])$/.exec(text.trim()) ?? []
  const unitMs = UNIT_MS[unit ?? '']
  if (amount === undefined || unitMs === undefined) return undefined
  const ms = Number(amount) * unitMs
  return ms > 0 && Number.isFinite(ms) ? ms : undefined
}
