/**
 * What somebody says who connects, before any cryptography: the name of the handshake that they want (multistream-select). That of
 * our network is named by a hash under its key, so that a member knows it and a scanner of ports does not; a member is told apart
 * from a stranger by comparing some bytes. It is no secret from those who read along on the way to a node: they can knock too,
 * and learn then, in the handshake, that a credential is missing.
 *
 *     13 "/multistream/1.0.0" 0a   LL "/causeway/" (32 hex digits) "/noise" 0a        a member
 *     13 "/multistream/1.0.0" 0a   07 "/noise" 0a                                     a stranger, or a node of before there were knocks
 *
 * Members of other networks are told that nobody here knows their handshake, "na", and ask for the plain one then: so that both
 * sides get to say what is wrong. libp2p is not asked, since it also answers who wants to know which handshakes there are.
 */
import type { MultiaddrConnection } from '@libp2p/interface'
import { createHmac } from 'node:crypto'

/** Of js-libp2p, and of nodes that do not knock. */
export const PLAIN_HANDSHAKE = '/noise'
const KNOCK_DIGITS = 32
const HEADER = line('/multistream/1.0.0')
const PLAIN = line(PLAIN_HANDSHAKE)
const UNKNOWN = Buffer.concat([HEADER, line('na')])
/** Of any network. */
const KNOCK = Buffer.concat([HEADER, line(knockWith('0'.repeat(KNOCK_DIGITS)))])
const KNOCK_HEAD = KNOCK.subarray(0, HEADER.length + 1 + '/causeway/'.length)

/** Who came, by what they say; `silent` say too little for too long. */
export type Caller = 'member' | 'stranger' | 'other' | 'silent' | 'gone'
export type Hearable = Pick<MultiaddrConnection, 'addEventListener' | 'removeEventListener' | 'send' | 'unshift' | 'status'>

/** The name of the handshake among members of the network of this authority (Ed25519 public key, 32 bytes). */
export function knockOf(authorityKey: Uint8Array): string {
  return knockWith(createHmac('sha256', authorityKey).update('causeway handshake').digest('hex').slice(0, KNOCK_DIGITS))
}

/** Hears who it is, until the signal; what a member or a stranger has said is left to be read. */
export async function callerOf(connection: Hearable, knock: string, patience: AbortSignal): Promise<Caller> {
  const [member, stranger] = [Buffer.concat([HEADER, line(knock)]), Buffer.concat([HEADER, PLAIN])]
  const caller = await hear(connection, patience, (said) => {
    if (begins(said, member)) return 'member'
    if (begins(said, stranger)) return 'stranger'
    if (begins(said, KNOCK_HEAD) && said.length <= KNOCK.length) return said.length < KNOCK.length ? undefined : 'foreign'
    return begins(KNOCK_HEAD, said) || begins(stranger, said) ? undefined : 'other'
  })
  if (caller !== 'foreign') return caller
  connection.send(UNKNOWN)
  return await hear(connection, patience, (said) => {
    if (begins(said, PLAIN)) return 'stranger'
    return begins(PLAIN, said) ? undefined : 'other'
  })
}

/** Until what was said makes it clear. */
function hear<Kind extends string>(
  connection: Hearable,
  patience: AbortSignal,
  judge: (said: Buffer) => Kind | undefined,
): Promise<Kind | 'silent' | 'gone'> {
  const { promise, resolve } = Promise.withResolvers<Kind | 'silent' | 'gone'>()
  let said: Buffer = Buffer.alloc(0)
  const end = (kind: Kind | 'silent' | 'gone'): void => {
    connection.removeEventListener('message', listen)
    connection.removeEventListener('close', gone)
    patience.removeEventListener('abort', silent)
    if (kind === 'member' || kind === 'stranger') connection.unshift(said)
    resolve(kind)
  }
  const gone = (): void => end('gone')
  const silent = (): void => end('silent')
  const listen = ({ data }: { readonly data: Uint8Array | { subarray(): Uint8Array } }): void => {
    said = Buffer.concat([said, data instanceof Uint8Array ? data : data.subarray()])
    const kind = judge(said)
    if (kind) end(kind)
  }
  patience.addEventListener('abort', silent)
  connection.addEventListener('close', gone)
  if (patience.aborted) silent()
  else if (connection.status === 'open') connection.addEventListener('message', listen)
  else gone()
  return promise
}

function knockWith(digits: string): string {
  return `/causeway/${digits}${PLAIN_HANDSHAKE}`
}

function line(text: string): Buffer {
  return Buffer.from(`${String.fromCharCode(text.length + 1)}${text}\n`)
}

function begins(all: Buffer, first: Buffer): boolean {
  return all.length >= first.length && all.subarray(0, first.length).equals(first)
}
