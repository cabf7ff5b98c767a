/**
 * The last round trips as a row of bars, the newest at the right: what was lost stands out, what is still out is a
 * dot. Bars are relative to the largest shown, so that a change is seen whatever the distance.
 */
const BARS = '▁▂▃▄▅▆▇█'
const LOST = '×'
const OUT = '·'

export interface SparkMark {
  readonly text: string
  readonly kind: 'bar' | 'lost' | 'out'
}

export function sparkMarks(outcomes: readonly { readonly rttMs: number | null | undefined }[], width: number): SparkMark[] {
  const shown = width > 0 ? outcomes.slice(-width) : []
  const highest = Math.max(...shown.map(({ rttMs }) => rttMs ?? 0), Number.MIN_VALUE)
  return shown.map(({ rttMs }) => {
    if (rttMs === undefined) return { text: OUT, kind: 'out' }
    if (rttMs === null) return { text: LOST, kind: 'lost' }
    const step = Math.min(BARS.length - 1, Math.floor((rttMs / highest) * BARS.length))
    return { text: BARS.charAt(step), kind: 'bar' }
  })
}
