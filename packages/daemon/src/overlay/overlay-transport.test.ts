/** Ordinary libp2p nodes on the overlay transport, over channels in memory. */
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { type Identify, identify } from '@libp2p/identify'
import type { Connection, Libp2p, PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { type Ping, ping } from '@libp2p/ping'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { MemoryNetwork } from './memory-programs.ts'
import { overlayAddress } from './overlay-address.ts'
import { overlayTransport } from './overlay-transport.ts'

type Node = Libp2p<{ ping: Ping; identify: Identify }>

describe('overlayTransport', () => {
  const running: Node[] = []
  afterEach(async () => {
    for (const node of running.splice(0)) await node.stop()
  })

  async function start(network: MemoryNetwork, name: string, listen = overlayAddress(name), privateKey?: PrivateKey): Promise<Node> {
    const node = await createLibp2p({
      ...(privateKey && { privateKey }),
      addresses: { listen: [listen.toString()] },
      transports: [overlayTransport({ programs: network.programs(name), self: name })],
      streamMuxers: [yamux()],
      services: { ping: ping(), identify: identify() },
    })
    running.push(node)
    return node
  }

  async function pair(): Promise<{ network: MemoryNetwork; a: Node; b: Node }> {
    const network = new MemoryNetwork()
    return { network, a: await start(network, 'node-a'), b: await start(network, 'node-b') }
  }

  const inbound = async (node: Node): Promise<Connection> => {
    await vi.waitFor(() => expect(node.getConnections()).toHaveLength(1))
    return node.getConnections()[0] as Connection
  }

  it('is reached by name, and both ends know who the other is', async () => {
    const { a, b } = await pair()
    expect(b.getMultiaddrs().map(String)).toEqual([`/causeway/node-b/p2p/${b.peerId.toString()}`])
    const connection = await a.dial(overlayAddress('node-b'))
    expect(connection.remotePeer.equals(b.peerId)).toBe(true)
    expect(connection.remoteAddr.toString()).toBe(`/causeway/node-b/p2p/${b.peerId.toString()}`)
    expect((await inbound(b)).remotePeer.equals(a.peerId)).toBe(true)
    expect((await inbound(b)).remoteAddr.toString()).toBe(`/causeway/node-a/p2p/${a.peerId.toString()}`)
  })

  it('carries ping and identify unchanged; what identify tells can be dialled', async () => {
    const { network, a, b } = await pair()
    expect(await a.services.ping.ping(overlayAddress('node-b'))).toBeGreaterThanOrEqual(0)
    const seen = await b.services.identify.identify(await inbound(b))
    expect(seen.peerId.equals(a.peerId)).toBe(true)
    expect(seen.listenAddrs.map(String)).toEqual(['/causeway/node-a'])
    // The address book of b knows a by its id now.
    await a.hangUp(b.peerId)
    await vi.waitFor(() => expect(b.getConnections()).toHaveLength(0))
    expect((await b.dial(a.peerId)).remoteAddr.toString()).toContain('/causeway/node-a')
    network.breakAll('the test is over')
  })

  it('refuses a peer id other than the one dialled', async () => {
    const { a, b } = await pair()
    const other = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
    await expect(a.dial(overlayAddress('node-b', other))).rejects.toThrow(`the libp2p peer at node-b is ${b.peerId.toString()}, not`)
    expect(a.getConnections()).toEqual([])
    await vi.waitFor(() => expect(b.getConnections()).toEqual([]))
    await expect(a.dial(overlayAddress('node-b', b.peerId))).resolves.toMatchObject({ status: 'open' })
  })

  it('says what is wrong with a dial: nobody there, oneself, an address of another transport', async () => {
    const { network, a } = await pair()
    await expect(a.dial(overlayAddress('node-c'))).rejects.toThrow('the channel to node-c ended: no service libp2p at node-c')
    await start(network, 'node-d')
    const key = await generateKeyPair('Ed25519')
    const twin = await start(network, 'node-e', overlayAddress('node-e'), key)
    await start(network, 'node-f', overlayAddress('node-f'), key)
    await expect(twin.dial(overlayAddress('node-f'))).rejects.toThrow('Can not dial self')
    await expect(a.dial(multiaddr('/memory/node-b'))).rejects.toThrow(/no valid addresses|no transport/i)
  })

  it('listens on its own name and no other', async () => {
    const network = new MemoryNetwork()
    await expect(start(network, 'node-a', overlayAddress('node-b'))).rejects.toThrow('/causeway/node-b is not this node')
  })

  it('takes no channel whose messages may be lost', async () => {
    const { network } = await pair()
    const ended = Promise.withResolvers<string | null>()
    network
      .programs('node-a')
      .open('node-b', 'libp2p', { class: 'latest' })
      .listen({ messages: () => {}, ended: ended.resolve })
    expect(await ended.promise).toBe('libp2p needs a channel of class ordered, not latest')
  })

  it('closes its connections with the node, and tells both ends when the channel breaks', async () => {
    const { network, a, b } = await pair()
    await a.dial(overlayAddress('node-b'))
    await inbound(b)
    network.breakAll('no path works')
    await vi.waitFor(() => expect([a.getConnections(), b.getConnections()]).toEqual([[], []]))
    await a.dial(overlayAddress('node-b'))
    await inbound(b)
    await b.stop()
    await vi.waitFor(() => expect(a.getConnections()).toEqual([]))
    await expect(a.dial(overlayAddress('node-b'))).rejects.toThrow('no service libp2p at node-b')
    await b.start()
    await expect(a.dial(overlayAddress('node-b'))).resolves.toMatchObject({ status: 'open' })
  })
})
