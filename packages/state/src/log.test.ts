import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { equalBytes } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { type Batch, signBatch } from './batch.ts'
import { Log } from './log.ts'
import type { LogPacking } from './replica-contract.ts'
import { labCredential, labCredentials, labCrypto } from './replica-lab.ts'

const NAME = { collection: 'tasks', partition: 'hkg-1', writer: 'a' }
const PACKING: LogPacking = { pack: (batches) => deflateRawSync(batches), unpack: (packed) => inflateRawSync(packed) }

function logOf(
  epoch: number,
  sizes: readonly number[],
  durable = (seq: number): number => seq,
): { readonly log: Log; readonly batches: readonly Batch[] } {
  const crypto = labCrypto('a')
  const credential = labCredentials().check(labCredential('a'))
  if (typeof credential === 'string') throw new Error(credential)
  const batches: Batch[] = []
  let log: Log | undefined
  for (const [at, bytes] of sizes.entries()) {
    const update = new Uint8Array(bytes).fill(epoch)
    update[0] = at
    const head = at === 0 ? { base: [], parts: 0, credential: credential.signed } : undefined
    const { batch, link } = signBatch(crypto, { ...NAME, epoch, seq: at + 1, head, update }, log?.tip ?? new Uint8Array(0))
    if (head) log = new Log(NAME, epoch, head, credential)
    log?.append(batch, link)
    log?.becameDurable(durable(at + 1), PACKING)
    batches.push(batch)
  }
  if (!log) throw new Error('a log has a batch')
  return { log, batches }
}

function encodedOf(batches: readonly Batch[], seq: number): Uint8Array {
  const batch = batches[seq - 1]
  if (!batch) throw new Error(`there is no batch ${seq}`)
  return batch.encoded
}

describe('a log', () => {
  it('gives its batches as they came, of many logs in any order', () => {
    const many = Array.from({ length: 300 }, () => 50)
    const later = (seq: number): number => (seq < 250 ? Math.min(seq, 90) : seq)
    const logs = [logOf(1, many), logOf(2, many, later), logOf(3, [...many.slice(0, 100), 100_000, ...many.slice(0, 100)])]
    for (const step of [1, 7, 150])
      for (let seq = 1; seq <= 200; seq += step)
        for (const { log, batches } of logs) expect(equalBytes(log.at(seq).encoded, encodedOf(batches, seq))).toBe(true)
    for (const { log, batches } of logs) {
      expect([...log.batches()].every(({ encoded, seq }) => equalBytes(encoded, encodedOf(batches, seq)))).toBe(true)
      expect(log.seq).toBe(batches.length)
      expect(log.bytes).toBe(batches.reduce((sum, { encoded }) => sum + encoded.length, 0))
    }
  })

  it('packs what is old and on disk, and never what has just come', () => {
    const credential = labCredentials().check(labCredential('a'))
    if (typeof credential === 'string') throw new Error(credential)
    const { batches } = logOf(
      1,
      Array.from({ length: 200 }, () => 50),
    )
    const log = new Log(NAME, 1, { base: [], parts: 0, credential: credential.signed }, credential)
    let packed = 0
    const counting: LogPacking = {
      ...PACKING,
      pack: (bytes) => {
        packed++
        return PACKING.pack(bytes)
      },
    }
    for (const batch of batches) log.append(batch, new Uint8Array(16))
    expect(packed).toBe(0)
    log.becameDurable(63, counting)
    expect(packed).toBe(0)
    log.becameDurable(64, counting)
    expect(packed).toBe(1)
    log.becameDurable(200, counting)
    expect(packed).toBe(2)
    expect(equalBytes(log.at(128).encoded, encodedOf(batches, 128))).toBe(true)
  })

  it('gives batches that stay what they are when others are asked for', () => {
    const { log, batches } = logOf(
      1,
      Array.from({ length: 200 }, () => 50),
    )
    const held = log.at(3)
    log.at(150)
    log.at(70)
    expect(equalBytes(held.encoded, encodedOf(batches, 3))).toBe(true)
  })
})
