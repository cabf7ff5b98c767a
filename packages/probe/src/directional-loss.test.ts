import { SeededRandom, instant } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { DirectionalLoss } from './directional-loss.ts'

/** Sends `count` probes, one every 100 ms; returns the true losses. */
function feed(loss: DirectionalLoss, from: number, count: number, forwardLoss: number, backwardLoss: number, random: SeededRandom): void {
  let reflector = 0
  for (let sequence = 0; sequence < count; sequence++) {
    if (random.float() < forwardLoss) continue
    const reflected = reflector++
    if (random.float() < backwardLoss) continue
    loss.add(instant(from + sequence * 100), sequence, reflected)
  }
}

describe('DirectionalLoss', () => {
  it('tells the directions apart', () => {
    const loss = new DirectionalLoss()
    expect(loss.longRatio(instant(0))).toEqual({ forward: null, backward: null })
    feed(loss, 0, 600, 0.2, 0.05, new SeededRandom(4))
    const { forward, backward } = loss.longRatio(instant(59_999))
    expect(Math.abs((forward as number) - 0.2)).toBeLessThan(0.05)
    expect(Math.abs((backward as number) - 0.05)).toBeLessThan(0.03)
  })

  it('is not deceived by reordering', () => {
    const loss = new DirectionalLoss()
    const order = [0, 1, 3, 2, 5, 4, 8, 6, 7, 9]
    order.forEach((sequence, reflected) => loss.add(instant(sequence), sequence, reflected))
    expect(loss.longRatio(instant(10))).toEqual({ forward: 0, backward: 0 })
  })

  it('forgets after 10 s and 60 s; the longer window stands in for few probes', () => {
    const loss = new DirectionalLoss()
    for (let i = 0; i < 50; i++) loss.add(instant(i * 100), 2 * i, i)
    for (let i = 50; i < 250; i++) loss.add(instant(i * 100), 50 + i, i)
    expect(loss.recentRatio(instant(24_900), 20).forward).toBe(0)
    expect(loss.longRatio(instant(24_900)).forward).toBeGreaterThan(0.1)
    expect(loss.recentRatio(instant(24_900), 1_000).forward).toBeGreaterThan(0.1)
    expect(loss.longRatio(instant(66_000)).forward).toBe(0)
    expect(loss.longRatio(instant(100_000)).forward).toBeNull()
    expect(loss.longRatio(instant(1_000_000)).forward).toBeNull()
  })

  it('counts anew when the reflector starts anew', () => {
    const loss = new DirectionalLoss()
    for (let i = 0; i < 100; i++) loss.add(instant(i * 10), i, 5_000 + i)
    for (let i = 100; i < 200; i++) loss.add(instant(i * 10), i, i - 100)
    for (let i = 200; i < 300; i++) loss.add(instant(i * 10), i, 4_000_000 + i)
    expect(loss.longRatio(instant(3_000))).toEqual({ forward: 0, backward: 0 })
  })
})
