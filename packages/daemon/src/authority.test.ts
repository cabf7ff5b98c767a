import { sign } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isRevocation, nodeId } from '@causeway/protocol'
import { type IssueOptions, createNetwork, issueCredential, renewCredential, revokeNode } from './authority.ts'
import { loadCredential } from './credential-file.ts'
import { createVerifier, privateKeyOf } from './node-crypto.ts'

const DAY_MS = 86_400_000

describe('authority', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'causeway-authority-'))
    createNetwork(directory, 'test-net')
  })
  afterEach(() => {
    rmSync(directory, { recursive: true })
  })

  function options(name: string, more: Partial<IssueOptions> = {}): IssueOptions {
    return { name, site: 'hkg-1', region: 'apac', role: 'edge', out: join(directory, `${name}.cred`), ...more }
  }

  it('makes a secret key and a public description, once', () => {
    expect(statSync(join(directory, 'authority.key')).mode & 0o777).toBe(0o600)
    expect(JSON.parse(readFileSync(join(directory, 'network.json'), 'utf8'))).toMatchObject({ name: 'test-net', issued: [] })
    const before = readFileSync(join(directory, 'authority.key'))
    expect(() => createNetwork(directory, 'test-net')).toThrow(expect.objectContaining({ code: 'conflict' }))
    expect(readFileSync(join(directory, 'authority.key'))).toEqual(before)
  })

  it('issues a credential that loads, with the write patterns of an edge', () => {
    const issued = issueCredential(directory, options('hkg-1-a', { labels: { gpu: 'yes' }, write: ['config/**'], expires: '90d' }))
    expect(statSync(issued.file).mode & 0o777).toBe(0o600)
    const { credential, warnings, seed } = loadCredential(issued.file, Date.now())
    expect(credential).toMatchObject({
      network: 'test-net',
      name: 'hkg-1-a',
      site: 'hkg-1',
      region: 'apac',
      role: 'edge',
      labels: { gpu: 'yes' },
      write: ['*/hkg-1', '*/hkg-1/**', '*/apac/hkg-1', 'config/**'],
    })
    expect(Math.abs(credential.notAfterMs - Date.now() - 90 * DAY_MS)).toBeLessThan(60_000)
    expect(warnings).toEqual([])
    const message = Buffer.from('proof')
    expect(createVerifier().verify(credential.key, message, new Uint8Array(sign(null, message, privateKeyOf(seed))))).toBe(true)
  })

  it.each(['', '***', 'config', 'config/', '**/a', 'con fig/**', 'config/***'])('refuses %j as a write pattern', (pattern) => {
    expect(() => issueCredential(directory, options('hkg-1-a', { write: [pattern] }))).toThrow(expect.objectContaining({ code: 'usage' }))
  })

  it('tries without doing anything', () => {
    const other = join(directory, 'other')
    expect(createNetwork(other, 'test-net', { dryRun: true })).toMatchObject({ keyFile: join(other, 'authority.key') })
    expect(existsSync(other)).toBe(false)
    const wanted = options('hkg-1-a')
    const tried = issueCredential(directory, wanted, { dryRun: true })
    expect(existsSync(wanted.out)).toBe(false)
    expect(issueCredential(directory, wanted).write).toEqual(tried.write)
    const again = options('hkg-1-b', { out: wanted.out })
    for (const dryRun of [true, false])
      expect(() => issueCredential(directory, again, { dryRun })).toThrow(expect.objectContaining({ code: 'conflict' }))
  })

  it('revokes what it issued, once, so that anybody can check it, and never issues that name again', () => {
    const { authorityKey } = loadCredential(issueCredential(directory, options('hkg-1-a')).file, Date.now())
    expect(() => revokeNode(directory, 'hkg-1-b')).toThrow(expect.objectContaining({ code: 'not-found' }))
    const revocation = revokeNode(directory, 'hkg-1-a')
    expect(revokeNode(directory, 'hkg-1-a')).toEqual(revocation)
    const isGood = (name: string, network = 'test-net', value: unknown = revocation): boolean =>
      isRevocation(createVerifier(), authorityKey, { network, name }, value)
    expect(isGood('hkg-1-a')).toBe(true)
    expect([isGood('hkg-1-b'), isGood('hkg-1-a', 'other-net'), isGood('hkg-1-a', 'test-net', { ...revocation, atMs: 1 })]).toEqual([
      false,
      false,
      false,
    ])
    for (const value of [null, 1, {}, { atMs: 1, signature: 'zz' }]) expect(isGood('hkg-1-a', 'test-net', value)).toBe(false)
    expect(() => issueCredential(directory, options('hkg-1-a', { out: join(directory, 'again.cred') }))).toThrow(
      expect.objectContaining({ code: 'conflict' }),
    )
  })

  it('renews what it issued, also when that has ended: same node and key, later end, more to write', () => {
    const { file } = issueCredential(directory, options('hkg-1-a', { labels: { gpu: 'yes' }, write: ['config/**'], expires: '0.001s' }))
    const out = join(directory, 'new.cred')
    const wanted = { credential: file, out, write: ['tasks/**'] }
    renewCredential(directory, wanted, { dryRun: true })
    expect(existsSync(out)).toBe(false)
    expect(renewCredential(directory, wanted).write).toContain('tasks/**')
    const [old, renewed] = [loadCredential(file, 0), loadCredential(out, Date.now() + 89 * DAY_MS)]
    expect(renewed.seed).toEqual(old.seed)
    expect(renewed.credential).toEqual({
      ...old.credential,
      write: [...old.credential.write, 'tasks/**'],
      notAfterMs: renewed.credential.notAfterMs,
    })
    const [listed, ...others] = (JSON.parse(readFileSync(join(directory, 'network.json'), 'utf8')) as { issued: { expires: string }[] })
      .issued
    expect([listed?.expires, others]).toEqual([new Date(renewed.credential.notAfterMs).toISOString(), []])
    const relabelled = renewCredential(directory, { credential: out, out: join(directory, 'newer.cred'), labels: {} })
    expect(loadCredential(relabelled.file, Date.now()).credential.labels).toEqual({})
  })

  it('renews nothing that another authority issued or that was revoked, and overwrites nothing', () => {
    const { file } = issueCredential(directory, options('hkg-1-a'))
    const renewing =
      (where: string, out = join(directory, 'new.cred')) =>
      () =>
        renewCredential(where, { credential: file, out })
    const other = join(directory, 'other')
    createNetwork(other, 'test-net')
    issueCredential(other, options('hkg-1-a', { out: join(directory, 'theirs.cred') }))
    expect(renewing(other)).toThrow(expect.objectContaining({ code: 'not-found' }))
    expect(renewing(directory, file)).toThrow(expect.objectContaining({ code: 'conflict', message: expect.stringContaining('exists') }))
    revokeNode(directory, 'hkg-1-a')
    expect(renewing(directory)).toThrow(expect.objectContaining({ code: 'conflict', message: expect.stringContaining('revoked') }))
  })

  it('lets a hub write everything, and says each pattern once', () => {
    const { file } = issueCredential(directory, options('core-1', { role: 'hub', write: ['**'] }))
    expect(loadCredential(file, Date.now()).credential.write).toEqual(['**'])
    expect(issueCredential(directory, options('hkg-1-a', { write: ['config/**', '*/hkg-1', 'config/**'] })).write).toEqual([
      ...['*/hkg-1', '*/hkg-1/**', '*/apac/hkg-1', 'config/**'],
    ])
  })

  it('never issues a name twice, nor a name with the id of another, nor over a file', () => {
    issueCredential(directory, options('hkg-1-a'))
    expect(() => issueCredential(directory, options('hkg-1-a', { out: join(directory, 'other') }))).toThrow(
      expect.objectContaining({ code: 'conflict', message: expect.stringContaining('issued before') }),
    )
    const [one, other] = collision()
    issueCredential(directory, options(one))
    expect(() => issueCredential(directory, options(other))).toThrow(
      expect.objectContaining({ code: 'conflict', message: expect.stringContaining(one) }),
    )
    writeFileSync(join(directory, 'taken'), 'mine')
    expect(() => issueCredential(directory, options('hkg-1-b', { out: join(directory, 'taken') }))).toThrow(
      expect.objectContaining({ code: 'conflict' }),
    )
    expect(readFileSync(join(directory, 'taken'), 'utf8')).toBe('mine')
    // The refused name is still free.
    expect(existsSync(issueCredential(directory, options('hkg-1-b')).file)).toBe(true)
  })

  it('refuses bad names, durations, patterns and directories', () => {
    for (const bad of [{ name: 'Bad_Name' }, { site: '' }, { region: 'a b' }, { expires: 'soon' }, { expires: '0d' }, { write: ['a b'] }]) {
      expect(() => issueCredential(directory, { ...options('fine'), ...bad })).toThrow(expect.objectContaining({ code: 'usage' }))
    }
    expect(() => issueCredential(join(directory, 'none'), options('fine'))).toThrow(
      expect.objectContaining({ code: 'credential-invalid', remedy: expect.stringContaining('causeway init') }),
    )
  })
})

