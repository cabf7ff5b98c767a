/**
 * Yjs updates inside batches that their writer signed: what the gate lets through must leave exactly what it says, and what
 * it refuses must leave nothing. The writer itself is hostile here, so signatures are no help and are left out.
 */
import { isDeepStrictEqual } from 'node:util'
import type { SeededRandom } from '@causeway/protocol'
import { type Batch, decodeBatch, withUpdate } from '../../packages/state/src/batch.ts'
import { type Content, markContent, patchContent, putContent } from '../../packages/state/src/entry.ts'
import { labCredential, labCredentials, labCrypto } from '../../packages/state/src/replica-lab.ts'
import type { Signer } from '../../packages/state/src/replica-contract.ts'
import { ReplicatedDocument } from '../../packages/state/src/replicated-document.ts'
import type { FuzzTarget } from './fuzz-target.ts'
import { mutate } from './mutate.ts'

const NAME = { collection: 'tasks', partition: 'hkg-1', writer: 'a' }
const EPOCH = 1_790_000_000 * 2 ** 20 + 5
const FIRST_BATCHES = 8
const KEYS = 4
/** A document that has taken nothing is looked at so often all the same. */
const LOOK_EVERY = 64

/** The live entries of each key. */
type State = ReadonlyMap<string, ReturnType<ReplicatedDocument['all']>>

/** Everything is signed by whoever says so. */
const LENIENT: Signer = { ...labCrypto('a'), hash: () => new Uint8Array(32), verify: () => true }

export class UpdateTarget implements FuzzTarget {
  readonly name = 'updates'
  readonly #history: readonly Batch[]
  readonly #honest: readonly Batch[]
  #victim: ReplicatedDocument
  #state: State
  #rounds = 0

  constructor(random: SeededRandom) {
    const credentials = labCredentials()
    const own = credentials.check(labCredential('a'))
    if (typeof own === 'string') throw new Error(own)
    const writer = documentOf([])
    this.#history = Array.from({ length: FIRST_BATCHES }, (_, at) => writer.write(EPOCH, own, contentsOf(random, 10 * (at + 1))).batch)
    this.#honest = Array.from({ length: 64 }, (_, at) => documentOf(this.#history).write(EPOCH, own, contentsOf(random, 1_000 + at)).batch)
    this.#victim = documentOf(this.#history)
    this.#state = stateOf(this.#victim)
  }

  round(random: SeededRandom): 'refused' | 'taken' {
    const honest = this.#honest[random.uint32() % this.#honest.length] as Batch
    const batch = withUpdate(honest, mutate(honest.update, random))
    const acceptance = this.#victim.accept(batch)
    this.#rounds++
    if (acceptance.type !== 'applied') {
      if (this.#rounds % LOOK_EVERY === 0) this.#check(this.#state, `refused (${acceptance.type}), but the document is another`)
      return 'refused'
    }
    this.#check(stateOf(documentOf([...this.#history, batch])), 'taken, but a replica that reads it from its disk holds something else')
    const keys = new Set([...this.#victim.keys(), ...this.#state.keys()])
    const isAsBefore = (key: string): boolean => isDeepStrictEqual(this.#victim.all(key), this.#state.get(key) ?? [])
    const untold = [...keys].filter((key) => !acceptance.changed.has(key) && !isAsBefore(key))
    if (untold.length > 0) throw new Error(`taken, and ${untold.join()} changed without being named`)
    // What is stored is read again.
    if (!isDeepStrictEqual(decodeBatch(batch.encoded)?.update, batch.update)) throw new Error('taken, but it cannot be stored')
    this.#victim = documentOf(this.#history)
    return 'taken'
  }

  #check(expected: State, fault: string): void {
    if (!isDeepStrictEqual(stateOf(this.#victim), expected)) throw new Error(fault)
  }
}

function documentOf(batches: readonly Batch[]): ReplicatedDocument {
  const document = new ReplicatedDocument(NAME, LENIENT, labCredentials())
  for (const batch of batches) {
    const { type } = document.accept(batch)
    if (type !== 'applied') throw new Error(`an honest batch, or one that was taken before, is now ${type}`)
  }
  return document
}

function stateOf(document: ReplicatedDocument): State {
  return new Map([...document.keys()].sort().map((key) => [key, [...document.all(key)]]))
}

/** A few puts, patches and marks. */
function contentsOf(random: SeededRandom, ms: number): Content[] {
  return Array.from({ length: 1 + (random.uint32() % 3) }, (_, at) => {
    const head = { key: `k${(random.uint32() + at) % KEYS}`, ms, counter: at }
    switch (random.uint32() % 4) {
      case 0:
        return markContent(head)
      case 1:
        return patchContent(head, { ms: 1, counter: 0 }, [{ name: 'a', ms, counter: at, value: 'x'.repeat(random.uint32() % 40) }], [])
      case 2:
        return putContent(head, { a: [1, 'two', null, 3.5], n: random.uint32() }, { app: 'web' }, { ms: 2, counter: 0 }, 2 ** 41)
      default:
        return putContent(head, 'y'.repeat(random.uint32() % 300), {})
    }
  }).filter(({ key }, at, all) => all.findIndex((other) => other.key === key) === at)
}
