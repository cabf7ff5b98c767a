/**
 * Messages of a session, in front of a whole replica: whatever comes, it goes on, its memory stays bounded, and each record
 * reads as some node wrote it.
 */
import { type Instant, type SeededRandom, instant } from '@causeway/protocol'
import { Lab, type LabNode } from '../../packages/state/src/replica-lab.ts'
import { Vitals } from '../../packages/state/src/vitals/vitals.ts'
import type { FuzzTarget } from './fuzz-target.ts'
import { mutate } from './mutate.ts'

const PARTITION = 'hkg-1'
const KEYS = 6
const WRITES = 60
/** Honest messages that come before each one that was changed, at most. */
const HONEST_MAX = 4
const AFRESH_ROUNDS = 20_000

class RecordingLab extends Lab {
  readonly said: { readonly from: LabNode; readonly message: Uint8Array }[] = []

  override send(from: LabNode, session: number, message: Uint8Array): void {
    this.said.push({ from, message })
    super.send(from, session, message)
  }
}

export class SessionTarget implements FuzzTarget {
  readonly name = 'sessions'
  /** What an edge node said, from the opening of its session on. */
  readonly #said: readonly Uint8Array[]
  readonly #allowed: ReadonlySet<string>
  #lab: Lab = new Lab(1)
  #victim: LabNode = this.#lab.add('core-1', { core: true })
  #session = 0
  #next = 0
  #rounds = 0

  constructor(random: SeededRandom) {
    const lab = new RecordingLab(random.uint32())
    const hub = lab.add('core-1', { core: true })
    const edge = lab.add('hkg-1-a')
    const allowed = new Set<string>()
    lab.connect(edge, hub, 'up')
    for (let write = 0; write < WRITES; write++) {
      const [key, value] = [`k${random.uint32() % KEYS}`, { write, text: 'z'.repeat(random.uint32() % 60) }]
      allowed.add(`${key} ${JSON.stringify(value)}`)
      edge.put(PARTITION, key, value)
      lab.run(500)
    }
    lab.run(60_000)
    this.#said = lab.said.filter(({ from }) => from === edge).map(({ message }) => message)
    this.#allowed = allowed
  }

  round(random: SeededRandom): 'refused' | 'taken' {
    if (this.#rounds++ % AFRESH_ROUNDS === 0) this.#begin()
    for (let left = random.uint32() % (HONEST_MAX + 1); left > 0; left--) this.#hear(this.#said[this.#next++ % this.#said.length])
    const before = this.#session
    this.#hear(mutate(this.#said[random.uint32() % this.#said.length] as Uint8Array, random))
    for (let left = this.#victim.unpersisted.length; left > 0; left--) this.#victim.persistNext()
    for (const record of this.#victim.replica.list('tasks', PARTITION)) {
      if (!this.#allowed.has(`${record.key} ${JSON.stringify(record.value)}`)) throw new Error(`${record.key} reads what nobody wrote`)
    }
    this.#victim.events.length = 0
    return this.#session === before ? 'taken' : 'refused'
  }

  #begin(): void {
    this.#lab = new Lab(1)
    this.#victim = this.#lab.add('core-1', { core: true })
    this.#open()
  }

  #open(): void {
    this.#session++
    this.#next = 0
    this.#victim.input({ type: 'sessionOpened', session: this.#session, peer: 'hkg-1-a', relation: 'down' })
  }

  #hear(message: Uint8Array | undefined): void {
    if (!message) return
    this.#lab.now = instant(this.#lab.now + 1)
    const { events } = this.#victim
    const before = events.length
    this.#victim.input({ type: 'sessionMessage', session: this.#session, message })
    const reset = events.slice(before).some((effect) => effect.type === 'violation' && effect.code !== 'bad-batch')
    if (!reset) return
    this.#victim.input({ type: 'sessionClosed', session: this.#session })
    this.#open()
  }
}

/** Messages of the vitals plane, which have a code of their own. */
export class VitalsTarget implements FuzzTarget {
  readonly name = 'vitals'
  readonly #said: Uint8Array[] = []
  readonly #victim: Vitals = vitalsOf('core-1', 'hub')
  #session = 0

  constructor(random: SeededRandom) {
    const edge = vitalsOf('hkg-1-a', 'edge')
    edge.opened(1, 'up')
    for (let second = 1; second <= 60; second++) {
      const now = instant(1_000 * second)
      edge.set(now, { cpu: random.uint32() % 100, mem: 50 + (second % 7), players: random.uint32() % 1_000 })
      const message = edge.gather(now, 1)
      if (message) this.#said.push(message)
    }
  }

  round(random: SeededRandom): 'refused' | 'taken' {
    const now: Instant = instant(100_000)
    this.#victim.opened(++this.#session, 'down')
    let fault: string | undefined
    const at = random.uint32() % this.#said.length
    for (const message of this.#said.slice(0, Math.min(at, 3))) fault ??= this.#victim.receive(now, this.#session, message)
    if (fault !== undefined) throw new Error(`honest vitals are refused: ${fault}`)
    fault = this.#victim.receive(now, this.#session, mutate(this.#said[at] as Uint8Array, random))
    this.#victim.closed(this.#session)
    return fault === undefined ? 'taken' : 'refused'
  }
}

function vitalsOf(name: string, role: 'hub' | 'edge'): Vitals {
  return new Vitals({ self: { name, site: name.slice(0, -2), region: 'lab', role }, incarnation: 1, thresholds: { cpu: 0, mem: 0 } })
}
