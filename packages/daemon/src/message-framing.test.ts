import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MessageReader, frameMessages } from './message-framing.ts'

describe('message framing', () => {
  it('gives back the same messages, however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }),
        (messages, cuts) => {
          const bytes = frameMessages(messages)
          const reader = new MessageReader(300)
          const found: Uint8Array[] = []
          for (let at = 0, turn = 0; at < bytes.length; turn++) {
            const end = at + (cuts[turn % cuts.length] ?? 1)
            found.push(...(reader.push(bytes.subarray(at, end)) ?? []))
            at = end
          }
          expect(found).toEqual(messages)
        },
      ),
    )
  })

  it('refuses a length above the bound before the message has come', () => {
    expect(new MessageReader(100).push(Uint8Array.of(0, 0, 0, 101))).toBeUndefined()
    expect(new MessageReader(100).push(Uint8Array.of(0xff, 0xff, 0xff, 0xff))).toBeUndefined()
    expect(new MessageReader(100).push(Uint8Array.of(0, 0, 0, 100))).toEqual([])
  })
})
