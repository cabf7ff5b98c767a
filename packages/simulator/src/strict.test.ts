import { describe, expect, test } from 'vitest'
import { runStrictScenario } from './strict-scenario.ts'

describe('strict compare-and-set by many, through cuts, crashes and skewed clocks', () => {
  test.each([
    [1, 'embedded'],
    [2, 'embedded'],
    [3, 'external'],
    [4, 'external'],
  ] as const)('world %i, %s engine: what was granted is there, once', (seed, engine) => {
    const report = runStrictScenario({ seed, engine, seconds: 20 })
    expect(report.objections).toEqual([])
    expect(report.granted).toBeGreaterThan(20)
    expect(report.refused).toBeGreaterThan(0)
    expect(report.faults.length).toBeGreaterThan(0)
  })
})
