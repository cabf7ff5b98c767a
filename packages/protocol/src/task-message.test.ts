import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeRecord } from './codec.ts'
import { type TaskAnswer, type TaskQuestion, decodeTaskMessage, encodeTaskMessage } from './task-message.ts'

const MESSAGES: readonly (TaskQuestion | TaskAnswer)[] = [
  { type: 'order', number: 1, order: { type: 'submit', id: 't-1', spec: { channel: 'c7' }, labels: { kind: 'record' } } },
  { type: 'order', number: 2, order: { type: 'move', id: 't-1', to: 'hkg-1', force: true } },
  { type: 'explain', number: 3, about: 't-1' },
  {
    ...{ type: 'renew', number: 4, leases: [{ task: 't-1', token: 7 }], wanted: ['t-1'] },
    ended: [{ task: 't-2', token: 6, how: 'done', reason: 'its worker says: done' }],
  },
  { type: 'ordered', number: 1, result: { ok: false, code: 'refused', message: 'no', remedy: 'ask for less' } },
  {
    ...{ type: 'renewed', number: 4, held: [{ task: 't-1', was: 7, token: 8, phase: 'allocated' }] },
    ...{ lost: [{ task: 't-3', was: 2, reason: 'it is gone' }], ended: ['t-2'], tasks: [] },
  },
  { type: 'hint', task: 't-1', token: 8 },
]

describe('messages about tasks', () => {
  it.each(MESSAGES)('come back as they were: $type', (message) => {
    expect(decodeTaskMessage(encodeTaskMessage(message))).toEqual(message)
  })

  it.each([{ type: 'hint', task: 't-1', token: -1 }, { type: 'hint', task: '../t' }, { type: 'no such type' }, { number: 1 }, 7, null])(
    'are none: %j',
    (record) => {
      expect(decodeTaskMessage(encodeRecord(record))).toBeUndefined()
    },
  )

  it('never throw, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        decodeTaskMessage(bytes)
      }),
    )
    const kinds = fc.constantFrom(...MESSAGES)
    fc.assert(
      fc.property(kinds, fc.jsonValue(), fc.string(), (message, value, key) => {
        decodeTaskMessage(encodeRecord({ ...message, [key]: value, number: value }))
      }),
    )
  })
})
