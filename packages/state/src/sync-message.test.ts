import { encodeRecord } from '@causeway/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SessionLogs } from './sync-logs.ts'
import { type SyncPart, decodeSync, encodeSync, headsParts } from './sync-message.ts'

const count = fc.nat({ max: 2 ** 40 })
const name = fc.record({
  collection: fc.constantFrom('tasks', 'config'),
  partition: fc.constantFrom('hkg-1', 'apac/hkg-1'),
  writer: fc.constantFrom('a', 'b-1'),
  epoch: fc.integer({ min: 1, max: 2 ** 52 - 1 }),
})
const log = fc.oneof(fc.integer({ min: -1_000, max: 1_000 }), name)
const pair = fc.record({ log, seq: fc.nat() })
const head = fc.oneof(pair, fc.record({ log, seq: fc.nat(), link: fc.uint8Array({ minLength: 8, maxLength: 8 }) }))
const part: fc.Arbitrary<SyncPart> = fc.oneof(
  fc.record({ type: fc.constant('interest' as const), version: fc.nat(), id: count, patterns: fc.constant(['**']), core: fc.boolean() }),
  fc.record({ type: fc.constant('heads' as const), processed: count, last: fc.boolean(), points: fc.array(head) }),
  fc.record({ type: fc.constant('batches' as const), urgent: fc.boolean(), batches: fc.array(fc.uint8Array()) }),
  fc.record({ type: fc.constant('served' as const), id: count }),
  fc.record({ type: fc.constant('ack' as const), processed: count, durable: fc.array(pair), atHub: fc.array(pair) }),
  fc.record({ type: fc.constant('vitals' as const), bytes: fc.uint8Array() }),
  fc.record({ type: fc.constant('digest' as const), arrived: count, digest: fc.tuple(fc.nat(), fc.nat()) }),
  fc.record({ type: fc.constant('differ' as const) }),
)

describe('sync messages', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        expect(decodeSync(encodeSync(parts))).toEqual(parts)
      }),
    )
  })

  it('are never misread: garbage is garbage, and nothing throws', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void decodeSync(bytes)))
    fc.assert(
      fc.property(fc.array(part, { minLength: 1 }), fc.nat(), fc.nat({ max: 255 }), (parts, at, byte) => {
        const bytes = encodeSync(parts)
        bytes[at % bytes.length] = byte
        const decoded = decodeSync(bytes)
        // What is read back from it says the same.
        if (decoded) expect(decodeSync(encodeSync(decoded))).toEqual(decoded)
      }),
    )
    fc.assert(fc.property(fc.array(fc.array(fc.anything())), (value) => void decodeSync(encodeRecord(value))))
  })

  it('skips parts it does not know, and fields that are new', () => {
    expect(decodeSync(encodeRecord([[99, 1], [8, 'new'], []]))).toBeUndefined()
    expect(
      decodeSync(
        encodeRecord([
          [99, 1],
          [8, 'new'],
        ]),
      ),
    ).toEqual([{ type: 'differ' }])
  })

  it('cuts long rounds of heads, and only the last part says that it is', () => {
    const points = Array.from({ length: 5_000 }, (_, n) => ({ log: n, seq: 1 }))
    const parts = headsParts(7, points)
    expect(parts.length).toBeGreaterThan(2)
    expect(parts.map((each) => each.type === 'heads' && each.last)).toEqual([...parts.slice(1).map(() => false), true])
    expect(parts.flatMap((each) => (each.type === 'heads' ? each.points : []))).toEqual(points)
    expect(headsParts(0, [])).toHaveLength(1)
  })
})

describe('SessionLogs', () => {
  it('names a log once in either direction, and numbers mean the same at both ends', () => {
    const names = fc.array(fc.tuple(fc.boolean(), name), { maxLength: 40 })
    fc.assert(
      fc.property(names, (said) => {
        const [one, other] = [new SessionLogs(), new SessionLogs()]
        const named = new Set<string>()
        for (const [fromOne, { epoch, ...document }] of said) {
          const [from, to] = fromOne ? [one, other] : [other, one]
          const reference = from.reference(document, epoch)
          const key = JSON.stringify([document, epoch])
          expect(typeof reference === 'number').toBe(named.has(key))
          named.add(key)
          expect(to.resolve(reference)).toEqual({ ...document, epoch })
        }
      }),
    )
  })

  it('knows no number that nobody has given', () => {
    const logs = new SessionLogs()
    for (const number of [0, 1, -1, 1_000_000]) expect(logs.resolve(number)).toBeUndefined()
  })
})
