import fc from 'fast-check'
import { expect, test } from 'vitest'
import { StreamReader, headOf } from './stream-reader.ts'

test('messages come out as they went in, however their bytes were cut', () => {
  const texts = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 })
  fc.assert(
    fc.property(texts, fc.infiniteStream(fc.integer({ min: 1, max: 400 })), (texts, cuts) => {
      const bytes = Buffer.concat(texts.flatMap((text) => [headOf(text), text]))
      const reader = new StreamReader()
      const messages: Uint8Array[] = []
      for (let at = 0; at < bytes.length;) {
        const end = at + (cuts.next().value as number)
        messages.push(...reader.read(bytes.subarray(at, end)))
        at = end
      }
      expect(messages.map((message) => [...message])).toEqual(texts.map((text) => [...text]))
    }),
  )
})
