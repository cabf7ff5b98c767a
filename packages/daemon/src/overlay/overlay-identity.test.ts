/** Honest peers learn each other's ids; the others play the protocol by hand and are refused. */
import { generateKeyPair, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { lpStream } from '@libp2p/utils'
import { describe, expect, it } from 'vitest'
import type { OverlayConnection } from './overlay-connection.ts'
import { exchangeIdentities } from './overlay-identity.ts'
import { openOverlayPair } from './overlay-pair.ts'

const { signal } = new AbortController()

function claim(key: PrivateKey, nonce = 0, signature: Uint8Array = new Uint8Array()): Uint8Array {
  const bytes = publicKeyToProtobuf(key.publicKey)
  return Buffer.concat([Buffer.alloc(32, nonce), Buffer.from([0, bytes.length]), bytes, signature])
}

/** The dialler's part with messages that were not made for it. */
async function speak(connection: OverlayConnection, [first, last]: readonly [Uint8Array, Uint8Array]): Promise<void> {
  const lp = lpStream(connection)
  await lp.write(first)
  await lp.read()
  await lp.write(last)
}

describe('exchangeIdentities', () => {
  it.each(['Ed25519', 'secp256k1', 'RSA'] as const)('proves %s keys to each other', async (type) => {
    const { dialler, listener } = await openOverlayPair()
    const [a, b] = await Promise.all([generateKeyPair(type as 'Ed25519'), generateKeyPair('Ed25519')])
    const [seenByA, seenByB] = await Promise.all([
      exchangeIdentities(dialler, { privateKey: a, signal, expected: peerIdFromPrivateKey(b) }),
      exchangeIdentities(listener, { privateKey: b, signal }),
    ])
    expect(seenByA.equals(peerIdFromPrivateKey(b))).toBe(true)
    expect(seenByB.equals(peerIdFromPrivateKey(a))).toBe(true)
  })

  it('takes one round trip, and leaves what follows on the connection', async () => {
    const { dialler, listener } = await openOverlayPair()
    const [a, b] = await Promise.all([generateKeyPair('Ed25519'), generateKeyPair('Ed25519')])
    let turnsOfSpeaking = 0
    dialler.addEventListener('message', () => turnsOfSpeaking++)
    const accepted = exchangeIdentities(listener, { privateKey: b, signal })
    await exchangeIdentities(dialler, { privateKey: a, signal })
    dialler.send(Uint8Array.of(7))
    await accepted
    expect(turnsOfSpeaking).toBe(1)
    expect((await lpFree(listener)).subarray()).toEqual(Uint8Array.of(7))
  })

  it('refuses a peer that is not the one expected', async () => {
    const { dialler, listener } = await openOverlayPair()
    const [a, b, c] = await Promise.all([generateKeyPair('Ed25519'), generateKeyPair('Ed25519'), generateKeyPair('Ed25519')])
    exchangeIdentities(listener, { privateKey: b, signal }).catch(() => {})
    await expect(exchangeIdentities(dialler, { privateKey: a, signal, expected: peerIdFromPrivateKey(c) })).rejects.toMatchObject({
      name: 'UnexpectedPeerError',
      message: expect.stringContaining(`is ${peerIdFromPrivateKey(b).toString()}, not`),
    })
  })

  it('refuses a key that its user does not hold', async () => {
    const { dialler, listener } = await openOverlayPair()
    const [mine, stolen, b] = await Promise.all([generateKeyPair('Ed25519'), generateKeyPair('Ed25519'), generateKeyPair('Ed25519')])
    const refused = failure(exchangeIdentities(listener, { privateKey: b, signal }))
    await speak(dialler, [claim(stolen), await mine.sign(Uint8Array.of(1))])
    expect(await refused).toContain('does not hold the key')
  })

  it('refuses an identity that a node in the middle passes on as its own', async () => {
    const [a, b] = await Promise.all([generateKeyPair('Ed25519'), generateKeyPair('Ed25519')])
    const near = await openOverlayPair('node-a', 'node-m')
    const far = await openOverlayPair('node-m', 'node-b')
    near.listener.addEventListener('message', ({ data }) => far.dialler.send(data))
    far.dialler.addEventListener('message', ({ data }) => near.listener.send(data))
    const listening = failure(exchangeIdentities(far.listener, { privateKey: b, signal }))
    expect(await failure(exchangeIdentities(near.dialler, { privateKey: a, signal }))).toContain('does not hold the key')
    // The dialler gives up, so nothing more comes; its signature would have been of `node-a` at `node-m` too.
    far.listener.abort(new Error('enough'))
    expect(await listening).not.toContain('did not fail')
  })

  it('refuses signatures that were made for another nonce or the other role', async () => {
    const [a, b] = await Promise.all([generateKeyPair('Ed25519'), generateKeyPair('Ed25519')])
    // An honest dialler signs for a listener that keeps what it gets.
    const first = await openOverlayPair()
    const dialled = exchangeIdentities(first.dialler, { privateKey: a, signal })
    const listening = exchangeIdentities(first.listener, { privateKey: b, signal })
    const heard: Uint8Array[] = []
    first.listener.addEventListener('message', ({ data }) => heard.push(data.subarray().slice()))
    await Promise.all([dialled, listening])
    const [said = new Uint8Array(), signed = new Uint8Array()] = heard.map((bytes) => bytes.subarray(1))
    expect([said.length, signed.length]).toEqual([claim(a).length, 64])
    // It plays both to somebody else: the nonce of the answer is new, so the signature is of something else.
    const second = await openOverlayPair()
    const replayed = failure(exchangeIdentities(second.listener, { privateKey: b, signal }))
    await speak(second.dialler, [said, signed])
    expect(await replayed).toContain('does not hold the key')
    // And the signature of a listener is worth nothing in the mouth of a dialler that claims the same key.
    const third = await openOverlayPair()
    const reflected = failure(exchangeIdentities(third.listener, { privateKey: b, signal }))
    const lp = lpStream(third.dialler)
    await lp.write(claim(b))
    await lp.write((await lp.read()).subarray(-64))
    expect(await reflected).toContain('does not hold the key')
  })

  it.each([
    ['nothing', new Uint8Array()],
    ['a claim cut short', new Uint8Array(33)],
    ['a key longer than the message', Buffer.concat([Buffer.alloc(32), Buffer.from([255, 255]), Buffer.alloc(10)])],
    ['a key that is none', Buffer.concat([Buffer.alloc(32), Buffer.from([0, 10]), Buffer.alloc(10)])],
    ['a message too long', new Uint8Array(5000)],
  ])('refuses %s', async (_what, message) => {
    const { dialler, listener } = await openOverlayPair()
    const b = await generateKeyPair('Ed25519')
    const refused = failure(exchangeIdentities(listener, { privateKey: b, signal }))
    await lpStream(dialler).write(message)
    await lpStream(dialler)
      .write(message)
      .catch(() => {})
    expect(await refused).toMatch(/claim|key|long/)
  })
})

/** What a promise is rejected with; not lost while nobody waits for it. */
async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    return String(error)
  }
  return 'it did not fail'
}

/** The next bytes of a connection, without any frame. */
async function lpFree(connection: OverlayConnection): Promise<Uint8Array> {
  for await (const data of connection) return data.subarray()
  throw new Error('it closed')
}
