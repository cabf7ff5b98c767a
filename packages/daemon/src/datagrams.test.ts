/** The lane with its thread and a real socket. What packets mean is tested in `sealed-lane.test.ts`, without either. */
import { once } from 'node:events'
import { type Socket, createSocket } from 'node:dgram'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type DatagramKey, type NetworkInput, type Probe, type ProbeReply, instant } from '@causeway/protocol'
import { Datagrams } from './datagrams.ts'
import { Pulse } from './pulse.ts'
import { BACKLOG_BYTES_MAX } from './thread-backlog.ts'

const LOOPBACK = '127.0.0.1'

type Probed = Extract<NetworkInput, { type: 'probed' }>

interface End {
  readonly datagrams: Datagrams
  readonly inputs: NetworkInput[]
  readonly lost: Error[]
  readonly pulse: Pulse
  /** How many knocks (see `settle`) it has heard; they are not among the inputs. */
  knocks: number
}

const KNOCK = Buffer.from('?')

async function openEnd(port = 0): Promise<End> {
  const inputs: NetworkInput[] = []
  const lost: Error[] = []
  const pulse = new Pulse()
  const datagrams = await Datagrams.open({
    listen: { host: LOOPBACK, port },
    pulse,
    onInput: (input) => {
      if (input.type === 'received' && input.messages.some((message) => KNOCK.equals(message))) end.knocks++
      else inputs.push(input)
    },
    onLost: (cause) => lost.push(cause),
  })
  const end: End = { datagrams, inputs, lost, pulse, knocks: 0 }
  return end
}

/** The threads carry out commands in their own time: waits until both know keys and addresses. */
async function settle(a: End, b: End): Promise<void> {
  await waitFor(() => {
    a.datagrams.send(1, KNOCK)
    b.datagrams.send(2, KNOCK)
    return a.knocks > 0 && b.knocks > 0
  })
}

async function waitFor(condition: () => boolean): Promise<void> {
  await vi.waitFor(() => expect(condition()).toBe(true), { timeout: 5_000, interval: 2 })
}

function texts(end: End): string[] {
  return end.inputs.map((input) =>
    input.type === 'received'
      ? `${input.connection}:${input.messages.map((message) => Buffer.from(message).toString()).join()}`
      : input.type,
  )
}

function packetsOf(end: End, type: 'probe' | 'reply'): { input: Probed; packet: Probe | ProbeReply }[] {
  return end.inputs.flatMap((input) => (input.type === 'probed' && input.packet.type === type ? [{ input, packet: input.packet }] : []))
}

const probe = (sequence: number): Probe => ({
  type: 'probe',
  sequence,
  sent: 0,
  urgent: false,
  alone: false,
  degraded: false,
  rttMs: 12.5,
  queueMs: 1.5,
  replies: 3,
  nextMs: 1_000,
})

/** A bare socket, as a stranger has it. */
async function openTap(): Promise<{
  socket: Socket
  packets: Buffer[]
  inject(port: number, packets: readonly Uint8Array[]): Promise<void>
}> {
  const packets: Buffer[] = []
  const socket = createSocket('udp4', (packet) => packets.push(packet))
  await new Promise<void>((resolve) => socket.bind(0, LOOPBACK, resolve))
  const inject = async (port: number, out: readonly Uint8Array[]): Promise<void> => {
    for (const packet of out) await new Promise((resolve) => socket.send(packet, port, LOOPBACK, resolve))
  }
  return { socket, packets, inject }
}

