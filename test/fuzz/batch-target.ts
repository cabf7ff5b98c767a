/** Batches as they lie on the disk and travel: none that was changed passes for its writer's, whatever it then says. */
import { hash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { type SeededRandom, equalBytes, joinBytes } from '@causeway/protocol'
import { type Batch, type BatchFields, decodeBatch, signBatch, verifyBatch } from '../../packages/state/src/batch.ts'
import { labCredential } from '../../packages/state/src/replica-lab.ts'
import type { Signer } from '../../packages/state/src/replica-contract.ts'
import type { FuzzTarget } from './fuzz-target.ts'
import { mutate } from './mutate.ts'

const KEY = new Uint8Array(32).fill(5)
const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer')
const signed = (bytes: Uint8Array): Uint8Array => {
  const half = sha256(joinBytes(KEY, bytes))
  return joinBytes(half, half)
}
/** What it would take a signature a hundred times as long to tell: whether these bytes were signed. */
const CRYPTO: Signer = { hash: sha256, sign: signed, verify: (_, bytes, signature) => equalBytes(signature, signed(bytes)) }
const PREVIOUS = new Uint8Array(16).fill(3)

export class BatchTarget implements FuzzTarget {
  readonly name = 'batches'
  readonly #honest: readonly Batch[]

  constructor(random: SeededRandom) {
    this.#honest = Array.from({ length: 32 }, (_, at) => {
      const head = { base: [{ epoch: 7, seq: 9 }], parts: at % 4, credential: labCredential('a') }
      const update = Uint8Array.from({ length: random.uint32() % 200 }, () => random.uint32())
      const seq = at % 2 === 0 ? 1 : at
      const fields: BatchFields = {
        ...{ collection: 'tasks', partition: 'hkg-1', writer: 'a', epoch: 2 ** 51 + at, seq, update },
        head: seq === 1 ? head : undefined,
      }
      return signBatch(CRYPTO, fields, PREVIOUS).batch
    })
  }

  round(random: SeededRandom): 'refused' | 'taken' {
    const honest = this.#honest[random.uint32() % this.#honest.length] as Batch
    const batch = decodeBatch(mutate(honest.encoded, random))
    if (!batch || !verifyBatch(CRYPTO, batch, PREVIOUS, KEY)) return 'refused'
    // Another way to write the same numbers; what it says is what was signed.
    if (!isDeepStrictEqual(saidBy(batch), saidBy(honest))) throw new Error('a batch that was changed passes for what its writer signed')
    return 'taken'
  }
}

function saidBy({ encoded: _, ...said }: Batch): unknown {
  return said
}