describe('loadCredential', () => {
  let directory: string
  let file: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'causeway-authority-'))
    createNetwork(directory, 'test-net')
    file = issueCredential(directory, {
      name: 'n',
      site: 's',
      region: 'r',
      role: 'edge',
      expires: '1h',
      out: join(directory, 'n.cred'),
    }).file
  })
  afterEach(() => {
    rmSync(directory, { recursive: true })
  })

  it('warns of a file that others can read', () => {
    chmodSync(file, 0o644)
    expect(loadCredential(file, Date.now()).warnings).toEqual([expect.stringContaining('chmod 600')])
  })

  it('refuses what is expired, changed, foreign or not there', () => {
    expect(() => loadCredential(file, Date.now() + 2 * 3_600_000)).toThrow(
      expect.objectContaining({ code: 'credential-invalid', message: expect.stringContaining('expired') }),
    )
    const text = readFileSync(file, 'utf8')
    const replaced = (key: string, value: string): string => {
      const path = join(directory, `changed-${key}`)
      writeFileSync(path, text.replace(new RegExp(`^${key}: .*$`, 'm'), `${key}: ${value}`))
      return path
    }
    const other = Buffer.alloc(32, 1).toString('base64')
    expect(() => loadCredential(replaced('authorityKey', other), Date.now())).toThrow(
      expect.objectContaining({ message: expect.stringContaining('not signed') }),
    )
    expect(() => loadCredential(replaced('privateKey', other), Date.now())).toThrow(
      expect.objectContaining({ message: expect.stringContaining('does not hold its key') }),
    )
    expect(() => loadCredential(replaced('signature', '"!"'), Date.now())).toThrow(
      expect.objectContaining({ message: expect.stringContaining('signature') }),
    )
    expect(() => loadCredential(join(directory, 'absent'), Date.now())).toThrow(
      expect.objectContaining({ message: expect.stringContaining('does not exist') }),
    )
  })
})

/** Two names with the same short id: by the birthday bound some 80,000 names are enough. */
function collision(): [string, string] {
  const seen = new Map<number, string>()
  for (let number = 0; ; number++) {
    const name = `n-${number.toString(36)}`
    const before = seen.get(nodeId(name))
    if (before !== undefined) return [before, name]
    seen.set(nodeId(name), name)
  }
}
