/**
 * The gate before shared documents. Each writer owns a range of Yjs client ids, and its updates bring structs of these only, without
 * gaps: so nobody can write in another's name, take an id away from somebody, or use one twice.
 *
 *     client id  52 bits: the first 32 of SHA-256 over the writer's name, then 20 that each session of an application draws anew
 *
 * What an update refers to may not be there yet. That is no fault: it waits in its log (see `shared-documents.ts`).
 */
import type { Hasher, Random } from '@causeway/protocol'
import { type SharedUpdate, decodeShared } from './document.ts'
import type { GateResult } from './update-gate.ts'

/** Of the partitions that hold shared documents. */
export const SHARED_COLLECTION = 'documents'
const STRUCTS_MAX = 10_000
const DRAWN = 2 ** 20
/** Far beyond what anybody types, and sums of it stay exact. */
const CLOCK_MAX = 2 ** 40

function firstClientOf(crypto: Hasher, writer: string): number {
  const hash = crypto.hash(Uint8Array.from(`shared ${writer}`, (letter) => letter.codePointAt(0) ?? 0))
  return new DataView(hash.buffer, hash.byteOffset).getUint32(0) * DRAWN
}

/** For one session of an application at this writer. */
export function drawClient(crypto: Hasher, writer: string, random: Random): number {
  return firstClientOf(crypto, writer) + (random.uint32() >>> 12)
}

/** How far a writer's updates go, by client. */
export class SharedGate {
  readonly #first: number
  #clocks = new Map<number, number>()

  constructor(crypto: Hasher, writer: string) {
    this.#first = firstClientOf(crypto, writer)
  }

  /** It brings structs, and all of them were taken before: somebody who has heard no answer says it again. */
  has(update: Uint8Array): boolean {
    const { runs = [] } = decodeShared(update) ?? {}
    return runs.length > 0 && runs.every(({ client, clock, length }) => clock + length <= (this.#clocks.get(client) ?? 0))
  }

  /** Takes the update as the next one, or says what is wrong with it. */
  take(update: Uint8Array): string | undefined {
    const decoded = decodeShared(update)
    if (!decoded) return 'the update cannot be decoded'
    if (decoded.runs.length + decoded.needs.length === 0) return 'the update is empty'
    if (decoded.runs.length > STRUCTS_MAX || decoded.needs.length > 4 * STRUCTS_MAX)
      return `the update has more than ${STRUCTS_MAX} structs`
    const clocks = new Map<number, number>()
    for (const run of decoded.runs) {
      const fault = this.#runFault(run, clocks)
      if (fault) return fault
      clocks.set(run.client, run.clock + run.length)
    }
    for (const [client, clock] of clocks) this.#clocks.set(client, clock)
    return undefined
  }

  /** The same as the gate of all others tells it. */
  check(update: Uint8Array): GateResult {
    const reason = this.take(update)
    return reason === undefined ? { ok: true, checked: { update, entries: [], deletes: [] } } : { ok: false, reason }
  }

  #runFault({ client, clock, length }: SharedUpdate['runs'][number], clocks: ReadonlyMap<number, number>): string | undefined {
    if (client < this.#first || client >= this.#first + DRAWN) return `client ${client} does not belong to its writer`
    const next = clocks.get(client) ?? this.#clocks.get(client) ?? 0
    if (clock !== next) return `a struct starts at ${clock} where ${next} comes next`
    return length > 0 && clock + length <= CLOCK_MAX ? undefined : 'a struct is empty or too long'
  }
}
