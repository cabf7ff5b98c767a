/**
 * A node that is nothing but a replica with a disk that is always done at once: enough to serve records over HTTP. Its
 * clock is the real one, because the server's is.
 */
import { type Instant, LIMITS, type SignedCredential, WAKE, encodeCredential, instant } from '@causeway/protocol'
import { type ChangeEffect, Replica, type ReplicaInput, type UnsyncedEffect, type WriteInput, type WrittenEffect } from '@causeway/state'
import { NodeRecords, type ReplicaDriver } from '../../packages/daemon/src/node-records.ts'
import { SystemRandom } from '../../packages/daemon/src/system-random.ts'
import { createNodeCrypto, generateKeyPair } from './real-crypto.ts'

export class RecordWorld implements ReplicaDriver {
  readonly replica: Replica
  readonly records: NodeRecords
  isCutOff = false
  /** The disk takes its time: nothing becomes durable. */
  diskStands = false
  readonly #listeners = new Set<(change: ChangeEffect) => void>()
  readonly #left = new Set<(left: UnsyncedEffect) => void>()
  readonly #waiting = new Map<number, (effect: WrittenEffect) => void>()
  readonly #queue: ReplicaInput[] = []
  #timer: NodeJS.Timeout | undefined
  #handling = false
  #request = 0

  constructor(name = 'hkg-1-a', site = 'hkg-1') {
    const authority = generateKeyPair()
    const own = generateKeyPair()
    const credential = issue(name, site, own.publicKey, authority.seed)
    const config = { writer: name, interest: ['**'], write: ['**'], limits: LIMITS, credential, authorityKey: authority.publicKey }
    const environment = {
      random: new SystemRandom(),
      crypto: createNodeCrypto(own.seed),
      now: this.now(),
      wallOffsetMs: Date.now() - performance.now(),
    }
    this.replica = new Replica(config, environment, [])
    this.records = new NodeRecords(site, this)
    this.input(WAKE)
  }

  now(): Instant {
    return instant(performance.now())
  }

  cutOff(): boolean {
    return this.isCutOff
  }

  onChange(listener: (change: ChangeEffect) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  onUnsynced(listener: (left: UnsyncedEffect) => void): () => void {
    this.#left.add(listener)
    return () => this.#left.delete(listener)
  }

  /** A strict write is granted by nobody else: refused while cut off. */
  write({ strict, ...write }: Omit<WriteInput, 'type' | 'request'> & { readonly strict?: boolean }): Promise<WrittenEffect> {
    const request = ++this.#request
    if (strict && this.isCutOff) {
      const result = { ok: false, code: 'unreachable', message: 'it is cut off', remedy: 'Wait.' } as const
      return Promise.resolve({ type: 'written', request, result })
    }
    return new Promise((resolve) => {
      this.#waiting.set(request, resolve)
      this.input({ type: 'write', request, ...write })
    })
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.records.close()
  }

  input(input: ReplicaInput): void {
    this.#queue.push(input)
    if (this.#handling) return
    this.#handling = true
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) this.#handle(next)
    this.#handling = false
    clearTimeout(this.#timer)
    const wakeAt = this.replica.nextWake()
    if (wakeAt !== undefined) this.#timer = setTimeout(() => this.input(WAKE), Math.max(0, Math.ceil(wakeAt - this.now())))
  }

  #handle(input: ReplicaInput): void {
    for (const effect of this.replica.handle(this.now(), input)) {
      if (effect.type === 'persist' && !this.diskStands) this.#queue.push({ type: 'persisted', ticket: effect.ticket })
      else if (effect.type === 'written') this.#waiting.get(effect.request)?.(effect)
      else if (effect.type === 'change') for (const listener of this.#listeners) listener(effect)
      else if (effect.type === 'unsynced') for (const listener of this.#left) listener(effect)
    }
  }
}

function issue(name: string, site: string, key: Uint8Array, authoritySeed: Uint8Array): SignedCredential {
  const place = { site, region: 'apac', role: 'edge', labels: {} } as const
  const body = encodeCredential({ network: 'lab', name, ...place, write: ['**'], key, notAfterMs: 2 ** 46 })
  return { body, signature: createNodeCrypto(authoritySeed).sign(body) }
}
