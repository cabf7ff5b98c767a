import { describe, expect, test } from 'vitest'
import { SeededRandom } from '@causeway/protocol'
import { parseRttMatrix, placeNodes, planetlab } from './planetlab.ts'

describe('planetlab matrix', () => {
  const matrix = planetlab()

  test('has the numbers of the source', () => {
    expect(matrix.size).toBe(490)
    // First row of the measured matrix: 0.164, 2.575, 121.62, 121.43 ms; last pair checked against the text file too.
    expect([matrix.rttMs(0, 1), matrix.rttMs(0, 2), matrix.rttMs(0, 3), matrix.rttMs(0, 4)].map((ms) => ms?.toFixed(1))).toEqual([
      '0.2',
      '2.6',
      '121.6',
      '121.4',
    ])
    const all: number[] = []
    for (let i = 0; i < 490; i++) for (let j = i + 1; j < 490; j++) all.push(matrix.rttMs(i, j) ?? Number.NaN)
    all.sort((a, b) => a - b)
    expect(all[Math.floor(all.length / 2)]).toBeGreaterThan(120)
    expect(all[Math.floor(all.length / 2)]).toBeLessThan(150)
    expect(all.at(-1)).toBeCloseTo(790.8, 5)
  })

  test('is symmetric, with a zero diagonal', () => {
    for (let i = 0; i < 490; i += 7) {
      expect(matrix.rttMs(i, i)).toBe(0)
      for (let j = 0; j < 490; j += 11) expect(matrix.rttMs(i, j)).toBe(matrix.rttMs(j, i))
    }
  })

  test('tells what was not measured', () => {
    const small = parseRttMatrix(Uint8Array.of(10, 0, 0xff, 0xff, 20, 0), 3)
    expect([small.rttMs(0, 1), small.rttMs(2, 0), small.rttMs(1, 2)]).toEqual([1, null, 2])
  })
})

describe('placeNodes', () => {
  const matrix = planetlab()

  test.each([1, 2, 3, 4, 5])('seed %i: distinct, plausible, and the same again', (seed) => {
    const count = { hubs: 4, sites: 12 }
    const placement = placeNodes(matrix, new SeededRandom(seed), count)
    expect(placeNodes(matrix, new SeededRandom(seed), count)).toEqual(placement)
    const rows = [...placement.hubs, ...placement.sites]
    expect(new Set(rows).size).toBe(16)
    for (const a of rows) for (const b of rows) expect(a === b || (matrix.rttMs(a, b) ?? 9999) <= 400).toBe(true)
    for (const a of placement.hubs) for (const b of placement.hubs) expect(a === b || (matrix.rttMs(a, b) ?? 0) >= 10).toBe(true)
  })

  test('hubs are nearer to the sites than rows taken by chance', () => {
    let better = 0
    for (let seed = 0; seed < 20; seed++) {
      const { hubs, sites } = placeNodes(matrix, new SeededRandom(seed), { hubs: 3, sites: 10 })
      const byChance = placeNodes(matrix, new SeededRandom(1000 + seed), { hubs: 0, sites: 3 }).sites
      const nearestMs = (from: readonly number[]): number =>
        sites.reduce((sum, site) => sum + Math.min(...from.map((hub) => matrix.rttMs(hub, site) ?? 9999)), 0)
      if (nearestMs(hubs) < nearestMs(byChance)) better++
    }
    expect(better).toBeGreaterThanOrEqual(18)
  })
})
