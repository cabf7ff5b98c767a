import { readU32 } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { FAIR, FOUL, associatedPair, kindOf, numbers, pair, unknownBody } from '../../../test/contract/association-world.ts'

const HOUR_MS = 3_600_000

describe('Associations', () => {
  it('make keys in one and a half round trips, and the initiator seals after one', () => {
    const { world, a, b } = pair()
    expect(world.say(a, b, 0)).toBe(false)
    world.want(a, b)
    expect(world.until(() => a.associations.ready(b.id), 1000)).toBe(true)
    expect(world.now).toBe(20)
    world.say(a, b, 7)
    expect(b.associations.ready(a.id)).toBe(false)
    world.run(10)
    expect(b.got).toEqual([{ number: 7, peer: a.id, incarnation: 100 }])
    expect(world.say(b, a, 8)).toBe(true)
    world.run(10_000)
    expect(a.got).toEqual([{ number: 8, peer: b.id, incarnation: 101 }])
    expect(a.associated).toMatchObject([{ peer: b.id, incarnation: 101, restarted: false, credential: { name: 'b' } }])
    expect(b.associated).toMatchObject([{ peer: a.id, incarnation: 100, restarted: false, credential: { name: 'a' } }])
    // One message of each kind, the empty packet that confirms, and two with something in them.
    expect(world.sent.map(({ body }) => kindOf(body))).toEqual([1, 2, 3, 0, 0, 0])
  })

  it.each([1, 2, 3, 4])('come about whatever is lost, repeated or overtaken (seeds of hundred %i)', (hundred) => {
    for (let seed = 100 * hundred; seed < 100 * hundred + 25; seed++) {
      const { world, a, b } = pair(FOUL, seed)
      world.want(a, b)
      if (seed % 3 === 0) world.want(b, a)
      const both = (): boolean => a.associations.ready(b.id) && b.associations.ready(a.id)
      expect(world.until(both, 60_000), `seed ${seed}`).toBe(true)
      for (let i = 0; i < 40; i++) {
        world.say(a, b, i)
        world.say(b, a, i)
        world.run(20)
      }
      world.run(3000)
      for (const end of [a, b]) {
        expect(new Set(numbers(end)).size, `seed ${seed}`).toBe(end.got.length)
        expect(end.got.length, `seed ${seed}`).toBeGreaterThan(12)
        expect(end.associated.every(({ restarted }) => !restarted)).toBe(true)
        expect(end.associations.size).toBeLessThanOrEqual(4)
      }
    }
  })

  it('repeat message 1 over another path each time, ever slower, until nobody has wanted it for a minute', () => {
    const { world, a, b } = pair({ ...FAIR, loss: 1 })
    world.want(a, b)
    world.run(30_000)
    world.want(a, b)
    world.run(200_000)
    const sends = a.effects.filter((effect) => effect.type === 'send')
    expect(sends.map(({ attempt }) => attempt)).toEqual(sends.map((_, i) => i))
    const times = world.sent.map(({ at }) => at)
    const pauses = times.slice(1).map((at, i) => at - times[i]!)
    pauses.forEach((pause, i) => expect(Math.abs(pause / Math.min(2000, 100 * 2 ** i) - 1)).toBeLessThanOrEqual(0.2))
    expect(times.at(-1)).toBeGreaterThan(87_000)
    expect(times.at(-1)).toBeLessThan(90_001)
    expect(a.associations.nextWake()).toBeUndefined()
  })

  it('try again soon when there is a new path', () => {
    const { world, a, b } = pair({ ...FAIR, loss: 1 })
    world.want(a, b)
    world.run(20_000)
    world.weather = FAIR
    a.associations.pathsChanged(world.now, b.id)
    expect(world.until(() => b.associations.ready(a.id), 130)).toBe(true)
  })

  it('opened by both ends at once serve both, both ways', () => {
    const { world, a, b } = pair()
    world.want(a, b)
    world.want(b, a)
    world.run(1000)
    expect([a.associations.size, b.associations.size]).toEqual([2, 2])
    for (let minute = 0; minute < 30; minute++) {
      world.say(a, b, minute)
      world.say(b, a, minute)
      world.run(60_000)
    }
    expect([a.got.length, b.got.length]).toEqual([30, 30])
    expect(world.sent.filter(({ body }) => kindOf(body) === 1)).toHaveLength(2)
  })

  it('opened by one end while the other already answers are made once', () => {
    const { world, a, b } = pair()
    world.want(a, b)
    world.run(15)
    world.want(b, a)
    world.run(1000)
    expect([a.associations.size, b.associations.size]).toEqual([1, 1])
  })

  it('are renewed by one handshake, however much is sent meanwhile', () => {
    const { world, a, b } = associatedPair()
    world.weather = { ...FAIR, delayMs: [100, 100] }
    for (let minute = 0; minute < 56; minute++) {
      world.say(a, b, minute)
      world.run(60_000)
    }
    while (a.associated.length < 2) {
      world.say(a, b, 0)
      world.run(20)
    }
    for (let i = 0; i < 100; i++) {
      world.say(a, b, 0)
      world.run(20)
    }
    expect([a.associated.length, b.associated.length]).toEqual([2, 2])
  })

  it('go on with the other one if the peer no longer knows one of two', () => {
    const { world, a, b } = pair()
    world.want(a, b)
    world.want(b, a)
    world.run(1000)
    world.say(a, b, 0)
    const used = readU32(world.sent.at(-1)!.body, 0)
    world.inject(a, unknownBody(used), b.id)
    world.say(a, b, 1)
    expect(readU32(world.sent.findLast(({ body }) => kindOf(body) === 0)!.body, 0)).not.toBe(used)
    world.run(1000)
    expect(numbers(b)).toEqual([0, 1])
  })

  it('are renewed under traffic without losing any of it', () => {
    for (const weather of [FAIR, { loss: 0, duplicates: 0.2, delayMs: [1, 900] }] as const) {
      const { world, a, b } = pair(weather)
      world.want(a, b)
      world.run(5000)
      const total = (5 * HOUR_MS) / 2000
      for (let i = 0; i < total; i++) {
        world.say(a, b, i)
        world.say(b, a, i)
        world.run(2000)
      }
      world.run(10_000)
      expect(numbers(a).toSorted((x, y) => x - y)).toEqual(Array.from({ length: total }, (_, i) => i))
      expect(numbers(b)).toHaveLength(total)
      const renewals = a.associated.length - 1
      expect(renewals).toBeGreaterThanOrEqual(4)
      expect(renewals).toBeLessThanOrEqual(6)
      expect(a.associated.every(({ restarted }) => !restarted)).toBe(true)
      expect(a.associations.size).toBe(1)
    }
  })

  it('that are replaced open what was sealed for a minute more', () => {
    const { world, a, b } = associatedPair()
    world.run(500_000)
    world.say(a, b, 1)
    world.run(500_000)
    world.tamper = ({ body }) => (kindOf(body) === 0 ? undefined : body)
    for (const number of [2, 3]) world.say(a, b, number)
    const late = world.sent.slice(-2).map(({ body }) => body)
    world.run(1000)
    world.tamper = ({ body }) => body
    // Asks anew, as after an `unknown`.
    const used = readU32(late[0]!, 0)
    world.inject(a, unknownBody(used), b.id)
    world.run(1000)
    expect([a.associations.size, b.associations.size]).toEqual([2, 2])
    world.inject(b, late[0]!, a.id)
    expect(numbers(b)).toEqual([1, 2])
    world.run(70_000)
    expect([a.associations.size, b.associations.size]).toEqual([1, 1])
    world.inject(b, late[1]!, a.id)
    expect(numbers(b)).toEqual([1, 2])
    expect(b.dropped('unknown-index')).toBe(1)
  })

  it('that serve nobody for ten minutes are dropped, unless they are wanted', () => {
    const { world, a, b } = associatedPair()
    for (let minute = 0; minute < 15; minute++) {
      world.want(a, b)
      world.run(60_000)
    }
    expect([a.associations.size, b.associations.size]).toEqual([1, 0])
    expect(b.associations.nextWake()).toBeUndefined()
    // One that the other end has dropped is made anew by the first packet.
    expect(world.say(a, b, 1)).toBe(true)
    world.run(1000)
    expect(b.got).toEqual([])
    expect(a.associated[1]).toMatchObject({ restarted: false })
    world.say(a, b, 2)
    world.run(1000)
    expect(numbers(b)).toEqual([2])
  })

  it('end after two hours if the peer gives no new keys', () => {
    const { world, a, b } = associatedPair()
    world.tamper = ({ body }) => (kindOf(body) === 0 ? body : undefined)
    let minutes = 0
    for (; minutes < 200 && world.say(a, b, minutes); minutes++) world.run(60_000)
    expect(minutes).toBeGreaterThanOrEqual(120)
    expect(minutes).toBeLessThanOrEqual(121)
    expect(b.got).toHaveLength(minutes)
    expect(a.associations.ready(b.id)).toBe(false)
  })
})

