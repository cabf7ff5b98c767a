import { describe, expect, test } from 'vitest'
import { SeededRandom, jittered } from './random.ts'

describe('SeededRandom', () => {
  test('same seed, same numbers; another seed, others', () => {
    const draw = (seed: number): number[] => {
      const random = new SeededRandom(seed)
      return Array.from({ length: 50 }, () => random.uint32())
    }
    expect(draw(7)).toEqual(draw(7))
    expect(draw(7)).not.toEqual(draw(8))
    expect(draw(-1)).toEqual(draw(0xffff_ffff))
  })

  test('is Mulberry32 (reference values, seed 0)', () => {
    const random = new SeededRandom(0)
    expect([random.uint32(), random.uint32(), random.uint32()]).toEqual([1144304738, 1416247, 958946056])
  })

  test('is roughly uniform in [0, 1)', () => {
    const random = new SeededRandom(1)
    const buckets = new Array<number>(10).fill(0)
    for (let i = 0; i < 10_000; i++) {
      const value = random.float()
      const bucket = Math.floor(value * 10)
      buckets[bucket] = (buckets[bucket] ?? 0) + 1
    }
    expect(buckets).toHaveLength(10)
    for (const bucket of buckets) expect(Math.abs(bucket - 1000)).toBeLessThan(150)
  })
})

test('jittered stays within its ratio and reaches both sides', () => {
  const random = new SeededRandom(2)
  const values = Array.from({ length: 1000 }, () => jittered(random, 100, 0.2))
  expect(Math.min(...values)).toBeGreaterThanOrEqual(80)
  expect(Math.max(...values)).toBeLessThanOrEqual(120)
  expect(Math.min(...values)).toBeLessThan(85)
  expect(Math.max(...values)).toBeGreaterThan(115)
})
