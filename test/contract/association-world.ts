/**
 * Two ends of an association, and more, on a virtual wire: for tests of what comes of loss, order, restarts and forgery.
 * The packets are sealed with the daemon's cryptography; the same seed is the same world.
 */
import { AEAD_TAG_BYTES, type Instant, type NodeId, SeededRandom, instant, invariant, nodeId, readU32 } from '@causeway/protocol'
import { SEALED_HEADER_BYTES, sealedBytes, writeHandshake } from '../../packages/mesh/src/association-packet.ts'
import { Associations, type AssociationsConfig, type AssociationsEffect } from '../../packages/mesh/src/associations.ts'
import { type TestAuthority, createTestAuthority, generateKeyPair, seededCrypto } from './real-crypto.ts'

export const authority: TestAuthority = createTestAuthority()

interface Flight {
  readonly at: number
  readonly from: NodeId
  readonly to: NodeId
  readonly body: Uint8Array
  readonly relay: NodeId
}

export interface Weather {
  readonly loss: number
  readonly duplicates: number
  readonly delayMs: readonly [number, number]
}

export const FAIR: Weather = { loss: 0, duplicates: 0, delayMs: [10, 10] }
export const FOUL: Weather = { loss: 0.3, duplicates: 0.3, delayMs: [1, 300] }

export class End {
  readonly id: NodeId
  readonly associations: Associations
  readonly effects: AssociationsEffect[] = []
  /** Numbers that were opened, by the peer's incarnation. */
  readonly got: { number: number; peer: NodeId; incarnation: number }[] = []

  constructor(now: Instant, config: AssociationsConfig) {
    this.id = config.self
    this.associations = new Associations(now, config)
  }

  count(type: AssociationsEffect['type']): number {
    return this.effects.filter((effect) => effect.type === type).length
  }

  get associated(): Extract<AssociationsEffect, { type: 'associated' }>[] {
    return this.effects.filter((effect) => effect.type === 'associated')
  }

  dropped(reason: Parameters<Associations['dropped']['get']>[0]): number {
    return this.associations.dropped.get(reason) ?? 0
  }
}

/** Nodes whose packets lose, repeat and overtake each other on a virtual wire. The same seed, the same world. */
export class World {
  now: Instant = instant(0)
  weather: Weather
  /** All that was ever sent, as it was sent. */
  readonly sent: Flight[] = []
  /** What becomes of a packet on the way: other bytes, or nothing. */
  tamper: (flight: Flight) => Uint8Array | undefined = (flight) => flight.body
  readonly #random: SeededRandom
  readonly #ends = new Map<NodeId, End>()
  readonly #keys = new Map<string, ReturnType<typeof generateKeyPair>>()
  #flying: Flight[] = []
  #starts = 0

  constructor(weather: Weather = FAIR, seed = 1) {
    this.weather = weather
    this.#random = new SeededRandom(seed)
  }

