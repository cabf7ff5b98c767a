/**
 * The last values of something as a row of blocks, the newest to the right. The scale begins at the lowest value shown
 * and ends at twice that, or at the highest: so noise looks like noise, and what has doubled looks high.
 */
const BLOCKS = '▁▂▃▄▅▆▇█'

/** A gap for what was not measured. */
export function trend(values: readonly (number | null)[]): string {
  const known = values.filter((value) => value !== null)
  const low = Math.min(...known)
  const high = Math.max(2 * low, ...known)
  return values.map((value) => (value === null ? ' ' : blockOf(high > low ? (value - low) / (high - low) : 0))).join('')
}

function blockOf(ratio: number): string {
  return BLOCKS[Math.min(BLOCKS.length - 1, Math.floor(ratio * BLOCKS.length))] ?? ' '
}
