import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeRecord } from './codec.ts'
import { LIMITS } from './limits.ts'
import { type ControlMessage, PROTOCOL_VERSION, decodeControl, encodeControl } from './message.ts'
import { asNodeId } from './node-id.ts'

const id = fc.integer({ min: 0, max: 0xffff_ffff }).map(asNodeId)
const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const name = fc.stringMatching(/^[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?$/)
const costMs = fc.double({ min: 0, max: 1e6, noNaN: true })
const count = fc.integer({ min: 0, max: 2 ** 48 })
const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length })
const constant = <T extends string>(value: T): fc.Arbitrary<T> => fc.constant(value)

const credential = fc.record({ body: fc.uint8Array({ maxLength: 200 }), signature: bytes(64) })
const datagram = fc.option(fc.record({ index: u32, key: bytes(32) }), { nil: null })
const u16 = fc.integer({ min: 0, max: 0xffff })
const stream = fc.option(fc.record({ port: u16, token: bytes(16), key: bytes(32) }), { nil: null })
/** Costs of links travel in tenths of a millisecond. */
const tenths = fc.nat(1e7).map((value) => value / 10)
const domains = fc.array(fc.string({ maxLength: 80 }), { maxLength: 4 })
const attached = fc.array(fc.record({ id, name, costMs: tenths }), { maxLength: 4 })
const link = fc.record({
  to: id,
  name,
  site: name,
  role: fc.constantFrom('edge' as const, 'hub' as const),
  costMs: tenths,
  costBackMs: tenths,
  impaired: fc.boolean(),
  domains,
  behind: attached,
})
const version = { origin: id, incarnation: count, sequence: count }
/** A link as it is written, after its id. */
const LINK = ['a', 's', true, 10, 10, false, ['d'], []] as const
const advertOf = (links: unknown): unknown => ({
  ...{ origin: 1, incarnation: 1, sequence: 1, name: 'a', ageMs: 0, draining: false, domains: [] },
  ...(links !== undefined && { links }),
})

const advert = fc.record({ ...version, name, ageMs: costMs, draining: fc.boolean(), domains, links: fc.array(link, { maxLength: 5 }) })
const path = fc.record({ route: fc.array(id, { minLength: 1, maxLength: LIMITS.routeHopsMax }), costMs, impaired: fc.boolean() })

const sighting = fc.oneof(
  fc.record({ node: name, state: fc.constant('alive' as const), how: fc.constant(null), forMs: fc.constant(0) }),
  fc.record({
    node: name,
    state: fc.constantFrom('suspect' as const, 'lost' as const),
    how: fc.constantFrom('reset' as const, 'silent' as const, 'stopped' as const),
    forMs: count,
  }),
)
const testimony = fc.record({
  ...{ witness: name, incarnation: count, sequence: count, site: name, region: name, lan: fc.boolean(), gateway: fc.boolean() },
  ...{ term: count, ageMs: count, seen: fc.array(sighting, { maxLength: 5 }) },
})

const message: fc.Arbitrary<ControlMessage> = fc.oneof(
  fc.record({
    type: constant('hello'),
    version: fc.constant(PROTOCOL_VERSION),
    credential,
    incarnation: count,
    alone: fc.boolean(),
    datagram,
    stream,
    addresses: fc.array(fc.domain(), { maxLength: 4 }),
  }),
  fc.record({ type: constant('bye'), reason: fc.string({ maxLength: 300 }) }),
  fc.record({ type: constant('bye'), reason: fc.string({ maxLength: 300 }), stops: fc.constant(true as const) }),
  fc.record({ type: constant('linkState'), adverts: fc.array(advert, { maxLength: 4 }) }),
  fc.record({ type: constant('linkStateDigest'), known: fc.array(fc.record(version), { maxLength: 4 }), answer: fc.boolean() }),
  fc.record({ type: constant('attached'), nodes: attached }),
  fc.record({ type: constant('drain'), draining: fc.boolean() }),
  fc.record({ type: constant('site'), hubs: fc.array(id, { maxLength: 6 }), hears: fc.array(id, { maxLength: 64 }), term: count }),
  fc.record({ type: constant('testimony'), testimonies: fc.array(testimony, { maxLength: 3 }) }),
  fc.record({ type: constant('planRequest'), to: id }),
  fc.record({ type: constant('planCancel'), to: id }),
  fc.record({
    type: constant('plan'),
    to: id,
    paths: fc.array(path, { maxLength: 4 }),
    names: fc.array(fc.record({ id, name }), { maxLength: 8 }),
  }),
  fc.record({ type: constant('returned') }),
  fc.record({
    type: constant('probe'),
    sequence: u16,
    sent: u32,
    urgent: fc.boolean(),
    alone: fc.boolean(),
    degraded: fc.boolean(),
    rttMs: fc.constant(null),
    queueMs: fc.constant(null),
    replies: u16,
    nextMs: u16,
  }),
  fc.record({
    type: constant('reply'),
    sequence: u16,
    sent: u32,
    received: u32,
    reflectorSequence: u16,
    residenceMs: u16.map((value) => value / 100),
    ageMs: u16,
  }),
)

