/**
 * The authority of a network: a directory with the key that signs credentials and a list of the names that were
 * issued. It is used by hand, away from the nodes; no daemon ever reads it.
 *
 *     DIR/authority.key   PKCS#8 PEM, mode 0600: whoever has it can make nodes
 *     DIR/network.json    name, public key, issued names and what was revoked of them; not secret
 *
 * A node's short id is a hash of its name (see `nodeId`), so the list is also what keeps ids unique.
 */
import { createPrivateKey, sign } from 'node:crypto'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { CausewayError, type Credential, NAME_PATTERN, type Role, encodeCredential, nodeId, revocationBody } from '@causeway/protocol'
import { canMatch } from '@causeway/state'
import { loadExpired, refuseExisting, writeCredentialFile } from './credential-file.ts'
import { parseDuration } from './duration.ts'
import { makeDirectory } from './make-directory.ts'
import { generateKeyPair, keyPairOf, privateKeyOf } from './node-crypto.ts'

const KEY_FILE = 'authority.key'
const NETWORK_FILE = 'network.json'
/** Short enough that a lost credential dies of itself; a fleet that renews less often sets `expires`. */
const EXPIRES_DEFAULT = '90d'

const networkSchema = z.object({
  name: z.string(),
  authorityKey: z.string(),
  issued: z.array(z.object({ name: z.string(), site: z.string(), region: z.string(), role: z.enum(['edge', 'hub']), expires: z.string() })),
  revoked: z.array(z.object({ name: z.string(), atMs: z.number(), signature: z.string() })).optional(),
})
type NetworkFile = z.infer<typeof networkSchema>

export interface CreatedNetwork {
  readonly name: string
  readonly keyFile: string
  readonly networkFile: string
}

export interface IssueOptions {
  readonly name: string
  readonly site: string
  readonly region: string
  readonly role: Role
  readonly labels?: Readonly<Record<string, string>>
  /** Patterns over `collection/partition`, besides those the role brings. */
  readonly write?: readonly string[]
  /** A duration such as `90d`; from now. @default 90d */
  readonly expires?: string
  /** The file to write; it must not exist. */
  readonly out: string
}

export interface IssuedCredential {
  readonly name: string
  readonly file: string
  readonly write: readonly string[]
  /** ISO 8601. */
  readonly expires: string
}

/** Makes a new network. Throws `conflict` rather than overwrite one. */
export function createNetwork(directory: string, name: string, { dryRun = false }: { dryRun?: boolean } = {}): CreatedNetwork {
  checkName('network', name)
  const keyFile = join(directory, KEY_FILE)
  const networkFile = join(directory, NETWORK_FILE)
  for (const file of [keyFile, networkFile]) {
    if (existsSync(file))
      throw new CausewayError('conflict', `${file} exists: there is a network in ${directory} already`, 'choose another directory')
  }
  if (dryRun) return { name, keyFile, networkFile }
  const { seed, publicKey } = generateKeyPair()
  const pem = privateKeyOf(seed).export({ format: 'pem', type: 'pkcs8' })
  writing('make', directory, () => makeDirectory(directory, 0o700))
  writing('write', keyFile, () => writeFileSync(keyFile, pem, { mode: 0o600, flag: 'wx' }))
  writeNetwork(networkFile, { name, authorityKey: base64(publicKey), issued: [] })
  return { name, keyFile, networkFile }
}

function writing(what: 'make' | 'write', path: string, write: () => void): void {
  try {
    write()
  } catch (cause) {
    const message = `cannot ${what} ${path}: ${(cause as Error).message}`
    throw new CausewayError('usage', message, 'choose a directory that can be written', { cause })
  }
}

/** Makes a node: a key pair and a credential for it, in one file. Throws `conflict`, `usage` or `credential-invalid`. */
export function issueCredential(directory: string, options: IssueOptions, { dryRun = false }: { dryRun?: boolean } = {}): IssuedCredential {
  const networkFile = join(directory, NETWORK_FILE)
  const network = readNetwork(networkFile)
  const authority = readAuthorityKey(join(directory, KEY_FILE))
  const credential = credentialOf(network, options)
  refuseTaken(network, options.name)
  const expires = new Date(credential.notAfterMs).toISOString()
  if (dryRun) {
    refuseExisting(options.out)
    return { name: options.name, file: options.out, write: credential.write, expires }
  }
  const { seed, publicKey } = generateKeyPair()
  const { name, site, region, role } = options
  const issued = [...network.issued, { name, site, region, role, expires }]
  sealCredential({ ...credential, key: publicKey }, { seed, authority, out: options.out }, () =>
    writeNetwork(networkFile, { ...network, issued }),
  )
  return { name, file: options.out, write: credential.write, expires }
}

export interface RenewOptions {
  /** The credential that the node has, its key included; it may have expired. */
  readonly credential: string
  /** Instead of those it has. */
  readonly labels?: Readonly<Record<string, string>>
  /** Besides those it has. */
  readonly write?: readonly string[]
  /** A duration such as `90d`; from now. @default 90d */
  readonly expires?: string
  /** The file to write; it must not exist. */
  readonly out: string
}

