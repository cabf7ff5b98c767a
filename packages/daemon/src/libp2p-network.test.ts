import { generateKeyPair } from '@libp2p/crypto/keys'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { LIMITS, type NetworkEffect, type NetworkInput, instant } from '@causeway/protocol'
import {
  type DriverLimits,
  type DriverPair,
  type DriverUnderTest,
  describeNetworkContract,
} from '../../../test/contract/network-contract.ts'
import { Libp2pNetwork } from './libp2p-network.ts'
import { PULSE_MS, Pulse } from './pulse.ts'

const AUTHORITY_KEY = new Uint8Array(32).fill(7)
const LOOPBACK = { host: '127.0.0.1', port: 0 }

interface TestDriver extends DriverUnderTest {
  readonly inputs: NetworkInput[]
  readonly network: Libp2pNetwork
}

async function startDriver(
  limits: Partial<DriverLimits> = {},
  listen = LOOPBACK,
  stream: typeof LOOPBACK | null = LOOPBACK,
): Promise<TestDriver> {
  const privateKey = await generateKeyPair('Ed25519')
  const inputs: NetworkInput[] = []
  const pulse = new Pulse()
  pulse.beat(instant(performance.now()))
  const beating = setInterval(() => pulse.beat(instant(performance.now())), PULSE_MS)
  beating.unref()
  const network = await Libp2pNetwork.start({
    privateKey: privateKey.raw,
    authorityKey: AUTHORITY_KEY,
    listen: { tcp: listen, udp: listen, stream },
    limits: { ...LIMITS, ...limits },
    pulse,
    onInput: (input) => inputs.push(input),
  })
  return {
    address: network.addresses.tcp,
    key: privateKey.publicKey.raw,
    inputs,
    network,
    now: () => performance.now(),
    apply: (effects) => {
      for (const effect of effects) network.apply(effect)
    },
  }
}

async function waitFor(condition: () => boolean, what: string): Promise<void> {
  await vi.waitFor(() => expect(condition(), what).toBe(true), { timeout: 10_000, interval: 5 })
}

/** Nobody listens there, and the system gives it to nobody who asks for any port. */
const CLOSED_PORT = 1

/** How the lane `stream` may travel: on its socket; over the connection, for want of one, or because its port is closed. */
type StreamWay = 'socket' | 'none' | 'closed'

async function makePair(limits: DriverLimits, way: StreamWay): Promise<DriverPair> {
  const start = async (): Promise<TestDriver> => {
    const driver = await startDriver(limits, LOOPBACK, way === 'none' ? null : LOOPBACK)
    return way === 'closed' ? { ...driver, apply: (effects) => driver.apply(effects.map((effect) => misled(effect, CLOSED_PORT))) } : driver
  }
  const [a, b] = [await start(), await start()]
  const stop = async (): Promise<void> => void (await Promise.all([a.network.stop(), b.network.stop()]))
  return { a, b, deadAddress: `127.0.0.1:${CLOSED_PORT}`, waitFor, stop }
}

/** As if the peer had said that its stream port is `port`. */
function misled(effect: NetworkEffect, port: number): NetworkEffect {
  return effect.type === 'openLanes' && effect.stream ? { ...effect, stream: { ...effect.stream, port } } : effect
}

for (const [way, name] of [
  ['socket', 'Libp2pNetwork with a stream socket'],
  ['none', 'Libp2pNetwork over the connection alone'],
  ['closed', 'Libp2pNetwork with a stream port that is closed'],
] as const)
  describeNetworkContract(name, (limits) => makePair(limits, way))

