/**
 * Who is the libp2p peer on that node? The channel is sealed and has proved the names of both nodes; what is left is to
 * prove which libp2p key speaks there. Three messages in clear on the sealed channel, one round trip for the dialler:
 *
 *     dialler → listener   nonce, public key
 *     listener → dialler   nonce, public key, signature
 *     dialler → listener   signature, with the first data right behind
 *
 * Both sign, with their libp2p keys, one statement of everything: role of the signer, both names, both nonces, both keys.
 * A signature cannot be moved to a channel of other nodes (the names differ), nor replayed (the nonce), nor sent back
 * (the role). Each message has a varint length before it (libp2p's custom); a claim is
 *
 *     0    32    nonce
 *     32   u16   length of the key, big-endian
 *     34   …     public key, protobuf, as in the specification of peer ids; the signature takes the rest
 *
 * The statement is the parts in the order of `statement` below, each after its length as u16.
 */
import { randomBytes } from 'node:crypto'
import { publicKeyFromProtobuf, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { InvalidCryptoExchangeError, type PeerId, type PrivateKey, type PublicKey, UnexpectedPeerError } from '@libp2p/interface'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { lpStream } from '@libp2p/utils'
import type { OverlayConnection } from './overlay-connection.ts'

const CONTEXT = 'causeway libp2p overlay 1'
const NONCE_BYTES = 32
const OFFSET_KEY = NONCE_BYTES + 2
/** A claim with an RSA key of 4,096 bits and its signature has 1,100. */
const CLAIM_BYTES_MAX = 2048

interface Claim {
  readonly nonce: Uint8Array
  readonly key: Uint8Array
  readonly signature: Uint8Array
}

interface Party extends Claim {
  readonly node: string
}

export interface IdentityOptions {
  readonly privateKey: PrivateKey
  readonly signal: AbortSignal
  /** Who the peer must be, if that is known. */
  readonly expected?: PeerId | undefined
}

/** Proves our peer id and learns the peer's. Rejects if it cannot prove its own, or is not the one expected. */
export async function exchangeIdentities(connection: OverlayConnection, options: IdentityOptions): Promise<PeerId> {
  const { privateKey, signal, expected } = options
  const messages = lpStream(connection, { maxDataLength: CLAIM_BYTES_MAX })
  const own: Party = {
    node: connection.self,
    nonce: randomBytes(NONCE_BYTES),
    key: publicKeyToProtobuf(privateKey.publicKey),
    signature: new Uint8Array(),
  }
  const read = async (): Promise<Uint8Array> => (await messages.read({ signal })).subarray()

  if (connection.direction === 'outbound') {
    await messages.write(writeClaim(own), { signal })
    const peer = { ...readClaim(await read()), node: connection.peer }
    const peerId = await verify(peer.key, statement('listener', own, peer), peer.signature)
    if (expected && !peerId.equals(expected)) {
      throw new UnexpectedPeerError(`the libp2p peer at ${connection.peer} is ${peerId.toString()}, not ${expected.toString()}`)
    }
    await messages.write(await privateKey.sign(statement('dialler', own, peer)), { signal })
    messages.unwrap()
    return peerId
  }

  const peer = { ...readClaim(await read()), node: connection.peer }
  const signature = await privateKey.sign(statement('listener', peer, own))
  await messages.write(writeClaim({ ...own, signature }), { signal })
  const peerId = await verify(peer.key, statement('dialler', peer, own), await read())
  messages.unwrap()
  return peerId
}

function statement(signer: 'dialler' | 'listener', dialler: Party, listener: Party): Uint8Array {
  const parts = [CONTEXT, signer, dialler.node, listener.node, dialler.nonce, listener.nonce, dialler.key, listener.key]
  return Buffer.concat(
    parts.flatMap((part) => {
      const bytes = Buffer.from(part)
      const length = Buffer.alloc(2)
      length.writeUInt16BE(bytes.length)
      return [length, bytes]
    }),
  )
}

async function verify(key: Uint8Array, statementBytes: Uint8Array, signature: Uint8Array): Promise<PeerId> {
  const publicKey = readKey(key)
  if (!(await publicKey.verify(statementBytes, signature))) throw new InvalidCryptoExchangeError('the peer does not hold the key it claims')
  return peerIdFromPublicKey(publicKey)
}

function readKey(key: Uint8Array): PublicKey {
  try {
    return publicKeyFromProtobuf(key)
  } catch {
    throw new InvalidCryptoExchangeError('the key that the peer claims cannot be read')
  }
}

function writeClaim({ nonce, key, signature }: Claim): Uint8Array {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(key.length)
  return Buffer.concat([nonce, length, key, signature])
}

function readClaim(bytes: Uint8Array): Claim {
  const end = bytes.length < OFFSET_KEY ? Infinity : OFFSET_KEY + Buffer.from(bytes.subarray(0, OFFSET_KEY)).readUInt16BE(NONCE_BYTES)
  if (end > bytes.length) throw new InvalidCryptoExchangeError('the claim of the peer is cut short')
  return { nonce: bytes.subarray(0, NONCE_BYTES), key: bytes.subarray(OFFSET_KEY, end), signature: bytes.subarray(end) }
}
