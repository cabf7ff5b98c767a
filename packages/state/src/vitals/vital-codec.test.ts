import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SeededRandom, VITAL_SCHEMA, after, instant } from '@causeway/protocol'
import { BitReader, BitWriter } from './bit-stream.ts'
import { FieldModel, QUANTA_MAX, unzigzag, zigzag } from './field-model.ts'
import { type Vital, fieldsOf, quantise, valueOf, valuesOf } from './vital.ts'
import { VitalDecoder } from './vital-decoder.ts'
import { VitalEncoder } from './vital-encoder.ts'
import { identity } from './vitals-lab.ts'

const NOW = instant(5_000_000)

const finite = fc.double({ min: -1e15, max: 1e15, noNaN: true })
const quanta = fc.integer({ min: -QUANTA_MAX, max: QUANTA_MAX })
const names = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_.-]{0,31}$/)
const values = fc.dictionary(fc.oneof(names, fc.constantFrom(...VITAL_SCHEMA.map(({ name }) => name))), finite, {
  maxKeys: 12,
  noNullPrototype: true,
})

function vital(node: string, said: Record<string, number>, before?: Vital): Vital {
  const fields = fieldsOf(said, before?.fields ?? [])
  return {
    identity: before?.identity ?? identity(node, 'hkg-1'),
    incarnation: before?.incarnation ?? 1_790_000_000,
    seq: (before?.seq ?? 0) + 1,
    fields,
    quanta: fields.map(({ name, digits }) => quantise(said[name] ?? 0, digits)),
    saidAt: NOW,
  }
}

function decoded(decoder: VitalDecoder, message: Uint8Array | undefined): Vital[] {
  const result = decoder.decode(NOW, message ?? new Uint8Array())
  if (typeof result === 'string') throw new Error(result)
  return result
}

describe('one field', () => {
  test('zigzag is one to one', () => {
    fc.assert(fc.property(quanta, (value) => unzigzag(zigzag(value)) === value))
    expect([0, -1, 1, -2, 2].map(zigzag)).toEqual([0, 1, 2, 3, 4])
  })

  test('both ends of a model follow each other through any history', () => {
    fc.assert(
      fc.property(quanta, fc.array(fc.oneof(quanta, fc.integer({ min: -20, max: 20 }), fc.constant(0))), (first, history) => {
        const out = new BitWriter()
        const [here, there] = [new FieldModel(first), new FieldModel(first)]
        for (const value of history) here.write(out, value)
        const from = new BitReader(out.bytes())
        expect(history.map(() => there.read(from))).toEqual(history.map((value) => value + 0))
        expect(from.finished).toBe(true)
      }),
    )
  })

  test('a field that hardly ever changes costs a bit', () => {
    const out = new BitWriter()
    const model = new FieldModel(500)
    for (let at = 0; at < 100; at++) model.write(out, 500)
    expect(out.length).toBe(100)
  })

  test.each([
    ['cpu', 12.34, 12.3],
    ['netIn', 123_456, 123_500],
    ['load', 0.126, 0.13],
    ['queue', 17, 17],
    ['share', 0.125, 0.125],
    ['third', 1 / 3, 0.333333],
    ['large', 1e15, 1e15],
    ['mixed', 123_456_789_012.25, 123_456_789_012.25],
    ['below', -4.5, -4.5],
  ])('%s = %d is told as %d', (name, value, told) => {
    expect(valuesOf(vital('a', { [name]: value }))).toEqual({ [name]: told })
  })

  test('a free field keeps the digits that it has needed', () => {
    const before = fieldsOf({ share: 0.25 }, [])
    expect(fieldsOf({ share: 3 }, before)).toBe(before)
    expect(fieldsOf({ share: 0.125 }, before)).toEqual([{ name: 'share', digits: 3 }])
  })
})

