import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { multiaddr } from '@multiformats/multiaddr'
import { HandshakeQueue } from './handshake-queue.ts'

const AT_ONCE = 64

/** Somebody who connects from a port of their own. */
class Stranger extends EventTarget {
  readonly remote: string
  readonly remoteAddr: ReturnType<typeof multiaddr>
  status: 'open' | 'closed' = 'open'
  admitted: boolean | undefined

  constructor(port: number, queue: HandshakeQueue) {
    super()
    this.remote = `192.0.2.1:${port}`
    this.remoteAddr = multiaddr(`/ip4/192.0.2.1/tcp/${port}`)
    void this.#come(queue)
  }

  async #come(queue: HandshakeQueue): Promise<void> {
    this.admitted = await queue.enter(this as never)
  }

  close(): void {
    this.status = 'closed'
    this.dispatchEvent(new Event('close'))
  }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

async function crowd(queue: HandshakeQueue, count: number): Promise<Stranger[]> {
  const strangers = Array.from({ length: count }, (_, index) => new Stranger(1_000 + index, queue))
  await vi.advanceTimersByTimeAsync(0)
  return strangers
}

const admittedOf = (strangers: readonly Stranger[]): number => strangers.filter(({ admitted }) => admitted).length

test('lets so many in at a time, the next for each that leaves, in the order in which they came', async () => {
  const queue = new HandshakeQueue()
  const strangers = await crowd(queue, AT_ONCE + 10)
  expect(admittedOf(strangers)).toBe(AT_ONCE)
  queue.leave(strangers[5]!.remote)
  strangers[7]!.close()
  // Who has left leaves once.
  queue.leave(strangers[5]!.remote)
  await vi.advanceTimersByTimeAsync(0)
  expect(strangers.flatMap(({ admitted }, index) => (admitted ? [] : [index]))).toEqual(
    Array.from({ length: 8 }, (_, index) => AT_ONCE + 2 + index),
  )
})

test('passes over who went away while waiting', async () => {
  const queue = new HandshakeQueue()
  const strangers = await crowd(queue, AT_ONCE + 3)
  strangers[AT_ONCE]!.close()
  queue.leave(strangers[0]!.remote)
  await vi.advanceTimersByTimeAsync(0)
  expect(strangers.slice(AT_ONCE).map(({ admitted }) => admitted)).toEqual([false, true, undefined])
})

test('those who say nothing keep the others out for two seconds, no longer', async () => {
  const queue = new HandshakeQueue()
  const strangers = await crowd(queue, 2 * AT_ONCE)
  await vi.advanceTimersByTimeAsync(1_999)
  expect(admittedOf(strangers)).toBe(AT_ONCE)
  await vi.advanceTimersByTimeAsync(1)
  expect(admittedOf(strangers)).toBe(2 * AT_ONCE)
})
