import { type NodeId, SeededRandom, instant, nodeId } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import type { SessionCodec } from './contract.ts'
import { Sessions, acceptedRelation } from './sessions.ts'

const HUB = nodeId('core-1')

describe('Sessions', () => {
  it('opens what is wanted, once, and names the service for the acceptor', () => {
    const sessions = new Sessions(new SeededRandom(1))
    const opened: string[] = []
    const open = (_peer: NodeId, service: string): number => opened.push(service)
    sessions.want(instant(0), HUB, 'up')
    sessions.want(instant(0), HUB, 'up')
    expect(sessions.openDue(instant(0), open)).toEqual([{ channel: 1, peer: HUB, relation: 'up', packed: true }])
    expect(sessions.openDue(instant(0), open)).toEqual([])
    expect(opened.map((service) => acceptedRelation(service))).toEqual(['down'])
    expect(acceptedRelation('state-mesh')).toBe('mesh')
    expect(acceptedRelation('echo')).toBeUndefined()
  })

  it('opens again what has ended, slower each time it ends quickly', () => {
    const sessions = new Sessions(new SeededRandom(1))
    let channel = 0
    let now = 0
    const waits: number[] = []
    sessions.want(instant(0), HUB, 'up')
    for (let i = 0; i < 10; i++) {
      sessions.openDue(instant(now), () => ++channel)
      sessions.ended(instant(now), channel)
      const next = sessions.nextWake() as number
      waits.push(next - now)
      now = next
    }
    expect(waits[0]).toBeLessThan(400)
    expect(Math.max(...waits)).toBeGreaterThan(2_000)
    expect(Math.max(...waits)).toBeLessThanOrEqual(7_500)
  })

  it('forgets a session that is no longer wanted', () => {
    const sessions = new Sessions(new SeededRandom(1))
    sessions.want(instant(0), HUB, 'up')
    sessions.openDue(instant(0), () => 5)
    expect(sessions.unwant(HUB)).toBe(5)
    sessions.ended(instant(1), 5)
    expect(sessions.nextWake()).toBeUndefined()
    expect(sessions.openDue(instant(10_000), () => 6)).toEqual([])
  })

  it('packs what a session says with a codec of its own, and closes that with the session', () => {
    const closed: number[] = []
    let made = 0
    // Packs by putting a count before a message: only in the right order does it unpack.
    const codec = (): SessionCodec => {
      const number = ++made
      let [packed, unpacked] = [0, 0]
      return {
        pack: (message) => Uint8Array.of(packed++, ...message),
        unpack: (bytes) => (bytes[0] === unpacked++ ? bytes.subarray(1) : undefined),
        close: () => void closed.push(number),
      }
    }
    const [here, there] = [new Sessions(new SeededRandom(1), codec), new Sessions(new SeededRandom(1), codec)]
    expect(here.accepted(7, HUB, 'state-up')).toBe('down')
    expect(there.accepted(9, HUB, 'state-mesh')).toBe('mesh')
    expect(made).toBe(0)
    const messages = [[1, 2], [3], []].map((bytes) => Uint8Array.from(bytes))
    const packed = messages.map((message) => here.pack(7, message))
    expect(packed.map((bytes) => there.unpack(9, bytes))).toEqual(messages)
    // What does not unpack is empty, which no session says.
    expect(there.unpack(9, packed[0]!)).toHaveLength(0)
    here.ended(instant(0), 7)
    expect(closed).toEqual([1])
    expect(here.pack(7, messages[0]!)).toEqual(messages[0])
    expect(made).toBe(2)
  })

  it('packs nothing within a site, and falls back to what an older gateway knows', () => {
    const codec = (): SessionCodec => ({ pack: () => Uint8Array.of(9), unpack: () => undefined, close: () => undefined })
    const sessions = new Sessions(new SeededRandom(1), codec)
    const message = Uint8Array.of(1, 2)
    const said: string[] = []
    const open = (_peer: NodeId, service: string): number => said.push(service)
    sessions.want(instant(0), HUB, 'up', true)
    expect(sessions.openDue(instant(0), open)).toEqual([{ channel: 1, peer: HUB, relation: 'up', packed: false }])
    expect(sessions.pack(1, message)).toEqual(message)
    sessions.ended(instant(1), 1)
    sessions.openDue(instant(10_000), open)
    expect(said).toEqual(['state-site', 'state-up'])
    expect(sessions.pack(2, message)).toEqual(Uint8Array.of(9))
    expect(sessions.accepted(3, HUB, 'state-site')).toBe('down')
    expect(sessions.unpack(3, message)).toEqual(message)
  })
})
