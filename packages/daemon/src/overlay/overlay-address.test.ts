import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { nodeOf, overlayAddress } from './overlay-address.ts'

test('an address names a node, in text and in bytes', async () => {
  const peerId = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
  for (const address of [overlayAddress('nrt-2-a'), overlayAddress('nrt-2-a', peerId)]) {
    expect(nodeOf(address)).toBe('nrt-2-a')
    expect(nodeOf(multiaddr(address.toString()))).toBe('nrt-2-a')
    expect(multiaddr(address.bytes).equals(address)).toBe(true)
  }
  expect(overlayAddress('nrt-2-a').toString()).toBe('/causeway/nrt-2-a')
})

test.each(['/memory/nrt-2-a', '/unix/nrt-2-a', '/dns4/nrt-2-a/tcp/1', '/causeway/a/tcp/1', '/ip4/127.0.0.1/tcp/1/causeway/a', '/'])(
  '%s is none of ours',
  (text) => expect(nodeOf(multiaddr(text))).toBeUndefined(),
)

test.each(['Nrt', 'a b', '-a', 'x'.repeat(64)])('"%s" cannot be the name of a node', (name) =>
  expect(() => overlayAddress(name)).toThrow('is not the name of a node'),
)
