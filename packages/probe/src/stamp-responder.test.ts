import { after, instant } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { STAMP_BYTES, readReflectorPacket, writeSenderPacket } from './stamp-packet.ts'
import { StampResponder } from './stamp-responder.ts'

const CLOCK = { synchronised: false, format: 'ntp', errorMs: 1 } as const
const WALL = Date.UTC(2026, 0)
const T0 = instant(1_000)

function request(ssid = 1): Uint8Array {
  return writeSenderPacket(STAMP_BYTES, { sequence: 9, sentAt: WALL, clock: CLOCK, ssid })
}

function numberOf(reply: Uint8Array | undefined): number | undefined {
  return reply && readReflectorPacket(reply)?.sequence
}

describe('StampResponder', () => {
  it('counts for each session apart: address, port and SSID', () => {
    const responder = new StampResponder({ clock: CLOCK })
    const ask = (peer: string, ssid: number): number | undefined => numberOf(responder.reply(T0, peer, request(ssid), WALL))
    expect([ask('a 1', 1), ask('a 1', 1), ask('a 2', 1), ask('a 1', 2), ask('a 1', 1)]).toEqual([0, 1, 0, 0, 2])
    expect(responder.counts).toEqual({ received: 5, reflected: 5, malformed: 0, refused: 0, sessions: 3 })
  })

  it('begins anew with a session that was silent for long', () => {
    const responder = new StampResponder({ clock: CLOCK })
    responder.reply(T0, 'a 1', request(), WALL)
    expect(numberOf(responder.reply(after(T0, 900_000), 'a 1', request(), WALL))).toBe(1)
    expect(numberOf(responder.reply(after(T0, 1_800_001), 'a 1', request(), WALL))).toBe(0)
  })

  it('keeps a bounded number of sessions; the longest silent makes room (2)', () => {
    const responder = new StampResponder({ clock: CLOCK, sessionsMax: 2 })
    const ask = (peer: string): number | undefined => numberOf(responder.reply(T0, peer, request(), WALL))
    expect([ask('a'), ask('b'), ask('a'), ask('c'), ask('a'), ask('b')]).toEqual([0, 0, 1, 0, 2, 0])
    expect(responder.counts.sessions).toBe(2)
  })

  it('does not answer what is no request, and counts it (1)', () => {
    const responder = new StampResponder({ clock: CLOCK })
    for (const bytes of [0, 1, 14, 43]) expect(responder.reply(T0, 'a', new Uint8Array(bytes), WALL)).toBeUndefined()
    expect(responder.counts).toMatchObject({ received: 4, reflected: 0, malformed: 4 })
  })

  it('does not answer a reply (3)', () => {
    const responder = new StampResponder({ clock: CLOCK })
    const reply = responder.reply(T0, 'a', request(), WALL)
    expect(reply).toBeDefined()
    expect(responder.reply(T0, 'b', reply ?? request(), WALL + 50)).toBeUndefined()
  })

  it('gives no more replies a second than allowed (4)', () => {
    const responder = new StampResponder({ clock: CLOCK, packetsPerSecondMax: 2 })
    const answers = [0, 10, 20, 999, 1000].map((ms) => responder.reply(after(T0, ms), 'a', request(), WALL) !== undefined)
    expect(answers).toEqual([true, true, false, false, true])
    expect(responder.counts.refused).toBe(2)
  })
})
