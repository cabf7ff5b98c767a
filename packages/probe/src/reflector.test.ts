import { type Probe, after, decodeProbePacket, encodeProbePacket, instant, stampOf } from '@causeway/protocol'
import { expect, it } from 'vitest'
import { Reflector } from './reflector.ts'

const PROBE: Probe = {
  type: 'probe',
  sequence: 65_535,
  sent: 12_345,
  urgent: false,
  alone: false,
  degraded: false,
  rttMs: null,
  queueMs: null,
  replies: 0,
  nextMs: 200,
}

it('repeats number and stamp, adds its own, counts its replies in 16 bits, and does not amplify', () => {
  const reflector = new Reflector()
  const received = instant(1_000.25)
  const now = after(received, 0.5)
  expect(reflector.reply(now, received, PROBE, 30)).toEqual({
    type: 'reply',
    sequence: 65_535,
    sent: 12_345,
    received: stampOf(received),
    reflectorSequence: 0,
    residenceMs: 0.5,
    ageMs: 30,
  })
  for (let i = 1; i < 65_536; i++) expect(reflector.reply(now, received, PROBE, 0).reflectorSequence).toBe(i)
  const again = reflector.reply(now, received, PROBE, 0)
  expect(again.reflectorSequence).toBe(0)
  const bytes = encodeProbePacket(again)
  expect(bytes.length).toBe(encodeProbePacket(PROBE).length)
  expect(decodeProbePacket(bytes)).toEqual(again)
})
