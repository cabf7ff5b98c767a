/** Round trips between places from a file: n rows of n numbers in ms, symmetric, plain or gzipped. */
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { CausewayError } from '@causeway/protocol'
import type { RttMatrix } from '@causeway/simulator'

const GZIP_MAGIC = 0x1f8b

/** Throws `usage` if there is no such matrix. What is 0 or less off the diagonal counts as not measured. */
export function readRttMatrix(path: string): RttMatrix {
  const rows = readText(path)
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => line.trim().split(/\s+/).map(Number))
  const odd = rows.findIndex((row) => row.length !== rows.length)
  const remedy = 'give n rows of n numbers: round trips in ms'
  if (rows.length < 2) throw new CausewayError('usage', `${path} has no matrix`, remedy)
  if (odd >= 0) throw new CausewayError('usage', `row ${odd + 1} of ${path} has ${rows[odd]?.length} numbers, not ${rows.length}`, remedy)
  const bad = rows.findIndex((row) => row.some((rttMs) => !Number.isFinite(rttMs)))
  if (bad >= 0) throw new CausewayError('usage', `row ${bad + 1} of ${path} has something that is no number`, remedy)
  return {
    size: rows.length,
    rttMs(i, j) {
      if (i === j) return 0
      const rttMs = rows[i]?.[j] ?? 0
      return rttMs > 0 ? rttMs : null
    },
  }
}

function readText(path: string): string {
  try {
    const raw = readFileSync(path)
    return (raw.length > 1 && raw.readUInt16BE(0) === GZIP_MAGIC ? gunzipSync(raw) : raw).toString('latin1')
  } catch (cause) {
    throw new CausewayError('usage', `${path} cannot be read: ${(cause as Error).message}`, 'name a file with a matrix of round trips', {
      cause,
    })
  }
}
