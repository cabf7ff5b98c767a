import fc from 'fast-check'
import { expect, it } from 'vitest'
import * as Y from 'yjs'
import { encodedSize } from './encoded-size.ts'

function bytesOf(value: unknown): number {
  const doc = new Y.Doc()
  doc.clientID = 1
  doc.getArray('entries').push([value])
  return Y.encodeStateAsUpdate(doc).length
}

it('is what Yjs writes', () => {
  // Half of a pair is no character, and is written as another one.
  const text = fc.string({ unit: 'grapheme' })
  const number = fc.oneof(
    fc.integer(),
    fc.double({ noNaN: true }),
    fc.maxSafeInteger(),
    fc.constantFrom(63, 64, 8_191, 8_192, -64, 2 ** 31 - 1, 2 ** 31),
  )
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      ...[fc.boolean(), fc.constant(null), number, text],
      fc.array(tie('value')),
      fc.dictionary(text, tie('value'), { noNullPrototype: true }),
    ),
  }))
  const empty = bytesOf(null) - encodedSize(null)
  fc.assert(fc.property(value, (data) => bytesOf(data) - empty === encodedSize(data)))
  expect(encodedSize('x'.repeat(200))).toBe(203)
})