  /** A new process of that node: the former one is gone. */
  start(name: string, other: Partial<AssociationsConfig> = {}): End {
    const keys = this.#keys.get(name) ?? generateKeyPair()
    this.#keys.set(name, keys)
    const end = new End(this.now, {
      self: nodeId(name),
      credential: authority.issue(name, keys.publicKey),
      authorityKey: authority.publicKey,
      incarnation: 100 + this.#starts++,
      crypto: seededCrypto(this.#random, keys.seed),
      random: this.#random,
      wallMs: (now) => now,
      nameOf: (id) => `#${id}`,
      ...other,
    })
    this.#ends.set(end.id, end)
    return end
  }

  want(from: End, to: End): void {
    from.associations.want(this.now, to.id)
    this.#carry(from)
  }

  /** Sends a number sealed, if that is possible. */
  say(from: End, to: End, number: number): boolean {
    const body = new Uint8Array(sealedBytes(4))
    new DataView(body.buffer).setUint32(SEALED_HEADER_BYTES, number)
    const sealed = from.associations.seal(this.now, to.id, body, SEALED_HEADER_BYTES, body.length - AEAD_TAG_BYTES)
    if (sealed) this.#launch({ at: this.now, from: from.id, to: to.id, body, relay: nodeId(`relay-${this.#random.uint32() % 2}`) })
    this.#carry(from)
    return sealed
  }

  inject(to: End, body: Uint8Array, claimed: NodeId): void {
    this.#arrive({ at: this.now, from: claimed, to: to.id, body, relay: nodeId('relay-0') })
  }

  run(ms: number): void {
    this.until(() => false, ms)
  }

  /** Runs until it holds, or for `ms`. Whether it holds. */
  until(holds: () => boolean, ms: number): boolean {
    const end = this.now + ms
    while (!holds()) {
      const flight = this.#flying.reduce<Flight | undefined>((first, each) => (first && first.at <= each.at ? first : each), undefined)
      const wakes = [...this.#ends.values()].map((each) => each.associations.nextWake() ?? Infinity)
      const next = Math.max(this.now, Math.min(flight?.at ?? Infinity, ...wakes))
      if (next > end) break
      this.now = instant(next)
      if (flight && flight.at <= next) {
        this.#flying.splice(this.#flying.indexOf(flight), 1)
        this.#arrive(flight)
      } else {
        for (const each of this.#ends.values()) {
          each.associations.wake(this.now)
          this.#carry(each)
        }
      }
    }
    const held = holds()
    if (!held) this.now = instant(end)
    return held
  }

  #arrive(flight: Flight): void {
    const end = this.#ends.get(flight.to)
    const body = this.tamper(flight)
    if (!end || !body) return
    const opened = end.associations.receive(this.now, body, [flight.relay, flight.from])
    if (opened) end.got.push({ number: readU32(opened.packet, 0), peer: opened.peer, incarnation: opened.incarnation })
    this.#carry(end)
  }

  #carry(from: End): void {
    for (const effect of from.associations.takeEffects()) {
      from.effects.push(effect)
      if (effect.type === 'send') {
        const relay = nodeId(`relay-${effect.attempt % 2}`)
        this.#launch({ at: this.now, from: from.id, to: effect.to, body: effect.body, relay })
      } else if (effect.type === 'reply') {
        const [relay, to] = effect.wayBack as [NodeId, NodeId]
        this.#launch({ at: this.now, from: from.id, to, body: effect.body, relay })
      }
    }
  }

  #launch(flight: Flight): void {
    const { loss, duplicates, delayMs } = this.weather
    this.sent.push(flight)
    for (let copies = this.#random.float() < duplicates ? 3 : 1; copies > 0; copies--) {
      if (this.#random.float() < loss) continue
      const at = flight.at + delayMs[0] + this.#random.float() * (delayMs[1] - delayMs[0])
      this.#flying.push({ ...flight, at, body: flight.body.slice() })
    }
  }
}

export function pair(weather = FAIR, seed = 1): { world: World; a: End; b: End } {
  const world = new World(weather, seed)
  return { world, a: world.start('a'), b: world.start('b') }
}

export function associatedPair(): { world: World; a: End; b: End } {
  const made = pair()
  made.world.want(made.a, made.b)
  made.world.run(1000)
  invariant(made.a.associations.ready(made.b.id) && made.b.associations.ready(made.a.id), 'no association in fair weather')
  return made
}

/** Handshake kind of a body, 0 if it is sealed. */
export function kindOf(body: Uint8Array): number {
  return readU32(body, 0) === 0 ? (body[4] ?? 0) : 0
}

export const numbers = (end: End): number[] => end.got.map(({ number }) => number)

/** "I do not know the association that you call `index`", as anybody can say it. */
export function unknownBody(index: number): Uint8Array {
  return writeHandshake({ kind: 'unknown', sender: 0, receiver: index, noise: new Uint8Array(0) })
}
