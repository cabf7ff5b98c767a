import { describe, expect, it } from 'vitest'
import { type Batch, type BatchFields, decodeBatch, signBatch } from './batch.ts'
import { putContent } from './entry.ts'
import { labCredential, labCredentials, labCrypto } from './replica-lab.ts'
import { ReplicatedDocument } from './replicated-document.ts'
import type { WriterCredential } from './writer-credentials.ts'

const NAME = { collection: 'tasks', partition: 'hkg-1', writer: 'a' }
const EPOCH = 1_790_000_000 * 2 ** 20

function credentialOf(writer: string, write?: readonly string[], notAfterMs?: number): WriterCredential {
  const checked = labCredentials().check(labCredential(writer, write, notAfterMs))
  if (typeof checked === 'string') throw new Error(checked)
  return checked
}

/** The first batches of a document of `writer`. */
function written(writer: string, credential: WriterCredential = credentialOf(writer), count = 2): Batch[] {
  const document = new ReplicatedDocument({ ...NAME, writer }, labCrypto(writer), labCredentials())
  return Array.from(
    { length: count },
    (_, n) => document.write(EPOCH, credential, [putContent({ key: 'k', ms: n, counter: 0 }, n, {})]).batch,
  )
}

/** What a reader makes of them. */
function read(batches: readonly Batch[], writer = 'a'): string[] {
  const document = new ReplicatedDocument({ ...NAME, writer }, labCrypto('reader'), labCredentials())
  return batches.map((batch) => {
    const acceptance = document.accept(batch)
    return acceptance.type === 'bad' ? acceptance.reason : acceptance.type
  })
}

/** The batch with something else in it, its signature as it was. */
function tampered(batch: Batch, change: Partial<BatchFields>): Batch {
  return { ...batch, ...change }
}

describe('a batch', () => {
  it('is taken as its writer signed it', () => {
    const batches = written('a')
    expect(read(batches)).toEqual(['applied', 'applied'])
    expect(read(batches.map(({ encoded }) => decodeBatch(encoded)!))).toEqual(['applied', 'applied'])
  })

  it('cannot be changed by who passes it on', () => {
    const [first, second] = written('a') as [Batch, Batch]
    const other = written('a', credentialOf('a'), 3)[2]!
    const unsigned = 'its writer has not signed it as the one that follows'
    for (const change of [{ update: other.update }, { epoch: EPOCH + 1 }, { head: { ...first.head!, parts: 1 } }])
      expect(read([tampered(first, change)])).toEqual([unsigned])
    expect(read([first, tampered(second, { update: other.update })])).toEqual(['applied', unsigned])
    expect(read([{ ...first, signature: first.signature.map((byte) => byte ^ 1) }])).toEqual([unsigned])
  })

  it('cannot be left out of its log', () => {
    const [first, , third] = written('a', credentialOf('a'), 3) as [Batch, Batch, Batch]
    expect(read([first, tampered(third, { seq: 2 })])).toEqual(['applied', 'its writer has not signed it as the one that follows'])
  })

  it('cannot be written in the name of another', () => {
    const [first] = written('a') as [Batch]
    // With the credential of the other, which everybody has, and one's own key.
    const forged = signBatch(labCrypto('hub'), first, new Uint8Array(0)).batch
    expect(read([forged])).toEqual(['its writer has not signed it as the one that follows'])
    // With one's own credential and key.
    const head = { ...first.head!, credential: labCredential('hub') }
    expect(read([signBatch(labCrypto('hub'), { ...first, head }, new Uint8Array(0)).batch])).toEqual(['it shows the credential of hub'])
    // With a credential that nobody has signed.
    const signature = new Uint8Array(64)
    const made = { ...first.head!, credential: { body: labCredential('a').body, signature } }
    expect(read([tampered(first, { head: made })])).toEqual(['its credential was not signed by the authority of this network'])
  })

  it('cannot be written where its writer may not write', () => {
    expect(read(written('a', credentialOf('a', ['tasks/hkg-1'])))).toEqual(['applied', 'applied'])
    expect(read(written('a', credentialOf('a', ['tasks/nrt-1', 'config/**'])))[0]).toBe('a may not write tasks/hkg-1')
  })

  it('cannot be newer than the credential of its writer, and outlives it', () => {
    expect(read(written('a', credentialOf('a', ['**'], 1), 3))).toEqual([
      'applied',
      'applied',
      'an entry is newer than the credential of its writer',
    ])
  })
})
