/**
 * The last delays of something as a row of blocks, the newest to the right. The scale begins at the lowest value shown
 * and ends at twice that, or at the highest: so noise looks like noise, and what has doubled looks high. What was lost
 * stands out, what is not known is a dot.
 */
const BLOCKS = '▁▂▃▄▅▆▇█'
const LOST = '×'
const UNKNOWN = '·'

export interface SparkMark {
  readonly text: string
  readonly kind: 'block' | 'lost' | 'unknown'
}

/** A mark for each of the last `width` values: a delay, `null` for lost, `undefined` for not known (yet). */
export function sparkline(values: readonly (number | null | undefined)[], width: number): SparkMark[] {
  const shown = width > 0 ? values.slice(-width) : []
  const known = shown.filter((value) => typeof value === 'number')
  const low = Math.min(...known)
  const high = Math.max(2 * low, ...known)
  return shown.map((value) => {
    if (value === undefined) return { text: UNKNOWN, kind: 'unknown' }
    if (value === null) return { text: LOST, kind: 'lost' }
    const step = Math.floor((high > low ? (value - low) / (high - low) : 0) * BLOCKS.length)
    return { text: BLOCKS.charAt(Math.min(BLOCKS.length - 1, step)), kind: 'block' }
  })
}