describe('a session', () => {
  test('the other end knows what was told, whatever was told before', () => {
    const step = fc.array(
      fc.record({ node: fc.constantFrom('a', 'b', 'c', 'd'), said: fc.oneof(values, fc.constant({ cpu: 1, q: 2 })), ageMs: fc.nat(9_000) }),
    )
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const encoder = new VitalEncoder()
        const decoder = new VitalDecoder()
        const latest = new Map<string, Vital>()
        for (const said of steps) {
          const told = new Map<string, Vital>()
          for (const one of said) {
            const next = { ...vital(one.node, one.said, latest.get(one.node)), saidAt: after(NOW, -one.ageMs) }
            latest.set(one.node, next)
            told.set(one.node, next)
          }
          const message = encoder.encode(NOW, told.values())
          if (told.size === 0) {
            expect(message).toBeUndefined()
            continue
          }
          const heard = decoded(decoder, message)
          expect(heard).toHaveLength(told.size)
          for (const one of heard) {
            const original = told.get(one.identity.name)
            expect(original).toBeDefined()
            if (!original) return
            expect({ ...one, saidAt: 0 }).toEqual({ ...original, quanta: original.quanta.map((each) => each + 0), saidAt: 0 })
            expect(Math.abs(one.saidAt - original.saidAt)).toBeLessThanOrEqual(1_500)
          }
        }
      }),
    )
  })

  test('a node that has nothing new to say costs a few bits, and a number may be used again', () => {
    const [encoder, decoder] = [new VitalEncoder(), new VitalDecoder()]
    const said = Array.from({ length: 80 }, (_, at) => vital(`n-${at}`, { cpu: at }))
    decoded(decoder, encoder.encode(NOW, said))
    const again = said.map((one) => ({ ...one, seq: one.seq + 1 }))
    const message = encoder.encode(NOW, again)
    expect(message?.length).toBe(32)
    expect(decoded(decoder, message)).toEqual(again)
    encoder.forget('n-7')
    expect(decoded(decoder, encoder.encode(NOW, [vital('other', { mem: 5 })]))[0]?.identity.name).toBe('other')
    expect(decoded(decoder, encoder.encode(NOW, [vital('n-8', { cpu: 9 }, again[8])]))[0]?.identity.name).toBe('n-8')
  })

  test('another incarnation, site or list of fields is declared', () => {
    const [encoder, decoder] = [new VitalEncoder(), new VitalDecoder()]
    const first = vital('a', { cpu: 1 })
    const moved = { ...first, incarnation: 5, identity: identity('a', 'hkg-2') }
    const longer = vital('a', { cpu: 2, queue: 4 }, moved)
    for (const said of [first, moved, longer]) expect(decoded(decoder, encoder.encode(NOW, [said]))).toEqual([said])
  })
})

describe('a hostile peer', () => {
  function genuine(): { decoder: VitalDecoder; messages: Uint8Array[] } {
    const encoder = new VitalEncoder()
    const said = ['a', 'b', 'c'].map((node, at) => vital(node, { cpu: at, load: 0.5, queue: 7 }))
    const messages = [encoder.encode(NOW, said)]
    messages.push(
      encoder.encode(
        NOW,
        said.map((one) => vital('', { cpu: 50, load: 3, queue: 8 }, one)),
      ),
    )
    return { decoder: new VitalDecoder(), messages: messages.filter((message) => message !== undefined) }
  }

  test('bytes at random, or turned over on their way, never throw and give only what is within bounds', () => {
    const random = new SeededRandom(7)
    let refused = 0
    for (let round = 0; round < 3_000; round++) {
      const { decoder, messages } = genuine()
      for (const message of messages) {
        const bytes = round % 2 ? message.slice() : Uint8Array.from({ length: 1 + (random.uint32() % 60) }, () => random.uint32())
        for (let flips = random.uint32() % 4; flips > 0; flips--) bytes[random.uint32() % bytes.length] = random.uint32()
        const result = decoder.decode(NOW, bytes)
        if (typeof result === 'string') {
          refused++
          break
        }
        for (const { fields, quanta: told, identity: who } of result) {
          expect(who.name).toMatch(/^[a-z0-9][a-z0-9.-]{0,62}$/)
          expect(fields.length).toBe(told.length)
          expect(fields.length).toBeLessThan(64)
          for (const [at, { digits }] of fields.entries()) expect(Number.isFinite(valueOf(told[at] ?? Number.NaN, digits))).toBe(true)
        }
      }
    }
    expect(refused).toBeGreaterThan(1_500)
  })

  test.each([
    ['nothing', new Uint8Array()],
    ['too much', new Uint8Array(1024 * 1024 + 1)],
    ['a node that was not declared', new Uint8Array([0x90, 0x00])],
  ])('%s is refused', (_name, bytes) => {
    expect(new VitalDecoder().decode(NOW, bytes)).toMatch(/^vitals /)
  })

  test('what follows the last item is refused', () => {
    const { decoder, messages } = genuine()
    expect(decoder.decode(NOW, new Uint8Array([...(messages[0] ?? []), 0]))).toMatch('too late')
  })
})