/** Signs for the same node and key once more. Throws `conflict`, `usage`, `not-found` or `credential-invalid`. */
export function renewCredential(directory: string, options: RenewOptions, { dryRun = false }: { dryRun?: boolean } = {}): IssuedCredential {
  const networkFile = join(directory, NETWORK_FILE)
  const network = readNetwork(networkFile)
  const authority = readAuthorityKey(join(directory, KEY_FILE))
  const { seed, authorityKey, credential: old } = loadExpired(options.credential)
  const { name, site, region, role } = old
  if (!Buffer.from(authorityKey).equals(authority.publicKey) || !network.issued.some((one) => one.name === name))
    throw new CausewayError('not-found', `no credential of this ${name} was issued in ${directory}`, 'name the directory that issued it')
  if (network.revoked?.some((one) => one.name === name))
    throw new CausewayError('conflict', `${name} was revoked, for good`, 'issue a credential under another name')
  const { out, labels = old.labels, write = [], expires: lifetime } = options
  const wanted = {
    name,
    site,
    region,
    role,
    labels,
    out,
    write: [...old.write, ...write],
    ...(lifetime !== undefined && { expires: lifetime }),
  }
  const credential = { ...credentialOf(network, wanted), key: old.key }
  const expires = new Date(credential.notAfterMs).toISOString()
  const issued = network.issued.map((one) => (one.name === name ? { ...one, expires } : one))
  if (dryRun) refuseExisting(out)
  else sealCredential(credential, { seed, authority, out }, () => writeNetwork(networkFile, { ...network, issued }))
  return { name, file: out, write: credential.write, expires }
}

/** Signs a credential and writes its file; without the file if `listed` throws: what is not on the list could be issued twice. */
function sealCredential(
  credential: Credential,
  { seed, authority, out }: { readonly seed: Uint8Array; readonly authority: ReturnType<typeof keyPairOf>; readonly out: string },
  listed: () => void,
): void {
  const body = encodeCredential(credential)
  const signature = new Uint8Array(sign(null, body, privateKeyOf(authority.seed)))
  const people = { ...credential, expires: new Date(credential.notAfterMs).toISOString() }
  writeCredentialFile(out, { seed, authorityKey: authority.publicKey, signed: { body, signature } }, people)
  try {
    listed()
  } catch (error) {
    rmSync(out, { force: true })
    throw error
  }
}

export interface SignedRevocation {
  readonly name: string
  /** Milliseconds since 1970. */
  readonly atMs: number
  /** Hexadecimal. */
  readonly signature: string
}

/** Takes the network's word for a node back, for good: its name is not issued again. The same again if it was revoked before. */
export function revokeNode(directory: string, name: string): SignedRevocation {
  const networkFile = join(directory, NETWORK_FILE)
  const network = readNetwork(networkFile)
  const { revoked = [] } = network
  const before = revoked.find((one) => one.name === name)
  if (before) return before
  if (!network.issued.some((one) => one.name === name))
    throw new CausewayError('not-found', `no credential of ${name} was issued in ${directory}`, `see the names in ${networkFile}`)
  const atMs = Date.now()
  const body = revocationBody({ network: network.name, name, atMs })
  const revocation = {
    name,
    atMs,
    signature: sign(null, body, privateKeyOf(readAuthorityKey(join(directory, KEY_FILE)).seed)).toString('hex'),
  }
  writeNetwork(networkFile, { ...network, revoked: [...revoked, revocation] })
  return revocation
}

/** What a node may write: an edge its own site's partitions, a hub everything (it retires writers, and judges sites). */
function writePatterns({ role, site, region, write = [] }: IssueOptions): string[] {
  const own = role === 'hub' ? ['**'] : [`*/${site}`, `*/${site}/**`, `*/${region}/${site}`]
  return [...new Set([...own, ...write])]
}

function credentialOf(network: NetworkFile, options: IssueOptions): Omit<Credential, 'key'> {
  checkName('node', options.name)
  checkName('site', options.site)
  checkName('region', options.region)
  const expires = options.expires ?? EXPIRES_DEFAULT
  const lifetimeMs = parseDuration(expires)
  if (lifetimeMs === undefined)
    throw new CausewayError('usage', `"${expires}" is not a duration`, 'write a number and a unit, for instance 90d or 12h')
  for (const pattern of options.write ?? []) {
    if (!canMatch(pattern))
      throw new CausewayError(
        'usage',
        `"${pattern}" is not a write pattern`,
        'write COLLECTION/PARTITION in lower case, where * stands for one part and a last ** for the rest',
      )
  }
  const { name, site, region, role, labels = {} } = options
  return { network: network.name, name, site, region, role, labels, write: writePatterns(options), notAfterMs: Date.now() + lifetimeMs }
}

function refuseTaken(network: NetworkFile, name: string): void {
  for (const other of network.issued) {
    if (other.name === name)
      throw new CausewayError(
        'conflict',
        `the name ${name} was issued before`,
        'choose another name, since two nodes must never share one; or renew it: causeway renew',
      )
    if (nodeId(other.name) === nodeId(name)) {
      throw new CausewayError('conflict', `the name ${name} has the same short id as ${other.name}`, 'choose another name')
    }
  }
}

function readNetwork(file: string): NetworkFile {
  try {
    return networkSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch (cause) {
    throw new CausewayError('credential-invalid', `${file} is not the file of a network`, 'make a network first: causeway init DIR', {
      cause,
    })
  }
}

function readAuthorityKey(file: string): ReturnType<typeof keyPairOf> {
  try {
    return keyPairOf(createPrivateKey(readFileSync(file)))
  } catch (cause) {
    throw new CausewayError(
      'credential-invalid',
      `${file} is not an authority key that can be read`,
      'issue credentials where the key is kept, as its owner',
      { cause },
    )
  }
}

/** Whole or not at all, so that an interrupted write never loses the list. */
function writeNetwork(file: string, network: NetworkFile): void {
  const draft = `${file}.${process.pid}.new`
  writing('write', file, () => {
    writeFileSync(draft, `${JSON.stringify(network, null, 2)}\n`, { mode: 0o644 })
    renameSync(draft, file)
  })
}

function checkName(what: string, name: string): void {
  if (!NAME_PATTERN.test(name)) {
    throw new CausewayError('usage', `"${name}" is not a ${what} name`, 'use 1 to 63 lower-case letters, digits, dots and hyphens')
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
