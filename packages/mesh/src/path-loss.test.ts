import { SeededRandom } from '@causeway/protocol'
import { expect, test } from 'vitest'
import { PathLoss } from './path-loss.ts'

/** Packets until the alarm, at most `most`. */
function packetsUntilAlarm(ratio: number, most: number, seed: number): number {
  const [loss, random] = [new PathLoss(), new SeededRandom(seed)]
  for (let packets = 1; packets <= most; packets++) {
    loss.observe(random.float() < ratio)
    if (loss.losing) return packets
  }
  return most
}

test('a loss of 20 % is noticed within some hundred packets, one of 3 % hardly ever', () => {
  const seeds = Array.from({ length: 200 }, (_, seed) => seed)
  const bad = seeds.map((seed) => packetsUntilAlarm(0.2, 5_000, seed)).toSorted((a, b) => a - b)
  expect(bad[100]).toBeLessThan(100)
  expect(bad[190]).toBeLessThan(200)
  expect(seeds.filter((seed) => packetsUntilAlarm(0.03, 10_000, seed) < 10_000).length).toBeLessThan(10)
})

test('it is over when packets arrive again', () => {
  const loss = new PathLoss()
  for (let i = 0; i < 20; i++) loss.observe(true)
  expect(loss.losing).toBe(true)
  for (let i = 0; i < 100; i++) loss.observe(false)
  expect(loss.losing).toBe(false)
})
