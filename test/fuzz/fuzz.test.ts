import { SeededRandom } from '@causeway/protocol'
import { expect, test } from 'vitest'
import { fuzz } from './fuzz.ts'
import { mutate } from './mutate.ts'

test('no decoder of state is thrown off by changed bytes, and each both refuses and takes some', async () => {
  const reports = await fuzz({ rounds: 8_000, seed: 1 })
  expect(reports.map(({ target }) => target)).toEqual(['updates', 'batches', 'sessions', 'vitals', 'packed sessions'])
  for (const { taken, rounds } of reports) {
    expect(taken).toBeGreaterThan(0)
    expect(taken).toBeLessThan(rounds)
  }
})

test('bytes are changed', () => {
  const random = new SeededRandom(5)
  const bytes = Uint8Array.from({ length: 50 }, (_, at) => at)
  const same = Array.from({ length: 1_000 }, () => mutate(bytes, random)).filter((copy) => Buffer.compare(copy, bytes) === 0)
  expect(same.length).toBeLessThan(100)
})
