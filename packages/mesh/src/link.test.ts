import { type Instant, type Probe, SeededRandom, after, instant, nodeId } from '@causeway/protocol'
import { IdleBeat, Reflector } from '@causeway/probe'
import { describe, expect, test } from 'vitest'
import { Link, type LinkEffect } from './link.ts'

const START = instant(1_000)

/** A link whose peer answers every probe at once, while it is connected. */
class AnsweredLink {
  readonly link: Link
  now: Instant = START
  readonly changes: string[] = []
  #connections = 0
  readonly #reflector = new Reflector()

  constructor() {
    this.link = new Link(this.#peer(1), new SeededRandom(1), new IdleBeat())
  }

  #peer(incarnation: number) {
    const credential = {
      network: 'n',
      name: 'core-1',
      site: 's',
      region: 'r',
      role: 'hub',
      labels: {},
      write: [],
      key: new Uint8Array(32),
    } as const
    return { id: nodeId('core-1'), incarnation, credential: { ...credential, notAfterMs: 0 } }
  }

  connect({ incarnation = 1, alone = false } = {}): void {
    const shape = { connection: ++this.#connections, address: 'core-1:7400', datagrams: false, alone }
    this.#apply(this.link.attach(this.now, { ...shape, peer: this.#peer(incarnation) }))
  }

  disconnect(farewell: boolean): void {
    this.#apply(this.link.detach(this.now, 'gone', farewell))
  }

  /** Lets time pass; true if the link is up then. */
  isUpAfter(ms: number): boolean {
    const until = after(this.now, ms)
    for (let next = this.link.nextWake(); next !== undefined && next <= until; next = this.link.nextWake()) {
      this.now = next > this.now ? next : this.now
      this.#apply(this.link.monitor(this.now, { type: 'wake' }))
    }
    this.now = until
    return this.link.up
  }

  #apply(effects: readonly LinkEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'probe') this.#answer(effect.via, effect.probe)
      else this.changes.push(effect.type)
    }
  }

  #answer(via: 'udp' | 'control', probe: Probe): void {
    const reply = this.#reflector.reply(this.now, this.now, probe, 0)
    this.#apply(this.link.monitor(this.now, { type: 'reply', via, at: this.now, reply }))
  }
}

function upAndGone(farewell: boolean): AnsweredLink {
  const answered = new AnsweredLink()
  answered.connect()
  expect(answered.isUpAfter(500)).toBe(true)
  answered.disconnect(farewell)
  expect(answered.link.up).toBe(false)
  return answered
}

describe('a link that comes back', () => {
  test('is held back if its connection broke: the other end may have found it silent, and holds it back too', () => {
    const answered = upAndGone(false)
    answered.connect()
    expect(answered.isUpAfter(4_500)).toBe(false)
    expect(answered.isUpAfter(2_000)).toBe(true)
    answered.disconnect(false)
    answered.connect()
    expect(answered.isUpAfter(9_500)).toBe(false)
    expect(answered.isUpAfter(2_000)).toBe(true)
    expect(answered.changes).toEqual(['up', 'down', 'up', 'down', 'up'])
  })

  test('is up at once if the peer had said good-bye', () => {
    const answered = upAndGone(true)
    answered.connect()
    expect(answered.isUpAfter(500)).toBe(true)
  })

  test('is up at once if one end reaches no hub otherwise', () => {
    const answered = upAndGone(false)
    answered.connect({ alone: true })
    expect(answered.isUpAfter(500)).toBe(true)
  })

  test('is up at once if the peer is a new process, also over the second connection to it', () => {
    const answered = upAndGone(false)
    answered.connect({ incarnation: 2 })
    answered.connect({ incarnation: 2 })
    expect(answered.isUpAfter(500)).toBe(true)
  })
})
