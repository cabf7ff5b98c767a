import { SeededRandom, instant } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { DirectionalLoss } from './directional-loss.ts'

/** One exchange for each of `count` probes, one every 100 ms. */
function feed(loss: DirectionalLoss, count: number, forwardLoss: number, backwardLoss: number, random: SeededRandom): void {
  const growth = { forwardSent: 0, forwardArrived: 0, backwardSent: 0, backwardArrived: 0 }
  for (let sequence = 0; sequence < count; sequence++) {
    growth.forwardSent++
    if (random.float() < forwardLoss) continue
    growth.forwardArrived++
    growth.backwardSent++
    if (random.float() < backwardLoss) continue
    growth.backwardArrived++
    loss.add(instant(sequence * 100), growth)
    growth.forwardSent = growth.forwardArrived = growth.backwardSent = growth.backwardArrived = 0
  }
}

const lossless = (probes: number) => ({ forwardSent: probes, forwardArrived: probes, backwardSent: probes, backwardArrived: probes })

describe('DirectionalLoss', () => {
  it('tells the directions apart', () => {
    const loss = new DirectionalLoss()
    expect(loss.longRatio(instant(0))).toEqual({ forward: null, backward: null })
    feed(loss, 600, 0.2, 0.05, new SeededRandom(4))
    const { forward, backward } = loss.longRatio(instant(59_999))
    expect(Math.abs((forward as number) - 0.2)).toBeLessThan(0.05)
    expect(Math.abs((backward as number) - 0.05)).toBeLessThan(0.03)
  })

  it('forgets after 10 s and 60 s; the longer window stands in for few probes', () => {
    const loss = new DirectionalLoss()
    for (let i = 0; i < 50; i++) loss.add(instant(i * 100), { ...lossless(1), forwardSent: 2 })
    for (let i = 50; i < 250; i++) loss.add(instant(i * 100), lossless(1))
    expect(loss.recentRatio(instant(24_900), 20).forward).toBe(0)
    expect(loss.longRatio(instant(24_900)).forward).toBeGreaterThan(0.1)
    expect(loss.recentRatio(instant(24_900), 1_000).forward).toBeGreaterThan(0.1)
    expect(loss.longRatio(instant(66_000)).forward).toBe(0)
    expect(loss.longRatio(instant(100_000)).forward).toBeNull()
    expect(loss.longRatio(instant(1_000_000)).forward).toBeNull()
  })
})
