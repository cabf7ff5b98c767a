/**
 * The delays of the real Internet: round trips between 490 PlanetLab sites, measured (source: planetlab-data.ts).
 * Made-up delays obey the triangle inequality; real ones do not, which is why relays are worth having.
 *
 * The packed triangle is decoded once, on first use. `placeNodes` picks rows of the matrix for hubs and sites.
 */
import { invariant, type Random } from '@causeway/protocol'
import { PLANETLAB_SIZE, PLANETLAB_TRIANGLE } from './planetlab-data.ts'

export interface RttMatrix {
  readonly size: number
  /** Milliseconds; 0 from a site to itself, `null` where it was not measured. Symmetric. */
  rttMs(i: number, j: number): number | null
}

const NOT_MEASURED = 0xffff
const UNIT_MS = 0.1

/** Reads the packed form: strict upper triangle, row by row, little-endian u16 in units of 0.1 ms. */
export function parseRttMatrix(triangle: Uint8Array, size: number): RttMatrix {
  invariant(triangle.length === size * (size - 1), 'a triangle of u16 has size·(size−1) bytes')
  const view = new DataView(triangle.buffer, triangle.byteOffset, triangle.byteLength)
  return {
    size,
    rttMs(i, j) {
      if (i === j) return 0
      const [row, column] = i < j ? [i, j] : [j, i]
      // Rows before `row` hold (size−1) + (size−2) + … entries.
      const index = (row * (2 * size - row - 1)) / 2 + (column - row - 1)
      const units = view.getUint16(2 * index, true)
      return units === NOT_MEASURED ? null : units * UNIT_MS
    },
  }
}

let decoded: RttMatrix | undefined

export function planetlab(): RttMatrix {
  decoded ??= parseRttMatrix(decodeBase64(PLANETLAB_TRIANGLE), PLANETLAB_SIZE)
  return decoded
}

/** Limits of what is said of a pair: two places of one row are a town apart, and what was not measured is far. */
const TILED_MS = { least: 1, unknown: 150, most: 300 } as const

/** The measured map several times over, gaps filled, where its rows are too few for all sites. */
export function tiledPlanetlab(tiles: number): RttMatrix {
  const map = planetlab()
  const { least, unknown, most } = TILED_MS
  const rttMs = (i: number, j: number): number =>
    i === j ? 0 : Math.min(most, Math.max(least, map.rttMs(i % map.size, j % map.size) ?? unknown))
  return { size: tiles * map.size, rttMs }
}

export interface Placement {
  /** Rows of the matrix, one per hub. */
  readonly hubs: readonly number[]
  /** Rows of the matrix, one per site. */
  readonly sites: readonly number[]
}

/** A round trip above this is a broken measurement or a broken line: nobody would run a service over it. */
const RTT_MS_PLAUSIBLE = 400
/** Hubs closer than this are in one town: they would die together. */
const HUB_RTT_MS_MIN = 10

/**
 * Picks sites by chance, and hubs as an operator would: each next hub is the row which lowers the sum of the sites'
 * round trips to their nearest hub most (greedy k-median), but not in the town of another. Same seed, same places.
 */
export function placeNodes(matrix: RttMatrix, random: Random, count: { readonly hubs: number; readonly sites: number }): Placement {
  invariant(count.hubs >= 0 && count.sites >= 0 && count.hubs + count.sites <= matrix.size / 2, 'too many places for this matrix')
  const rows = shuffle(
    Array.from({ length: matrix.size }, (_, row) => row).filter((row) => isPlausible(matrix, row)),
    random,
  )
  const sites: number[] = []
  for (const row of rows) {
    if (sites.length < count.sites && sites.every((site) => isUsable(matrix, row, site))) sites.push(row)
  }
  invariant(sites.length === count.sites, 'the matrix has too few plausible rows for so many sites')
  const hubs: number[] = []
  for (const apartMs of [HUB_RTT_MS_MIN, 0]) {
    while (hubs.length < count.hubs) {
      const next = bestHub(matrix, rows, sites, hubs, apartMs)
      if (next === undefined) break
      hubs.push(next)
    }
  }
  invariant(hubs.length === count.hubs, 'the matrix has too few plausible rows for so many hubs')
  return { hubs, sites }
}

function bestHub(
  matrix: RttMatrix,
  rows: readonly number[],
  sites: readonly number[],
  hubs: readonly number[],
  apartMs: number,
): number | undefined {
  const rtt = (a: number, b: number): number => matrix.rttMs(a, b) ?? Number.POSITIVE_INFINITY
  const nearest = sites.map((site) => Math.min(...hubs.map((hub) => rtt(hub, site))))
  let best: number | undefined
  let bestMs = Number.POSITIVE_INFINITY
  for (const row of rows) {
    if (sites.includes(row) || hubs.includes(row) || hubs.some((hub) => rtt(hub, row) < apartMs)) continue
    if (![...sites, ...hubs].every((other) => isUsable(matrix, row, other))) continue
    const sumMs = sites.reduce((sum, site, index) => sum + Math.min(nearest[index] ?? Number.POSITIVE_INFINITY, rtt(row, site)), 0)
    if (sumMs < bestMs) [best, bestMs] = [row, sumMs]
  }
  return best
}

function isUsable(matrix: RttMatrix, a: number, b: number): boolean {
  const rttMs = matrix.rttMs(a, b)
  return rttMs !== null && rttMs > 0 && rttMs <= RTT_MS_PLAUSIBLE
}

/** A row of which more than one pair in ten is unmeasured or absurd was measured from a sick machine. */
function isPlausible(matrix: RttMatrix, row: number): boolean {
  let bad = 0
  for (let other = 0; other < matrix.size; other++) if (other !== row && !isUsable(matrix, row, other)) bad++
  return bad <= matrix.size / 10
}

/** Fisher–Yates. */
export function shuffle<Item>(items: readonly Item[], random: Random): Item[] {
  const shuffled = [...items]
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = random.uint32() % (i + 1)
    const [a, b] = [shuffled[i], shuffled[j]]
    if (a !== undefined && b !== undefined) [shuffled[i], shuffled[j]] = [b, a]
  }
  return shuffled
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/** RFC 4648 section 4; for our own generated text only. */
function decodeBase64(text: string): Uint8Array {
  const values = new Uint8Array(128)
  for (let i = 0; i < ALPHABET.length; i++) values[ALPHABET.charCodeAt(i)] = i
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const bytes = new Uint8Array((text.length / 4) * 3 - padding)
  const value = (at: number): number => values[text.charCodeAt(at)] ?? 0
  for (let from = 0, to = 0; from < text.length; from += 4, to += 3) {
    const group = (value(from) << 18) | (value(from + 1) << 12) | (value(from + 2) << 6) | value(from + 3)
    bytes[to] = group >>> 16
    bytes[to + 1] = group >>> 8
    bytes[to + 2] = group
  }
  return bytes
}