const KINDS = [
  ...['hello', 'bye', 'linkState', 'linkStateDigest', 'attached', 'drain', 'site', 'returned'],
  ...['planRequest', 'planCancel', 'plan', 'probe', 'reply', 'testimony'],
]

/** A record as a peer may write it, whatever our types say. */
function encodeForeign(value: unknown): Uint8Array {
  return Uint8Array.of(0, ...encodeRecord(value))
}

describe('control messages', () => {
  test('round trip of every kind', () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(message, (each) => {
        seen.add(each.type)
        expect(decodeControl(encodeControl(each))).toEqual(each)
      }),
      { numRuns: 500 },
    )
    expect([...seen].toSorted()).toEqual(KINDS.toSorted())
  })

  test('random bytes decode to a message or to undefined, never a throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(3), (noise, kind) => {
        if (noise.length > 0) noise[0] = kind
        const decoded = decodeControl(noise)
        if (decoded) expect(KINDS).toContain(decoded.type)
      }),
      { numRuns: 5000 },
    )
  })

  test('a message with flipped, cut or added bytes decodes to a message or to undefined', () => {
    fc.assert(
      fc.property(
        message,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
        fc.integer({ min: -5, max: 5 }),
        (each, flips, tail) => {
          const good = encodeControl(each)
          const bad = new Uint8Array(Math.max(0, good.length + tail))
          bad.set(good.subarray(0, bad.length))
          for (const [at, value] of flips) if (bad.length > 0) bad[at % bad.length] = value
          const decoded = decodeControl(bad)
          if (decoded) expect(KINDS).toContain(decoded.type)
        },
      ),
      { numRuns: 3000 },
    )
  })

  test('a newer peer may say more than we understand', () => {
    expect(decodeControl(encodeForeign({ type: 'bye', reason: 'x', since: 5 }))).toEqual({ type: 'bye', reason: 'x' })
    expect(decodeControl(encodeForeign({ type: 'notYetInvented' }))).toBeUndefined()
    expect(decodeControl(Uint8Array.of(3, 1, 2))).toBeUndefined()
  })

  test('reads a link as it is written, and skips what a later version appends', () => {
    const message = decodeControl(encodeForeign({ type: 'linkState', adverts: [advertOf([[1, ...LINK, 'more']])] }))
    expect(message).toMatchObject({
      adverts: [{ links: [{ to: 1, name: 'a', site: 's', role: 'hub', costMs: 1, domains: ['d'], behind: [] }] }],
    })
  })

  test.each([
    ['an empty route', { type: 'plan', to: 1, paths: [{ route: [], costMs: 1 }], names: [] }],
    ['a route that is too long', { type: 'plan', to: 1, paths: [{ route: Array(LIMITS.routeHopsMax + 1).fill(1), costMs: 1 }], names: [] }],
    ['a negative cost', { type: 'plan', to: 1, paths: [{ route: [1], costMs: -1 }], names: [] }],
    ['a cost that is not a number', { type: 'plan', to: 1, paths: [{ route: [1], costMs: Number.NaN }], names: [] }],
    ['an id that is no u32', { type: 'planRequest', to: 2 ** 32 }],
    ['a fractional id', { type: 'planRequest', to: 1.5 }],
    ['a reason without end', { type: 'bye', reason: 'x'.repeat(301) }],
    ['more nodes than a site may have', { type: 'site', hubs: [], hears: Array(65).fill(1), term: 0 }],
    ['a term that is no number of claims', { type: 'site', hubs: [], hears: [], term: -1 }],
    ['too many adverts', { type: 'linkState', adverts: Array(257).fill({ origin: 1, name: 'a', incarnation: 1, sequence: 1, links: [] }) }],
    ['links that are no list', { type: 'linkState', adverts: [advertOf('many')] }],
    ['no links', { type: 'linkState', adverts: [advertOf(undefined)] }],
    ['a link without costs', { type: 'linkState', adverts: [advertOf([[1, 'a', 's', true]])] }],
    ['a link to what is no id', { type: 'linkState', adverts: [advertOf([[1.5, ...LINK]])] }],
    ['a link to a name without end', { type: 'linkState', adverts: [advertOf([[1, 'x'.repeat(64), ...LINK.slice(1)]])] }],
    ['a link with five domains', { type: 'linkState', adverts: [advertOf([[1, ...LINK.slice(0, 6), Array(5).fill('d'), []]])] }],
    ['a link with a node behind it that is not named', { type: 'linkState', adverts: [advertOf([[1, ...LINK.slice(0, 7), [[1, 2, 3]]]])] }],
    ['more links than an advert holds', { type: 'linkState', adverts: [advertOf(Array(4097).fill([1, ...LINK]))] }],
    ['a node behind us at a negative cost', { type: 'attached', nodes: [[1, 'a', -1]] }],
    [
      'a datagram key that no cipher takes',
      {
        type: 'hello',
        version: 1,
        alone: false,
        incarnation: 1,
        credential: { body: new Uint8Array(), signature: new Uint8Array(64) },
        datagram: { index: 1, key: new Uint8Array(31) },
      },
    ],
  ])('refuses %s', (_, value) => {
    expect(decodeControl(encodeForeign(value))).toBeUndefined()
  })
})