describe('Datagrams', () => {
  let a: End
  let b: End
  let atA: DatagramKey
  let atB: DatagramKey
  beforeEach(async () => {
    ;[a, b] = await Promise.all([openEnd(), openEnd()])
    atA = associate(a, 1, b.datagrams.port)
    atB = associate(b, 2, undefined)
    a.datagrams.openRemote(1, atB)
    b.datagrams.openRemote(2, atA)
    await settle(a, b)
  })
  afterEach(async () => {
    await Promise.all([a.datagrams.close(), b.datagrams.close()])
    const [lost] = [...a.lost, ...b.lost]
    if (lost) throw lost
  })

  function associate(end: End, connection: number, port: number | undefined): DatagramKey {
    const key = end.datagrams.associate(connection, port === undefined ? undefined : { host: LOOPBACK, port })
    if (!key) throw new Error('the lane is closed')
    return key
  }

  it('carries messages both ways, each to its connection', async () => {
    a.datagrams.send(1, Buffer.from('hello'))
    await waitFor(() => b.inputs.length === 1)
    b.datagrams.send(2, Buffer.from('and back').subarray(4))
    await waitFor(() => a.inputs.length === 1)
    expect([...texts(b), ...texts(a)]).toEqual(['2:hello', '1:back'])
  })

  it('leaves from the local address that is named, and takes what comes back there', async () => {
    const tap = await openTap()
    const senders: string[] = []
    tap.socket.on('message', (_packet, { address }) => senders.push(address))
    for (const [connection, from] of [
      [5, '127.0.0.2'],
      [6, '127.0.0.3'],
      // None of this machine's: what should leave from there is lost.
      [7, '192.0.2.1'],
    ] as const) {
      a.datagrams.associate(connection, { host: LOOPBACK, port: tap.socket.address().port }, from)
      a.datagrams.openRemote(connection, atB)
    }
    await waitFor(() => {
      for (const connection of [5, 6, 7]) a.datagrams.send(connection, KNOCK)
      return new Set(senders).size === 2
    })
    expect(new Set(senders)).toEqual(new Set(['127.0.0.2', '127.0.0.3']))
    tap.socket.close()
    const atA = a.datagrams.associate(8, { host: LOOPBACK, port: b.datagrams.port }, '127.0.0.2')
    const atB8 = associate(b, 9, undefined)
    if (atA) b.datagrams.openRemote(9, atA)
    a.datagrams.openRemote(8, atB8)
    await waitFor(() => {
      a.datagrams.sendProbe(8, probe(1))
      return packetsOf(a, 'reply').length > 0
    })
  })

  it('answers a probe by itself, and tells both ends when it came', async () => {
    a.pulse.beat(instant(performance.now()))
    b.pulse.beat(instant(performance.now()))
    const before = performance.now()
    a.datagrams.sendProbe(1, probe(7))
    await waitFor(() => packetsOf(a, 'reply').length === 1 && packetsOf(b, 'probe').length === 1)
    const after = performance.now()
    const [reply] = packetsOf(a, 'reply')
    const [heard] = packetsOf(b, 'probe')
    expect(heard).toMatchObject({ input: { connection: 2 }, packet: { ...probe(7), sent: expect.any(Number) } })
    expect(reply).toMatchObject({ input: { connection: 1 }, packet: { sequence: 7, reflectorSequence: 0 } })
    expect(reply?.packet.sent).toBe(heard?.packet.sent)
    const instants = [before, heard?.input.at ?? NaN, reply?.input.at ?? NaN, after]
    expect(instants).toEqual(instants.toSorted((one, other) => one - other))
  })

  it('keeps from the main thread what strangers send, and answers none of it', async () => {
    const tap = await openTap()
    const noise = Array.from({ length: 2_000 }, (_, number) => Buffer.alloc(number % 90, number & 0xff))
    const knocking = Array.from({ length: 200 }, () => {
      const packet = Buffer.alloc(42, 5)
      packet.writeUInt32BE(atB.index, 0)
      return packet
    })
    await tap.inject(b.datagrams.port, [...noise, ...knocking])
    a.datagrams.send(1, Buffer.from('after the storm'))
    await waitFor(() => b.inputs.length > 0)
    expect(texts(b)).toEqual(['2:after the storm'])
    const { short, unknown, forged } = b.datagrams.dropped
    for (const reason of [short, unknown, forged]) expect(reason).toBeGreaterThan(0)
    expect(tap.packets).toEqual([])
    tap.socket.close()
  })

  it('reports nothing of a connection that is forgotten, and sends nothing on it', async () => {
    a.datagrams.send(1, Buffer.from('one'))
    await waitFor(() => b.inputs.length === 1)
    b.datagrams.forget(2)
    const { unknown } = b.datagrams.dropped
    await waitFor(() => {
      a.datagrams.send(1, Buffer.from('two'))
      return b.datagrams.dropped.unknown > unknown
    })
    b.datagrams.send(2, Buffer.from('three'))
    b.datagrams.sendProbe(2, probe(1))
    const again = associate(a, 4, undefined)
    associate(b, 3, a.datagrams.port)
    b.datagrams.openRemote(3, again)
    await waitFor(() => {
      b.datagrams.send(3, Buffer.from('four'))
      return a.inputs.length > 0
    })
    expect(texts(b)).toEqual(['2:one'])
    expect(new Set(texts(a))).toEqual(new Set(['4:four']))
  })

  it('drops and counts what is more than may wait for the thread (3)', async () => {
    const message = Buffer.alloc(1_200, 7)
    const count = Math.ceil((2 * BACKLOG_BYTES_MAX) / message.length)
    for (let number = 0; number < count; number++) a.datagrams.send(1, message)
    const { unsent } = a.datagrams.dropped
    expect(count - unsent).toBe(Math.floor(BACKLOG_BYTES_MAX / message.length))
    await waitFor(() => b.inputs.length > 0)
    a.datagrams.send(1, Buffer.from('last'))
    await waitFor(() => texts(b).includes('2:last'))
  })

  it('bears an address that cannot be sent to', async () => {
    associate(a, 5, 0)
    a.datagrams.openRemote(5, atB)
    a.datagrams.send(5, Buffer.from('nowhere'))
    await waitFor(() => a.datagrams.dropped.unsent === 1)
    a.datagrams.send(1, Buffer.from('somewhere'))
    await waitFor(() => b.inputs.length === 1)
  })

  it('refuses a port that is in use, naming the key', async () => {
    await expect(openEnd(a.datagrams.port)).rejects.toMatchObject({ code: 'port-in-use', remedy: expect.stringContaining('listen.udp') })
  })
})

describe('Datagrams whose thread dies', () => {
  it('say so once and are closed for good; nothing else happens (4)', async () => {
    const end = await openEnd()
    expect(end.datagrams.associate(1, undefined)).not.toBeNull()
    // Only a bug of ours kills the thread: here an index that admission would have refused.
    end.datagrams.associate(2, { host: LOOPBACK, port: 9 })
    end.datagrams.openRemote(2, { index: -1, key: new Uint8Array(32) })
    end.datagrams.send(2, Buffer.from('x'))
    await waitFor(() => end.lost.length > 0)
    expect(end.datagrams.associate(3, undefined)).toBeNull()
    end.datagrams.send(1, Buffer.from('x'))
    end.datagrams.forget(1)
    await end.datagrams.close()
    expect(end.lost).toHaveLength(1)
    const free = createSocket('udp4')
    free.bind(end.datagrams.port, LOOPBACK)
    await once(free, 'listening')
    free.close()
  })
})
