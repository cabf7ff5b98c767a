import { type NodeId, SeededRandom, hex, nodeId, readU32 } from '@causeway/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { World, FAIR, associatedPair, authority, kindOf, numbers, pair, unknownBody } from '../../../test/contract/association-world.ts'
import { createTestAuthority, generateKeyPair, seededCrypto } from '../../../test/contract/real-crypto.ts'
import { writeHandshake } from './association-packet.ts'
import type { AssociationsConfig } from './associations.ts'

describe('Associations among strangers', () => {
  const other = createTestAuthority()
  const keys = generateKeyPair()
  const crypto = seededCrypto(new SeededRandom(9), keys.seed)

  it.each<[string, Partial<AssociationsConfig>, RegExp]>([
    ['whose credential has expired', { credential: authority.issue('x', keys.publicKey, -1), crypto }, /has expired/],
    ['whose credential another authority signed', { credential: other.issue('x', keys.publicKey), crypto }, /not signed by the authority/],
    ['who shows the credential of another', { credential: authority.issue('x', generateKeyPair().publicKey), crypto }, /hold its key/],
    ['who is another node than wanted', { credential: authority.issue('y', keys.publicKey), crypto }, /y stands in for it/],
    ['whose credential cannot be read', { credential: { body: new Uint8Array(9), signature: new Uint8Array(64) } }, /cannot be read/],
  ])('are not made with one %s', (_, config, reason) => {
    const world = new World()
    const [good, bad] = [world.start('good'), world.start('x', config)]
    world.want(good, bad)
    world.run(2500)
    expect(good.associations.ready(bad.id)).toBe(false)
    expect(good.effects.find((effect) => effect.type === 'violation')).toMatchObject({
      peer: `#${bad.id}`,
      code: 'bad-credential',
      detail: expect.stringMatching(reason) as string,
    })
    const refused = good.dropped('refused')
    expect(refused).toBeGreaterThan(0)
    world.want(bad, good)
    world.run(1000)
    world.say(bad, good, 1)
    world.run(5000)
    expect(good.associations.size).toBe(0)
    expect(good.got).toEqual([])
    expect(good.dropped('refused')).toBeGreaterThan(refused)
    // Each credential that was refused cost a message 1.
    expect(good.dropped('refused')).toBeLessThan(30)
  })

  it('are not made across networks, whatever the credentials say', () => {
    const world = new World()
    const [a, b] = [world.start('a'), world.start('b', { authorityKey: other.publicKey })]
    world.want(a, b)
    world.run(3000)
    expect([a.associations.size, b.associations.size]).toEqual([0, 0])
    expect(a.dropped('forged')).toBeGreaterThan(0)
    expect(a.count('violation')).toBe(0)
  })

  it('deliver what was sealed once, however often and whenever it comes', () => {
    const { world, a, b } = associatedPair()
    for (let i = 0; i < 50; i++) world.say(a, b, i)
    world.run(100)
    const replays = world.sent.slice()
    for (const { body, from, to } of replays) {
      world.inject(to === a.id ? a : b, body, from)
      world.inject(to === a.id ? b : a, body, to)
    }
    world.run(10_000)
    expect(numbers(b).toSorted((x, y) => x - y)).toEqual(Array.from({ length: 50 }, (_, i) => i))
    expect(b.dropped('replayed')).toBe(50)
    expect([a.associations.size, b.associations.size]).toEqual([1, 1])
    expect([a.associated.length, b.associated.length]).toEqual([1, 1])
    // A copy of message 1 was answered with a copy of message 2.
    expect(new Set(world.sent.filter(({ from, body }) => from === b.id && kindOf(body) === 2).map(({ body }) => hex(body))).size).toBe(1)
  })

  it('come about although most of what arrives was forged or cut, and hand out none of that', () => {
    const random = new SeededRandom(4)
    for (let seed = 0; seed < 20; seed++) {
      const { world, a, b } = pair(FAIR, seed)
      world.tamper = ({ body }) => {
        if (random.float() < 0.4) return body
        const at = random.uint32() % body.length
        return random.float() < 0.3 ? body.subarray(0, at) : body.with(at, (body[at] ?? 0) ^ (1 << (random.uint32() % 8)))
      }
      for (let i = 0; i < 400; i++) {
        world.want(a, b)
        world.say(a, b, i)
        world.say(b, a, i)
        world.run(100)
      }
      for (const end of [a, b]) {
        expect(end.got.length, `seed ${seed}`).toBeGreaterThan(30)
        expect(
          end.got.every(({ number }, i) => number < 400 && (i === 0 || number > end.got[i - 1]!.number)),
          `seed ${seed}`,
        ).toBe(true)
      }
    }
  })

  it('are dropped for no packet that comes from elsewhere than it says', () => {
    const { world, a, b } = associatedPair()
    world.say(a, b, 1)
    const { body } = world.sent.at(-1)!
    world.inject(b, body, nodeId('c'))
    expect(b.got).toEqual([])
    expect(b.dropped('misrouted')).toBe(1)
    world.run(100)
    expect(numbers(b)).toEqual([1])
  })

  it('are made once by a message 3, even if what it made is gone: counters would start again', () => {
    const { world, a, b } = pair()
    world.want(a, b)
    world.run(100)
    const lie = (): void => {
      world.say(a, b, 0)
      const index = readU32(world.sent.at(-1)!.body, 0)
      world.inject(a, unknownBody(index), b.id)
    }
    const third = world.sent.find(({ body }) => kindOf(body) === 3)!.body
    for (let i = 0; i < 4; i++) {
      lie()
      world.run(1010)
    }
    expect(b.associated).toHaveLength(5)
    expect(b.associations.size).toBe(4)
    world.inject(b, third, a.id)
    expect(b.associated).toHaveLength(5)
    expect(b.dropped('unknown-index')).toBe(1)
  })

  it('are not ended by who says that they are unknown: at most one handshake a second comes of it', () => {
    const { world, a, b } = associatedPair()
    world.say(a, b, 0)
    const used = readU32(world.sent.at(-1)!.body, 0)
    world.tamper = ({ body }) => (kindOf(body) === 0 ? body : undefined)
    a.associations.takeEffects()
    for (let i = 0; i < 100; i++) {
      a.associations.receive(world.now, unknownBody(used ^ 1), [b.id])
      expect(world.say(a, b, i + 1)).toBe(true)
      world.run(10)
    }
    const before = world.sent.length
    for (let i = 0; i < 300; i++) {
      a.associations.receive(world.now, unknownBody(used), [b.id])
      expect(world.say(a, b, i + 101)).toBe(true)
      world.run(10)
    }
    expect(b.got).toHaveLength(401)
    expect(new Set(world.sent.slice(0, before).map(({ body }) => kindOf(body)))).not.toContain(4)
    const indices = world.sent.slice(before).filter(({ body }) => kindOf(body) === 1)
    expect(new Set(indices.map(({ body }) => readU32(body, 8))).size).toBe(1)
    world.tamper = ({ body }) => body
    world.run(5000)
    expect(b.got).toHaveLength(401)
    expect(a.associated).toHaveLength(2)
  })

  it('come about although forged answers come by the hundred, of which few are looked into', () => {
    const { world, a, b } = pair()
    world.weather = { ...FAIR, loss: 1 }
    world.want(a, b)
    for (let i = 0; i < 100; i++) {
      const receiver = readU32(world.sent.findLast(({ body }) => kindOf(body) === 1)!.body, 8)
      world.inject(a, writeHandshake({ kind: 'second', sender: 1, receiver, noise: crypto.randomBytes(400) }), b.id)
    }
    expect([a.dropped('forged'), a.dropped('over-limit')]).toEqual([16, 84])
    world.weather = FAIR
    expect(world.until(() => a.associations.ready(b.id), 500)).toBe(true)
  })

  it('come about although strangers open handshakes without end, which are kept within bounds', () => {
    const { world, a, b } = pair()
    const stranger = world.start('stranger')
    const first = (sender: number): Uint8Array =>
      writeHandshake({ kind: 'first', sender, receiver: 0, noise: crypto.publicKey(crypto.randomBytes(32)) })
    for (let i = 0; i < 40; i++) world.inject(b, first(1 + i), stranger.id)
    expect(b.associations.halfOpen).toBe(16)
    for (let i = 0; i < 400; i++) {
      world.inject(b, first(1000 + i), nodeId(`claimed-${i}`))
      world.run(10)
      expect(b.associations.halfOpen).toBeLessThanOrEqual(256)
    }
    expect(b.associations.halfOpen).toBeGreaterThan(200)
    // 100 at once, then 50 a second.
    expect(b.dropped('over-limit')).toBeGreaterThanOrEqual(440 - 100 - 4 * 50 - 1)
    world.want(a, b)
    expect(world.until(() => b.associations.ready(a.id), 5000)).toBe(true)
    world.run(10_000)
    expect(b.associations.halfOpen).toBe(0)
  })

  it('take any bytes for what they are', () => {
    const { world, a, b } = associatedPair()
    world.say(b, a, 1)
    world.run(100)
    const genuine = world.sent.map(({ body }) => body)
    const header = fc.tuple(fc.constantFrom(0, 1, 2, 3, 4, 5), fc.nat(0xff), fc.nat(0xff), fc.uint8Array({ maxLength: 400 }))
    const shaped = header.map(([kind, sender, receiver, noise]) =>
      Uint8Array.of(0, 0, 0, 0, kind, 0, 0, 0, 0, 0, 0, sender, 0, 0, 0, receiver, ...noise),
    )
    const changed = fc
      .tuple(fc.nat(genuine.length - 1), fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.nat())
      .map(([which, bytes, at]) => {
        const body = genuine[which]!.slice()
        body.set(bytes.subarray(0, body.length - (at % body.length)), at % body.length)
        return body
      })
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), shaped, changed), fc.boolean(), fc.nat(3), (body, toA, hops) => {
        const [end, from] = toA ? [a, b] : [b, a]
        const wayBack = hops === 0 ? [] : [...new Array<NodeId>(hops - 1).fill(nodeId('relay-0')), from.id]
        expect(end.associations.receive(world.now, body, wayBack)).toBeUndefined()
        world.run(5)
      }),
      { numRuns: 400 },
    )
    world.say(a, b, 99)
    world.run(1000)
    expect(numbers(b)).toEqual([99])
  })
})
