import { createSocket } from 'node:dgram'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type DatagramKey, writeU32 } from '@causeway/protocol'
import { Datagrams } from './datagrams.ts'

interface End {
  readonly datagrams: Datagrams
  readonly received: string[]
}

async function openEnd(): Promise<End> {
  const received: string[] = []
  const datagrams = await Datagrams.open({ host: '127.0.0.1', port: 0 }, (connection, message) =>
    received.push(`${connection}:${Buffer.from(message).toString()}`),
  )
  return { datagrams, received }
}

async function waitFor(condition: () => boolean): Promise<void> {
  await vi.waitFor(() => expect(condition()).toBe(true), { timeout: 5_000, interval: 2 })
}

/** Sends raw packets, as a stranger who has seen some of them might. */
async function inject(port: number, packets: readonly Uint8Array[]): Promise<void> {
  const socket = createSocket('udp4')
  for (const packet of packets) await new Promise((resolve) => socket.send(packet, port, '127.0.0.1', resolve))
  socket.close()
}

describe('Datagrams', () => {
  let a: End
  let b: End
  let atA: DatagramKey
  let atB: DatagramKey
  beforeEach(async () => {
    a = await openEnd()
    b = await openEnd()
    atA = a.datagrams.associate(1, { host: '127.0.0.1', port: b.datagrams.port })
    atB = b.datagrams.associate(2, undefined)
    a.datagrams.openRemote(1, atB)
    b.datagrams.openRemote(2, atA)
  })
  afterEach(async () => {
    await Promise.all([a.datagrams.close(), b.datagrams.close()])
  })

  /** What `a` puts on the wire for `b`. */
  async function capture(texts: readonly string[]): Promise<Uint8Array[]> {
    const packets: Uint8Array[] = []
    const tap = createSocket('udp4', (packet) => packets.push(packet))
    await new Promise<void>((resolve) => tap.bind(0, '127.0.0.1', resolve))
    const writer = await openEnd()
    writer.datagrams.associate(9, { host: '127.0.0.1', port: tap.address().port })
    writer.datagrams.openRemote(9, atB)
    for (const text of texts) writer.datagrams.send(9, Buffer.from(text))
    await waitFor(() => packets.length === texts.length)
    tap.close()
    await writer.datagrams.close()
    return packets
  }

  it('learns the address of the peer from its first datagram', async () => {
    b.datagrams.send(2, Buffer.from('too early: the address is not known'))
    a.datagrams.send(1, Buffer.from('hello'))
    await waitFor(() => b.received.length === 1)
    b.datagrams.send(2, Buffer.from('and back'))
    await waitFor(() => a.received.length === 1)
    expect([...b.received, ...a.received]).toEqual(['2:hello', '1:and back'])
  })

  it('drops and counts what is short, unknown, forged or replayed', async () => {
    const [good = new Uint8Array(0)] = await capture(['once'])
    const forged = Uint8Array.from(good)
    forged[14] = (forged[14] ?? 0) ^ 1
    const renumbered = Uint8Array.from(good)
    writeU32(renumbered, 8, 77)
    const stranger = Uint8Array.from(good)
    writeU32(stranger, 0, atB.index === 5 ? 6 : 5)
    await inject(b.datagrams.port, [new Uint8Array(27), stranger, forged, renumbered, good, good])
    await waitFor(() => b.datagrams.dropped.replayed === 1)
    expect(b.datagrams.dropped).toEqual({ short: 1, unknown: 1, forged: 2, replayed: 1 })
    expect(b.received).toEqual(['2:once'])
  })

  it('follows the peer to a new address, but not on the word of an old or forged datagram', async () => {
    const [old = new Uint8Array(0), next = new Uint8Array(0)] = await capture(['old', 'next'])
    const moved = createSocket('udp4')
    const arrived: Uint8Array[] = []
    moved.on('message', (packet) => arrived.push(packet))
    await new Promise<void>((resolve) => moved.bind(0, '127.0.0.1', resolve))
    await new Promise((resolve) => moved.send(next, b.datagrams.port, '127.0.0.1', resolve))
    await waitFor(() => b.received.includes('2:next'))
    const forged = Uint8Array.from(next)
    writeU32(forged, 8, 1_000)
    await inject(b.datagrams.port, [old, forged])
    await waitFor(() => b.received.includes('2:old') && b.datagrams.dropped.forged === 1)
    b.datagrams.send(2, Buffer.from('follows'))
    await waitFor(() => arrived.length === 1)
    moved.close()
  })

  it('sends nothing on a connection that is forgotten', async () => {
    const packets = await capture(['late'])
    b.datagrams.forget(2)
    await inject(b.datagrams.port, packets)
    await waitFor(() => b.datagrams.dropped.unknown === 1)
    expect(b.received).toEqual([])
  })

  it('refuses a port that is in use, naming the key', async () => {
    await expect(Datagrams.open({ host: '127.0.0.1', port: a.datagrams.port }, () => {})).rejects.toMatchObject({
      code: 'port-in-use',
      remedy: expect.stringContaining('listen.udp'),
    })
  })
})
