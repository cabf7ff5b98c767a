/**
 * The handshake Noise_XX_25519_AESGCM_SHA256: two nodes that know nothing of each other's keys agree on two new ones,
 * one for each direction, and each learns which static key the other holds.
 *
 * After "The Noise Protocol Framework", revision 34: the objects and functions of section 5, the pattern XX of 7.5, the
 * functions of 12. `h` is a hash of all that was said, `ck` a key that all secrets so far have gone into.
 *
 *     -> e                  32 bytes, payload
 *     <- e, ee, s, es       32, 32 + 16, payload + 16
 *     -> s, se              32 + 16, payload + 16
 */
import { AEAD_TAG_BYTES, type Aead, type Crypto, invariant, joinBytes } from '@causeway/protocol'

export interface NoiseKeyPair {
  /** X25519, 32 bytes each. */
  readonly privateKey: Uint8Array
  readonly publicKey: Uint8Array
}

/** Keys for what follows the handshake. Counters of each start at 0. */
export interface TransportKeys {
  readonly send: Aead
  readonly receive: Aead
}

export interface NoiseConfig {
  readonly crypto: Crypto
  readonly initiator: boolean
  /** What both must know beforehand: with another prologue no message opens. */
  readonly prologue: Uint8Array
  readonly staticKey: NoiseKeyPair
}

/** Exactly as long as a hash or shorter: so it is padded and not hashed (5.2, InitializeSymmetric). */
const PROTOCOL_NAME = 'Noise_XX_25519_AESGCM_SHA256'
const PATTERN = [['e'], ['e', 'ee', 's', 'es'], ['s', 'se']] as const
const KEY_BYTES = 32
const HASH_BYTES = 32
/** Section 3. */
const MESSAGE_BYTES_MAX = 65_535
const EMPTY = new Uint8Array(0)

type Agreement = 'ee' | 'es' | 'se'

/**
 *  1. Messages are written and read in turn, the initiator begins; out of turn is a bug of ours.
 *  2. After a message that could not be read the handshake is broken. So whoever reads what may be forged reads it
 *     with a `fork`, and keeps that only if all was well.
 *  3. Byte arrays inside are replaced, never changed: that makes a fork cheap.
 */
export class NoiseHandshake {
  readonly #config: NoiseConfig
  #step = 0
  #h: Uint8Array = EMPTY
  #ck: Uint8Array = EMPTY
  #aead: Aead | undefined
  #nonce = 0
  #ephemeral: NoiseKeyPair | undefined
  #theirEphemeral: Uint8Array | undefined
  #theirStatic: Uint8Array | undefined

  constructor(config: NoiseConfig) {
    this.#config = config
    const name = new Uint8Array(HASH_BYTES)
    name.set(Uint8Array.from(PROTOCOL_NAME, (character) => character.charCodeAt(0)))
    this.#h = name
    this.#ck = name
    this.#mixHash(config.prologue)
  }

