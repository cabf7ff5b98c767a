import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { HandshakeQueue } from './handshake-queue.ts'
import { ScriptedCaller } from './scripted-caller.ts'

const AT_ONCE = 64

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

async function crowd(queue: HandshakeQueue, count: number, from = 1_000): Promise<ScriptedCaller[]> {
  const callers = Array.from({ length: count }, (_, index) => new ScriptedCaller(from + index))
  for (const caller of callers) void caller.come((connection) => queue.enter(connection))
  await vi.advanceTimersByTimeAsync(0)
  return callers
}

const admittedOf = (callers: readonly ScriptedCaller[]): number => callers.filter(({ admitted }) => admitted).length

test('lets so many in at a time, the next for each that leaves, in the order in which they came', async () => {
  const queue = new HandshakeQueue({ atOnce: AT_ONCE })
  const callers = await crowd(queue, AT_ONCE + 10)
  expect(admittedOf(callers)).toBe(AT_ONCE)
  queue.leave(callers[5]!.remote)
  callers[7]!.close()
  // Who has left leaves once.
  queue.leave(callers[5]!.remote)
  await vi.advanceTimersByTimeAsync(0)
  expect(callers.flatMap(({ admitted }, index) => (admitted ? [] : [index]))).toEqual(
    Array.from({ length: 8 }, (_, index) => AT_ONCE + 2 + index),
  )
})

test('passes over who went away while waiting', async () => {
  const queue = new HandshakeQueue({ atOnce: AT_ONCE })
  const callers = await crowd(queue, AT_ONCE + 3)
  callers[AT_ONCE]!.close()
  queue.leave(callers[0]!.remote)
  await vi.advanceTimersByTimeAsync(0)
  expect(callers.slice(AT_ONCE).map(({ admitted }) => admitted)).toEqual([false, true, undefined])
})

test('those who say nothing keep the others out for two seconds, no longer', async () => {
  const queue = new HandshakeQueue({ atOnce: AT_ONCE })
  const callers = await crowd(queue, 2 * AT_ONCE)
  await vi.advanceTimersByTimeAsync(1_999)
  expect(admittedOf(callers)).toBe(AT_ONCE)
  await vi.advanceTimersByTimeAsync(1)
  expect(admittedOf(callers)).toBe(2 * AT_ONCE)
})

test('lets one in for each span of time, however quickly they leave', async () => {
  const queue = new HandshakeQueue({ atOnce: AT_ONCE, everyMs: 20 })
  const callers = await crowd(queue, 10)
  for (const caller of callers) queue.leave(caller.remote)
  expect(admittedOf(callers)).toBe(1)
  await vi.advanceTimersByTimeAsync(19)
  expect(admittedOf(callers)).toBe(1)
  await vi.advanceTimersByTimeAsync(41)
  expect(admittedOf(callers)).toBe(4)
  await vi.advanceTimersByTimeAsync(1_000)
  const [late] = await crowd(queue, 1, 2_000)
  expect(late?.admitted).toBe(true)
})
