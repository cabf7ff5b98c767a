/**
 * The credential file of a node: YAML, mode 0600, with everything the node needs to prove who it is. The lines for
 * people (name, site, expiry) repeat what is signed and are never believed.
 *
 *     privateKey     base64, Ed25519 seed, 32 bytes: secret
 *     authorityKey   base64, Ed25519 public key of the authority, 32 bytes
 *     credential     base64, the signed body (see `Credential`)
 *     signature      base64, 64 bytes
 */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { parse, stringify } from 'yaml'
import { z } from 'zod'
import { CausewayError, type Credential, type SignedCredential, checkCredential } from '@causeway/protocol'
import { createVerifier, keyPairOf, privateKeyOf } from './node-crypto.ts'

export interface CredentialSecrets {
  /** Ed25519 seed of the node, 32 bytes. */
  readonly seed: Uint8Array
  readonly authorityKey: Uint8Array
  readonly signed: SignedCredential
}

export interface LoadedCredential extends CredentialSecrets {
  readonly credential: Credential
  /** What a person should know but the node can live with. */
  readonly warnings: readonly string[]
}

const base64 = z.base64().transform((text) => new Uint8Array(Buffer.from(text, 'base64')))
const fileSchema = z.object({ privateKey: base64, authorityKey: base64, credential: base64, signature: base64 })

/** Throws what `writeCredentialFile` would. */
export function refuseExisting(path: string): void {
  if (existsSync(path)) throw overwriting(path)
}

function overwriting(path: string): CausewayError {
  return new CausewayError('conflict', `${path} exists`, 'choose another --out; a credential is never overwritten')
}

/** Writes a new file. Throws `conflict` if it exists. */
export function writeCredentialFile(
  path: string,
  secrets: CredentialSecrets,
  people: { name: string; site: string; region: string; role: string; expires: string },
): void {
  const { name, site, region, role, expires } = people
  const text = stringify(
    {
      name,
      site,
      region,
      role,
      expires,
      privateKey: encode(secrets.seed),
      authorityKey: encode(secrets.authorityKey),
      credential: encode(secrets.signed.body),
      signature: encode(secrets.signed.signature),
    },
    { lineWidth: 0 },
  )
  try {
    writeFileSync(path, `# Credential of a Causeway node: keep it secret, it is all one needs to be ${name}.\n${text}`, {
      mode: 0o600,
      flag: 'wx',
    })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') throw overwriting(path)
    throw new CausewayError(
      'credential-invalid',
      `cannot write ${path}: ${(cause as Error).message}`,
      'choose an --out that can be written',
      { cause },
    )
  }
}

/** Reads and checks a credential. Throws `credential-invalid`. */
export function loadCredential(path: string, wallMs: number): LoadedCredential {
  const content = readText(path)
  const file = fileSchema.safeParse(parseText(content))
  if (!file.success) {
    throw invalid(
      `${path} is not a credential file: ${file.error.issues[0]?.path.join('.') || 'what a node needs'} is missing or damaged`,
      'copy the whole file that `causeway issue` wrote',
    )
  }
  const { privateKey: seed, authorityKey, credential: body, signature } = file.data
  const signed = { body, signature }
  if (seed.length !== 32)
    throw invalid(`${path}: privateKey has ${seed.length} bytes instead of 32`, 'copy the whole file that `causeway issue` wrote')
  const { publicKey } = keyPairOf(privateKeyOf(seed))
  const check = checkCredential(createVerifier(), signed, { authorityKey, peerKey: publicKey, wallMs })
  if (!check.ok)
    throw invalid(
      `${path} is not valid: ${check.reason}`,
      'issue a new one with `causeway issue`, or, if it has expired, renew it with `causeway renew`; and check the clock of this machine',
    )
  return { seed, authorityKey, signed, credential: check.credential, warnings: modeWarnings(path) }
}

/** The same, whether it has expired or not: for who signs it anew. */
export function loadExpired(path: string): LoadedCredential {
  return loadCredential(path, 0)
}

/** Who else may use a secret. */
export function modeWarnings(path: string): string[] {
  const mode = statSync(path).mode & 0o777
  return (mode & 0o077) === 0 ? [] : [`${path} can be read or written by others (mode ${mode.toString(8)}): run chmod 600 ${path}`]
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const fault = code === 'ENOENT' ? 'does not exist' : `cannot be read: ${message}`
    throw invalid(`the credential ${path} ${fault}`, 'make one with `causeway issue`, and name it under `credential:` in the config', cause)
  }
}

function parseText(content: string): unknown {
  try {
    return parse(content)
  } catch {
    return undefined
  }
}

function invalid(message: string, remedy: string, cause?: unknown): CausewayError {
  return new CausewayError('credential-invalid', message, remedy, { cause })
}

function encode(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
