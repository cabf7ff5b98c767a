import { beforeEach, describe, expect, it } from 'vitest'
import { type Probe, SeededRandom, decodeProbePacket, encodeProbePacket, instant, stampOf } from '@causeway/protocol'
import { DropCounters } from './datagram-drops.ts'
import { SEAL_BYTES, seal } from './datagram-seal.ts'
import { DepartureLead } from './departure-lead.ts'
import type { HostPort } from './host-port.ts'
import { Pulse } from './pulse.ts'
import { type Arrival, SealedLane } from './sealed-lane.ts'

const AT_A: HostPort = { host: '10.0.0.1', port: 7400 }
const AT_B: HostPort = { host: '10.0.0.2', port: 7400 }
const ELSEWHERE: HostPort = { host: '10.9.9.9', port: 9 }
const KEY_OF_A = { index: 11, key: new Uint8Array(32).fill(1) }
const KEY_OF_B = { index: 22, key: new Uint8Array(32).fill(2) }
const NO_DROPS = { short: 0, unknown: 0, forged: 0, replayed: 0, malformed: 0, unread: 0, unsent: 0 }

const probe = (sequence: number): Probe => ({
  type: 'probe',
  sequence,
  sent: 0,
  urgent: false,
  alone: false,
  degraded: false,
  rttMs: null,
  queueMs: null,
  replies: 0,
  nextMs: 1_000,
})

/** A lane whose clock is turned by hand. */
class End {
  nowMs = 0
  readonly pulse = new Pulse()
  readonly drops = new DropCounters()
  readonly lane = new SealedLane({ now: () => instant(this.nowMs), pulse: this.pulse, drops: this.drops, lead: new DepartureLead() })

  text(connection: number, text: string): Buffer {
    return this.lane.seal(connection, Buffer.from(text))?.packet ?? Buffer.alloc(0)
  }

  probe(connection: number, sequence: number): Buffer {
    return this.lane.sealProbe(connection, encodeProbePacket(probe(sequence)))?.packet ?? Buffer.alloc(0)
  }

  receive(packet: Buffer, from: HostPort): ReturnType<SealedLane['receive']> {
    return this.lane.receive(packet, from, instant(this.nowMs))
  }
}

function textOf(arrival: Arrival | undefined): string | undefined {
  return arrival && Buffer.from(arrival.message).toString()
}