  /** The same handshake as it stands now, going on by itself. */
  fork(): NoiseHandshake {
    const copy = new NoiseHandshake(this.#config)
    copy.#step = this.#step
    copy.#h = this.#h
    copy.#ck = this.#ck
    copy.#aead = this.#aead
    copy.#nonce = this.#nonce
    copy.#ephemeral = this.#ephemeral
    copy.#theirEphemeral = this.#theirEphemeral
    copy.#theirStatic = this.#theirStatic
    return copy
  }

  /** What identifies the handshake, once it is over: the hash of all that was said (11.2). */
  get hash(): Uint8Array {
    return this.#h
  }

  /** The peer's static key. That the peer holds it is proved once the payload behind it could be read. */
  get theirStatic(): Uint8Array {
    invariant(this.#theirStatic !== undefined, 'the peer has not shown its static key yet')
    return this.#theirStatic
  }

  /** The next message, or `undefined` if the peer's keys are such that no secret can be shared (low order). */
  write(payload: Uint8Array): Uint8Array | undefined {
    const parts: Uint8Array[] = []
    for (const token of this.#tokens(true)) {
      if (token === 'e') {
        this.#ephemeral = generateNoiseKeyPair(this.#config.crypto)
        parts.push(this.#ephemeral.publicKey)
        this.#mixHash(this.#ephemeral.publicKey)
      } else if (token === 's') {
        parts.push(this.#encryptAndHash(this.#config.staticKey.publicKey))
      } else if (!this.#mixAgreement(token)) {
        return undefined
      }
    }
    parts.push(this.#encryptAndHash(payload))
    this.#step++
    const message = joinBytes(...parts)
    invariant(message.length <= MESSAGE_BYTES_MAX, 'a Noise message is too long')
    return message
  }

  /** The payload of the peer's next message; `undefined` if it is not one, and then see invariant 2. */
  read(message: Uint8Array): Uint8Array | undefined {
    if (message.length > MESSAGE_BYTES_MAX) return undefined
    let at = 0
    for (const token of this.#tokens(false)) {
      if (token === 'e' || token === 's') {
        const length = KEY_BYTES + (token === 's' && this.#aead ? AEAD_TAG_BYTES : 0)
        const part = new Uint8Array(message.subarray(at, at + length))
        if (part.length < length) return undefined
        at += length
        if (token === 'e') {
          this.#theirEphemeral = part
          this.#mixHash(part)
        } else {
          this.#theirStatic = this.#decryptAndHash(part)
          if (!this.#theirStatic) return undefined
        }
      } else if (!this.#mixAgreement(token)) {
        return undefined
      }
    }
    const payload = this.#decryptAndHash(message.subarray(at))
    this.#step++
    return payload
  }

  /** The keys agreed on, once the third message has been written or read (5.2, Split). */
  split(): TransportKeys {
    invariant(this.#step === PATTERN.length, 'a handshake is split before its end')
    const { crypto, initiator } = this.#config
    const [first, second] = this.#derive(EMPTY)
    const [fromInitiator, fromResponder] = [crypto.aead(first), crypto.aead(second)]
    return initiator ? { send: fromInitiator, receive: fromResponder } : { send: fromResponder, receive: fromInitiator }
  }

  #tokens(writing: boolean): readonly ('e' | 's' | Agreement)[] {
    const tokens = PATTERN[this.#step]
    const ourTurn = (this.#step % 2 === 0) === this.#config.initiator
    invariant(tokens !== undefined && writing === ourTurn, 'a handshake message out of turn')
    return tokens
  }

  /** The first letter is the initiator's key, the second the responder's: e(phemeral) or s(tatic). */
  #mixAgreement(token: Agreement): boolean {
    const { crypto, initiator, staticKey } = this.#config
    const [ours, theirs] = initiator ? [token[0], token[1]] : [token[1], token[0]]
    const own = ours === 's' ? staticKey : this.#ephemeral
    const other = theirs === 's' ? this.#theirStatic : this.#theirEphemeral
    invariant(own !== undefined && other !== undefined, `no keys for ${token}`)
    const secret = crypto.agree(own.privateKey, other)
    if (!secret) return false
    const [ck, key] = this.#derive(secret)
    this.#ck = ck
    this.#aead = crypto.aead(key)
    this.#nonce = 0
    return true
  }

  /** HKDF with two outputs (section 4.3; RFC 5869 with `ck` as the salt and no info). */
  #derive(input: Uint8Array): [Uint8Array, Uint8Array] {
    const { crypto } = this.#config
    const temporary = crypto.mac(this.#ck, input)
    const first = crypto.mac(temporary, Uint8Array.of(1))
    return [first, crypto.mac(temporary, joinBytes(first, Uint8Array.of(2)))]
  }

  #mixHash(bytes: Uint8Array): void {
    this.#h = this.#config.crypto.hash(joinBytes(this.#h, bytes))
  }

  #encryptAndHash(plain: Uint8Array): Uint8Array {
    if (!this.#aead) {
      this.#mixHash(plain)
      return plain
    }
    const sealed = new Uint8Array(plain.length + AEAD_TAG_BYTES)
    sealed.set(plain)
    this.#aead.seal(this.#nonce++, this.#h, sealed, 0, plain.length)
    this.#mixHash(sealed)
    return sealed
  }

  #decryptAndHash(sealed: Uint8Array): Uint8Array | undefined {
    const plain = this.#aead ? this.#aead.open(this.#nonce++, this.#h, sealed) : sealed
    this.#mixHash(sealed)
    return plain
  }
}

export function generateNoiseKeyPair(crypto: Pick<Crypto, 'randomBytes' | 'publicKey'>): NoiseKeyPair {
  const privateKey = crypto.randomBytes(KEY_BYTES)
  return { privateKey, publicKey: crypto.publicKey(privateKey) }
}
