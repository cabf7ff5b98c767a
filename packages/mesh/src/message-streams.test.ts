import fc from 'fast-check'
import { expect, test } from 'vitest'
import { IncomingStream } from './incoming-stream.ts'
import { OutgoingStream } from './outgoing-stream.ts'

const message = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.uint8Array({ minLength: 1000, maxLength: 1100 }),
  fc.integer({ min: 1100, max: 40_000 }).map((length) => new Uint8Array(length).fill(length)),
)

test('messages come out as they went in, however the stream is cut', () => {
  const step = fc.oneof(
    fc.record({ write: fc.array(message, { maxLength: 20 }) }),
    fc.record({ take: fc.integer({ min: 1, max: 33_000 }) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), fc.integer({ min: 1, max: 9_000 }), (steps, piece) => {
      const out = new OutgoingStream()
      const into = new IncomingStream(1_000_000)
      const sent: Uint8Array[] = []
      const received: Uint8Array[] = []
      const pass = (bytesMax: number): number => {
        const parts = out.take(bytesMax)
        for (const part of parts) for (let at = 0; at < part.length; at += piece) into.push(part.subarray(at, at + piece), received)
        return parts.reduce((sum, part) => sum + part.length, 0)
      }
      for (const it of steps) {
        if ('take' in it) expect(pass(it.take)).toBeLessThanOrEqual(it.take)
        else {
          sent.push(...it.write)
          for (const one of it.write) out.write(one)
        }
      }
      const left = out.bytes
      expect(pass(Number.MAX_SAFE_INTEGER)).toBe(left)
      expect(out.bytes).toBe(0)
      expect(received.length).toBe(sent.length)
      expect(received.every((one, i) => Buffer.compare(one, sent[i] as Uint8Array) === 0)).toBe(true)
    }),
  )
})

test('small messages share a part, large ones are not copied', () => {
  const out = new OutgoingStream()
  for (let i = 0; i < 100; i++) out.write(new Uint8Array(20))
  const large = new Uint8Array(30_000)
  out.write(large)
  const parts = out.take(100_000)
  expect(parts).toHaveLength(2)
  expect(parts[1]?.buffer).toBe(large.buffer)
})

test('a message that is too long is noticed by its length, and ends everything', () => {
  const out = new OutgoingStream()
  out.write(new Uint8Array(10))
  out.write(new Uint8Array(11))
  const into = new IncomingStream(10)
  const received: Uint8Array[] = []
  for (const part of out.take(100)) into.push(part, received)
  expect(received).toHaveLength(1)
  expect(into.overflowed).toBe(true)
  into.push(new Uint8Array(50), received)
  expect(received).toHaveLength(1)
})