describe('SealedLane', () => {
  let a: End
  let b: End
  beforeEach(() => {
    a = new End()
    b = new End()
    a.lane.associate(1, KEY_OF_A, AT_B)
    a.lane.openRemote(1, KEY_OF_B)
    b.lane.associate(2, KEY_OF_B, undefined)
    b.lane.openRemote(2, KEY_OF_A)
  })

  it('learns the address of the peer from its first datagram', () => {
    expect(b.lane.seal(2, Buffer.from('too early'))).toBeUndefined()
    const arrival = b.receive(a.text(1, 'hello'), AT_A)
    expect(arrival).toMatchObject({ connection: 2, reply: undefined })
    expect(textOf(arrival)).toBe('hello')
    expect(b.lane.seal(2, Buffer.from('back'))?.to).toEqual(AT_A)
  })

  it('follows the peer to a new address, but not on the word of an old or forged datagram (3)', () => {
    const [old, next] = [a.text(1, 'old'), a.text(1, 'next')]
    b.receive(next, AT_A)
    expect(textOf(b.receive(old, ELSEWHERE))).toBe('old')
    const forged = Buffer.from(a.text(1, 'later'))
    forged[10] = (forged[10] ?? 0) ^ 1
    b.receive(forged, ELSEWHERE)
    expect(b.lane.seal(2, Buffer.from('x'))?.to).toEqual(AT_A)
    b.receive(a.text(1, 'moved'), ELSEWHERE)
    expect(b.lane.seal(2, Buffer.from('x'))?.to).toEqual(ELSEWHERE)
  })

  it('stamps a probe as it leaves, and answers one with its arrival, number and age (5)', () => {
    a.nowMs = 123.456
    b.pulse.beat(instant(9_000))
    const first = a.probe(1, 7)
    expect(first).toHaveLength(42)
    b.nowMs = 9_050
    const arrival = b.receive(first, AT_A)
    expect(decodeProbePacket(arrival?.message ?? Buffer.alloc(0))).toEqual({ ...probe(7), sent: stampOf(instant(123.456)) })
    expect(arrival?.reply?.to).toEqual(AT_A)
    expect(arrival?.reply?.packet).toHaveLength(first.length)
    const reply = a.receive(arrival?.reply?.packet ?? Buffer.alloc(0), AT_B)
    expect(reply?.reply).toBeUndefined()
    expect(decodeProbePacket(reply?.message ?? Buffer.alloc(0))).toEqual({
      type: 'reply',
      sequence: 7,
      sent: stampOf(instant(123.456)),
      received: stampOf(instant(9_050)),
      reflectorSequence: 0,
      residenceMs: 0,
      ageMs: 0,
    })
    b.nowMs = 9_600
    const second = a.receive(b.receive(a.probe(1, 8), AT_A)?.reply?.packet ?? Buffer.alloc(0), AT_B)
    expect(decodeProbePacket(second?.message ?? Buffer.alloc(0))).toMatchObject({ sequence: 8, reflectorSequence: 1, ageMs: 600 })
  })

  it('answers a late probe to where the peer is now (5)', () => {
    const late = a.probe(1, 1)
    b.receive(a.probe(1, 2), ELSEWHERE)
    expect(b.receive(late, AT_A)?.reply?.to).toEqual(ELSEWHERE)
  })

  it('reports, but cannot answer, a probe that comes before the key of its sender', () => {
    const early = new End()
    early.lane.associate(3, KEY_OF_B, undefined)
    expect(early.receive(a.probe(1, 1), AT_A)).toMatchObject({ connection: 3, reply: undefined })
  })

  it('drops and counts what is short, unknown, forged, replayed or a broken probe (2, 4)', () => {
    const good = a.text(1, 'once')
    const stranger = Buffer.from(good)
    stranger.writeUInt32BE(23, 0)
    const renumbered = Buffer.from(good)
    renumbered.writeUInt32BE(77, 4)
    const broken = a.lane.seal(1, Uint8Array.of(1, 2, 3))?.packet ?? Buffer.alloc(0)
    const heard = [Buffer.alloc(SEAL_BYTES - 1), stranger, renumbered, good, good, broken].map((packet) => b.receive(packet, AT_A))
    expect(heard.map(textOf)).toEqual([undefined, undefined, undefined, 'once', undefined, undefined])
    expect(b.drops.read()).toEqual({ ...NO_DROPS, short: 1, unknown: 1, forged: 1, replayed: 1, malformed: 1 })
  })

  it('completes the counters of a sender that has sent more than 2³²', () => {
    let heard = 0
    for (let turn = 0; turn < 6; turn++) {
      const packet = seal(KEY_OF_B.key, KEY_OF_B.index, 2 ** 30 * turn, Buffer.from('x'))
      if (b.receive(packet, AT_A)) heard++
      expect(b.receive(packet, AT_A)).toBeUndefined()
    }
    expect(heard).toBe(6)
    expect(b.drops.read().replayed).toBe(6)
  })

  it('knows nothing of a connection that is forgotten', () => {
    const late = a.text(1, 'late')
    b.lane.forget(2)
    b.lane.forget(2)
    expect(b.receive(late, AT_A)).toBeUndefined()
    expect(b.lane.seal(2, late)).toBeUndefined()
    expect(b.drops.read().unknown).toBe(1)
  })

  it('lets nothing through of 20,000 hostile packets, answers none, and still works (4)', () => {
    const random = new SeededRandom(1)
    const samples = Array.from({ length: 16 }, (_, number) => (number % 2 === 0 ? a.probe(1, number) : a.text(1, `text ${number}`)))
    for (const packet of samples) expect(b.receive(packet, AT_A)).toBeDefined()
    const count = 20_000
    for (let number = 0; number < count; number++) expect(b.receive(hostile(random, samples), ELSEWHERE)).toBeUndefined()
    const { short, unknown, forged, replayed, ...rest } = b.drops.read()
    expect(short + unknown + forged + replayed).toBe(count)
    for (const reason of [short, unknown, forged, replayed]) expect(reason).toBeGreaterThan(100)
    expect(rest).toEqual({ malformed: 0, unread: 0, unsent: 0 })
    expect(b.receive(a.probe(1, 99), AT_A)?.reply?.to).toEqual(AT_A)
  })
})

/** Noise; noise with an index that is known; a real packet changed in one bit, cut, lengthened, or just again. */
function hostile(random: SeededRandom, samples: readonly Buffer[]): Buffer {
  const pick = (bound: number): number => Math.floor(random.float() * bound)
  const noise = Buffer.from(Array.from({ length: pick(80) }, () => pick(256)))
  const known = Buffer.from(samples[pick(samples.length)] ?? noise)
  switch (pick(6)) {
    case 0:
      return noise
    case 1:
      if (noise.length >= 4) noise.writeUInt32BE(KEY_OF_B.index, 0)
      return noise
    case 2: {
      const bit = pick(8 * known.length)
      known[bit >> 3] = (known[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      return known
    }
    case 3:
      return known.subarray(0, pick(known.length))
    case 4:
      return Buffer.concat([known, Buffer.alloc(1 + pick(1_200))])
    default:
      return known
  }
}