describe('Libp2pNetwork', () => {
  it('refuses a port that is in use, naming address and key', async () => {
    const first = await startDriver()
    const { port } = new URL(`tcp://${first.address}`)
    await expect(startDriver({}, { host: '127.0.0.1', port: Number(port) })).rejects.toMatchObject({
      code: 'port-in-use',
      message: expect.stringContaining(first.address),
      remedy: expect.stringContaining('listen.tcp'),
    })
    await first.network.stop()
  })

  it('answers dials of itself, of nonsense and of unknown names with dialFailed', async () => {
    const driver = await startDriver()
    const addresses = [driver.address, 'nonsense', '127.0.0.1:0', 'no-such-host.invalid:1', '[::zz]:1']
    driver.apply(addresses.map((address) => ({ type: 'dial', address })))
    await waitFor(() => driver.inputs.length === addresses.length, 'an answer to each')
    expect(new Set(driver.inputs.map((input) => (input.type === 'dialFailed' ? input.address : input.type)))).toEqual(new Set(addresses))
    await driver.network.stop()
  })

  it('dials names, and IPv6 in brackets; datagrams use the same address', async () => {
    const six = await startDriver({}, { host: '::1', port: 0 })
    const four = await startDriver()
    const dialler = await startDriver({}, { host: '::', port: 0 })
    dialler.apply([
      { type: 'dial', address: six.address },
      { type: 'dial', address: four.address.replace('127.0.0.1', 'localhost') },
    ])
    await waitFor(() => dialler.inputs.length === 2, 'both dials')
    expect(dialler.inputs.map((input) => input.type)).toEqual(['connected', 'connected'])
    for (const there of [six, four]) {
      const here = dialler.inputs.find((input) => input.type === 'connected' && Buffer.from(input.peerKey).equals(there.key))
      const other = there.inputs[0]
      if (here?.type !== 'connected' || other?.type !== 'connected' || !other.datagram) throw new Error('not connected')
      dialler.apply([{ type: 'openLanes', connection: here.connection, datagram: other.datagram, stream: null }])
      await waitFor(() => {
        dialler.apply([{ type: 'send', connection: here.connection, lane: 'datagram', message: Uint8Array.of(9) }])
        return there.inputs.some((input) => input.type === 'received' && input.lane === 'datagram')
      }, 'a datagram')
    }
    await Promise.all([six, four, dialler].map((driver) => driver.network.stop()))
  })

  it('dials from the first local address that works of those that are named, or not at all', async () => {
    const dialler = await startDriver()
    const there = await startDriver()
    const froms = [['127.0.0.2'], ['192.0.2.1', '127.0.0.3'], ['192.0.2.1'], undefined]
    dialler.apply(froms.map((from) => ({ type: 'dial', address: there.address, ...(from && { from }) })))
    await waitFor(() => dialler.inputs.length === 4 && there.inputs.length === 3, 'an answer to each')
    const hosts = there.inputs.map((input) => input.type === 'connected' && input.remote.split(':')[0])
    expect(new Set(hosts)).toEqual(new Set(['127.0.0.1', '127.0.0.2', '127.0.0.3']))
    const used = dialler.inputs.map((input) => (input.type === 'connected' ? (input.from ?? 'any') : input.type))
    expect(used.toSorted((one, other) => one.localeCompare(other))).toEqual(['127.0.0.2', '127.0.0.3', 'any', 'dialFailed'])
    await Promise.all([dialler.network.stop(), there.network.stop()])
  })

  it('closes a connection whose peer announces a message that is too long', async () => {
    const strict = await startDriver()
    const lax = await startDriver()
    const loose = { ...LIMITS, controlMessageBytesMax: 1_000_000 }
    const inputs: NetworkInput[] = []
    const privateKey = await generateKeyPair('Ed25519')
    const sender = await Libp2pNetwork.start({
      privateKey: privateKey.raw,
      authorityKey: AUTHORITY_KEY,
      listen: { tcp: LOOPBACK, udp: null, stream: null },
      limits: loose,
      pulse: new Pulse(),
      onInput: (input) => inputs.push(input),
    })
    sender.apply({ type: 'dial', address: strict.address })
    await waitFor(() => inputs.length === 1 && strict.inputs.length === 1, 'connected')
    expect(inputs[0]).toMatchObject({ type: 'connected', datagram: null, stream: null })
    sender.apply({ type: 'send', connection: 1, lane: 'control', message: new Uint8Array(LIMITS.controlMessageBytesMax + 1) })
    await waitFor(() => inputs.length === 2 && strict.inputs.length === 2, 'disconnected')
    expect(strict.inputs[1]).toMatchObject({
      type: 'disconnected',
      reason: expect.stringContaining(`longer than ${LIMITS.controlMessageBytesMax} bytes`),
    })
    await Promise.all([sender.stop(), strict.network.stop(), lax.network.stop()])
  })

  it('connects to whichever address of a node works, without waiting for one that does not', async () => {
    const silent = createServer(() => undefined)
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const address = `127.0.0.1:${(silent.address() as AddressInfo).port}`
    const dialler = await startDriver()
    const there = await startDriver()
    dialler.apply([{ type: 'dial', address, others: ['no-such-host.invalid:1', there.address] }])
    await waitFor(() => dialler.inputs.length === 1, 'an answer')
    expect(dialler.inputs[0]).toMatchObject({ type: 'connected', address })
    silent.close()
    await Promise.all([dialler.network.stop(), there.network.stop()])
  })

  it('takes those who connect while it starts as soon as it can: nobody is told that it speaks another protocol', async () => {
    const dialler = await startDriver()
    const before = await startDriver()
    await before.network.stop()
    const [host = '', port] = before.address.split(':')
    const dialling = setInterval(() => dialler.apply([{ type: 'dial', address: before.address }]), 1)
    const there = await startDriver({}, { host, port: Number(port) })
    clearInterval(dialling)
    await waitFor(() => there.inputs.length > 0, 'connected')
    const faults = dialler.inputs.flatMap((input) => (input.type === 'dialFailed' ? [input.reason] : []))
    expect(faults.filter((reason) => !reason.includes('ECONNREFUSED'))).toEqual([])
    await Promise.all([dialler.network.stop(), there.network.stop()])
  })

  it('reports disconnected when the peer vanishes, and accepts it again', async () => {
    const a = await startDriver()
    const b = await startDriver()
    a.apply([{ type: 'dial', address: b.address }])
    await waitFor(() => a.inputs.length === 1 && b.inputs.length === 1, 'connected')
    await b.network.stop()
    await waitFor(() => a.inputs.length === 2, 'disconnected')
    expect(a.inputs[1]).toMatchObject({ type: 'disconnected', connection: 1 })
    await a.network.stop()
  })
})
