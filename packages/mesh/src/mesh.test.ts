/** Two nodes with a link between them: what came together is handed over together, as a driver does. */
import { expect, test } from 'vitest'
import { type Instant, LIMITS, type NetworkInput, SeededRandom, after, instant, nodeId } from '@causeway/protocol'
import { createTestAuthority, generateKeyPair, seededCrypto } from '../../../test/contract/real-crypto.ts'
import { Mesh } from './mesh.ts'
import type { MeshEffect } from './mesh-contract.ts'

const STEP_MS = 10
const NAMES = ['a', 'b'] as const
type Name = (typeof NAMES)[number]

const authority = createTestAuthority()
const random = new SeededRandom(1)

class Pair {
  now: Instant = instant(0)
  readonly heard: Record<Name, MeshEffect[]> = { a: [], b: [] }
  readonly #keys = { a: generateKeyPair(), b: generateKeyPair() }
  readonly #meshes: Record<Name, Mesh>
  readonly #underWay: Record<Name, NetworkInput[]> = { a: [], b: [] }
  #connection = 0
  #starts = 0

  constructor() {
    this.#meshes = { a: this.#start('a'), b: this.#start('b') }
    this.#connect()
  }

  mesh(name: Name): Mesh {
    return this.#meshes[name]
  }

  /** Another process, which knows nothing of the one before. */
  restart(name: Name, endsAtMs?: number): void {
    this.#meshes[name] = this.#start(name, undefined, endsAtMs)
    for (const each of NAMES) this.#underWay[each] = []
    const gone = { type: 'disconnected', connection: this.#connection, reason: 'reset' } as const
    this.#meshes[other(name)].network(this.now, gone)
    this.#connect()
  }

  /** Another process with the credential of `a` connects to `b`: what `b` makes of it. */
  knock(connection: number, incarnation: number): MeshEffect[] {
    const twin = this.#start('a', incarnation)
    const connected = { type: 'connected', connection, datagram: null, stream: null } as const
    twin.network(this.now, { ...connected, peerKey: this.#keys.b.publicKey, address: 'b:1', remote: 'b' })
    const hello = twin.takeEffects().flatMap((effect) => (effect.type === 'send' ? [effect.message] : []))
    const { b } = this.#meshes
    b.network(this.now, { ...connected, peerKey: this.#keys.a.publicKey, address: undefined, remote: 'twin' })
    b.network(this.now, { type: 'received', connection, lane: 'control', messages: hello })
    return b.takeEffects()
  }

  run(ms: number): void {
    for (const end = after(this.now, ms); this.now < end;) {
      this.now = after(this.now, STEP_MS)
      for (const name of NAMES) for (const input of this.#underWay[name].splice(0)) this.#meshes[name].network(this.now, input)
      for (const name of NAMES) {
        const mesh = this.#meshes[name]
        if ((mesh.nextWake() ?? Infinity) <= this.now) mesh.wake(this.now)
        for (const effect of mesh.takeEffects()) this.#carry(name, effect)
      }
    }
  }

  #start(name: Name, incarnation = 100 + this.#starts++, endsAtMs?: number): Mesh {
    const keys = this.#keys[name]
    const mesh = new Mesh(this.now, {
      ...{ self: nodeId(name), name, site: 's', limits: LIMITS, random, relay: 'site', announce: [], hubs: [], peers: [], uplinks: 0 },
      ...{
        credential: authority.issue(name, keys.publicKey, endsAtMs),
        authorityKey: authority.publicKey,
        crypto: seededCrypto(random, keys.seed),
      },
      incarnation,
    })
    mesh.clock(this.now, { type: 'wall', offsetMs: 0 })
    return mesh
  }

  #connect(): void {
    this.#connection++
    for (const name of NAMES) {
      this.#meshes[name].network(this.now, {
        ...{ type: 'connected', connection: this.#connection, peerKey: this.#keys[other(name)].publicKey },
        ...{ address: name === 'a' ? 'b:1' : undefined, remote: other(name), datagram: null, stream: null },
      })
    }
  }

  #carry(from: Name, effect: MeshEffect): void {
    if (effect.type !== 'send') {
      this.heard[from].push(effect)
      return
    }
    const { lane, message } = effect
    const inputs = this.#underWay[other(from)]
    const last = inputs.at(-1)
    const messages = last?.type === 'received' && last.lane === lane ? [...last.messages, message] : [message]
    if (messages.length > 1) inputs.pop()
    inputs.push({ type: 'received', connection: this.#connection, lane, messages })
  }
}

function other(name: Name): Name {
  return name === 'a' ? 'b' : 'a'
}

test('a link that the peer has closed says why', () => {
  const pair = new Pair()
  pair.run(1_000)
  pair.mesh('b').stop('it is drained')
  pair.run(100)
  pair.mesh('a').network(pair.now, { type: 'disconnected', connection: 1, reason: 'the end of the stream' })
  expect(pair.mesh('a').linkViews(pair.now)).toMatchObject([{ to: 'b', state: 'down', reason: 'closed by the peer: it is drained' }])
})

test('the first packet of a process that was replaced counts, although the handshake that tells of it is handed over with it', () => {
  const pair = new Pair()
  pair.run(2_000)
  pair.mesh('a').open(pair.now, nodeId('b'), 'echo')
  pair.run(500)
  pair.restart('a')
  pair.run(2_000)
  pair.heard.b = []
  const channel = pair.mesh('a').open(pair.now, nodeId('b'), 'echo')
  pair.mesh('a').write(pair.now, channel, [Uint8Array.of(7)])
  // A step until it leaves, three for the messages of the handshake; what came next is with the third.
  pair.run(4 * STEP_MS)
  const told = pair.heard.b.filter(({ type }) => type.startsWith('channel')).map(({ type }) => type)
  const said = pair.heard.b.flatMap((effect) => (effect.type === 'channelMessages' ? effect.messages.map((message) => [...message]) : []))
  expect(told).toEqual(['channelAccepted', 'channelMessages'])
  expect(said).toEqual([[7]])
})

test('of two processes with one name the later one keeps its link: the other is sent away, and told of once', () => {
  const pair = new Pair()
  pair.run(2_000)
  const [first, again] = [pair.knock(98, 50), pair.knock(99, 50)]
  const told = (effects: MeshEffect[]): unknown[] => effects.filter(({ type }) => type === 'event' || type === 'linkDown')
  expect(told(first)).toMatchObject([
    { name: 'name-twice', data: { node: 'a', remote: 'twin', reason: expect.stringContaining('stop one') } },
  ])
  expect(told(again)).toEqual([])
  for (const [effects, connection] of [[first, 98] as const, [again, 99] as const])
    expect(effects).toContainEqual(expect.objectContaining({ type: 'close', connection }))
  expect(pair.mesh('b').link(nodeId('a'))?.up).toBe(true)
  // A process that was started later is a restart.
  expect(pair.knock(100, 200)).toContainEqual(expect.objectContaining({ type: 'linkDown' }))
})

test.each([
  ['in time', 0],
  ['by a clock that was set', 3_600_000],
])('a connection ends with the credential of its peer: %s', (_, aheadMs) => {
  const pair = new Pair()
  pair.run(1_000)
  const endsAtMs = pair.now + aheadMs + 3_000
  pair.restart('a', endsAtMs)
  pair.run(2_500)
  pair.mesh('b').clock(pair.now, { type: 'wall', offsetMs: aheadMs })
  pair.run(400)
  expect(pair.mesh('b').link(nodeId('a'))?.up).toBe(true)
  pair.run(200)
  expect(pair.mesh('b').link(nodeId('a'))?.up).toBe(false)
  const because = { reason: expect.stringContaining('credential of a has expired') }
  expect(pair.heard.b).toContainEqual(expect.objectContaining({ type: 'linkDown', ...because }))
  expect(pair.heard.a).toContainEqual(expect.objectContaining({ type: 'control', message: { type: 'bye', ...because } }))
})