describe('Associations with a peer that restarts', () => {
  it('come about again, with the new process, wherever the old one was when it ended', () => {
    for (let seed = 0; seed < 60; seed++) {
      const made = pair(FOUL, seed)
      const { world } = made
      const ends = { a: made.a, b: made.b }
      const restarting = seed % 2 === 0 ? 'a' : 'b'
      world.want(ends.a, ends.b)
      world.run(seed * 25)
      const wasReady = ends[restarting === 'a' ? 'b' : 'a'].associations.ready(ends[restarting].id)
      ends[restarting] = world.start(restarting)
      const stays = restarting === 'a' ? ends.b : ends.a
      const fresh = ends[restarting]
      for (let i = 0; i < 100; i++) {
        world.want(ends.a, ends.b)
        world.say(ends.a, ends.b, i)
        world.say(ends.b, ends.a, i)
        world.run(100)
      }
      expect(
        stays.got.some(({ incarnation }) => incarnation === 102),
        `seed ${seed}`,
      ).toBe(true)
      expect(fresh.got.length, `seed ${seed}`).toBeGreaterThan(0)
      if (wasReady)
        expect(
          stays.associated.filter(({ restarted }) => restarted),
          `seed ${seed}`,
        ).toHaveLength(1)
      // Once the new process is known, nothing of the old one comes any more.
      const first = stays.got.findIndex(({ incarnation }) => incarnation === 102)
      expect(stays.got.slice(first).every(({ incarnation }) => incarnation === 102)).toBe(true)
    }
  })

  it('are gone, if they were with the old process', () => {
    const { world, b } = associatedPair()
    const a = world.start('a')
    world.want(a, b)
    world.run(1000)
    expect(b.associations.size).toBe(1)
    expect(b.associated.map(({ restarted }) => restarted)).toEqual([false, true])
  })

  it('are not given back to the old process by what it sent before it ended', () => {
    const { world, a: old, b } = pair()
    world.want(old, b)
    let third: Uint8Array | undefined
    world.tamper = ({ body }) => (kindOf(body) === 3 ? ((third ??= body), undefined) : body)
    world.run(50)
    world.tamper = ({ body }) => body
    const a = world.start('a')
    world.want(a, b)
    world.run(500)
    expect(b.associated).toMatchObject([{ incarnation: 102 }])
    world.inject(b, third!, a.id)
    expect(b.dropped('stale')).toBe(1)
    expect(b.associated).toHaveLength(1)
    world.say(b, a, 5)
    world.run(500)
    expect(numbers(a)).toEqual([5])
  })
})
