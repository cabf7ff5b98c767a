import { describe, expect, test } from 'vitest'
import { type Instant, type StrictOutcome, type StrictWrite, instant } from '@causeway/protocol'
import type { EngineEffect, LeaseAnswer, TaskHost } from '@causeway/node'
import { EmbeddedEngine, ExternalEngine } from './lease-engine.ts'
import { StrictDesk, type StrictDeskParts } from './strict-desk.ts'

const BY = { name: 'hkg-1-a', site: 'hkg-1', write: ['counters/**'] }
const WRITE: StrictWrite = { collection: 'counters', partition: 'all', changes: [{ key: 'n', operation: { type: 'put', value: 1 } }] }

/** A hub of two with one engine between them, which this test is. */
class Bench {
  readonly calls: Extract<EngineEffect['call'], { op: 'claim' }>[] = []
  readonly written: Parameters<StrictDeskParts['write']>[1][] = []
  readonly events: string[] = []
  readonly results: StrictOutcome[] = []
  readonly desk: StrictDesk
  now: Instant = instant(0)
  covered = true
  complete = true
  #register: { value: string; token: number } | undefined
  readonly #engine: ExternalEngine | EmbeddedEngine
  readonly #pending: { readonly request: number; readonly call: Extract<EngineEffect['call'], { op: 'claim' }> }[] = []

  constructor(engine: 'embedded' | 'external') {
    const heard = ({ request, call }: EngineEffect): void => {
      if (call.op === 'claim') this.#pending.push({ request, call })
    }
    this.#engine = engine === 'embedded' ? new EmbeddedEngine((now) => now) : new ExternalEngine(this.now, heard)
    const host = {
      credential: { name: 'core-1' },
      emit: (effect: { readonly name?: string }) => this.events.push(effect.name ?? ''),
    } as unknown as TaskHost
    this.desk = new StrictDesk({
      ...{ host, engine: this.#engine, grantsFrom: instant(1_000), reaches: () => true },
      write: (now, write, done) => {
        this.written.push(write)
        const token = `p1:counters:all:core-1:1.${this.written.length}`
        done?.(now, { ok: true, partition: 'all', items: [{ key: 'n', revision: `r${this.written.length}` }], token })
      },
      replica: { covers: () => this.covered, clockMs: (now) => now + 1e6, complete: () => this.complete, isRevoked: () => false },
    })
  }

  at(ms: number): this {
    this.now = instant(ms)
    this.desk.wake(this.now)
    this.#engine.wake(this.now)
    return this
  }

  write(): this {
    this.desk.write(this.now, BY, WRITE, (_, result) => this.results.push(result))
    return this
  }

  /** The engine answers what it has been asked so far; false: nothing. */
  answer(): boolean {
    const next = this.#pending.shift()
    if (!next) return false
    const { call, request } = next
    this.calls.push(call)
    const ok = (this.#register?.token ?? null) === call.expected
    if (ok) this.set(call.value)
    const { value: holder = '', token = 0 } = this.#register ?? {}
    const answer: LeaseAnswer = { ok, leases: this.#register ? [{ task: call.name, holder, token, free: false }] : [] }
    this.#engine.answered?.(this.now, { type: 'leaseAnswer', request, answer })
    return true
  }

  answerAll(): this {
    for (this.at(this.now); this.answer(); this.at(this.now));
    return this
  }

  /** Somebody else writes the register. */
  set(value: string): void {
    this.#register = { value, token: (this.#register?.token ?? 0) + 1 }
  }
}

const progress = (claimed: boolean, ms: number): string =>
  JSON.stringify({ by: 'core-2', claimed, ms, after: 'p1:counters:all:core-2:1.1' })

describe('a hub that alone decides', () => {
  test('makes what it is asked for, once it has all records, for those that may write there', () => {
    const bench = new Bench('embedded').write().at(1_000)
    bench.complete = false
    bench.write()
    bench.complete = true
    expect(bench.write().results).toMatchObject([{ code: 'unreachable' }, { code: 'unreachable' }, { ok: true }])
    bench.desk.write(bench.now, { ...BY, write: ['notes/**'] }, WRITE, (_, result) => bench.results.push(result))
    expect(bench.results.at(-1)).toMatchObject({ ok: false, code: 'refused', message: 'hkg-1-a may not write counters/all' })
    expect(bench.written).toHaveLength(1)
  })
})

describe('one of several hubs', () => {
  test('claims, writes and settles before it answers; what comes meanwhile shares the next claim', () => {
    const bench = new Bench('external').write().write().write()
    expect(bench.written).toEqual([])
    bench.answer()
    expect(bench.written).toHaveLength(3)
    bench.write().write()
    expect(bench.results).toEqual([])
    bench.answerAll()
    expect(bench.results).toHaveLength(5)
    expect(bench.calls.map(({ value }) => (JSON.parse(value) as { claimed: boolean }).claimed)).toEqual([true, false, true, false])
    expect(JSON.parse(bench.calls.at(-1)?.value ?? '')).toMatchObject({ by: 'core-1', after: 'p1:counters:all:core-1:1.5' })
  })

  test('waits for a claim of another that is not settled, then takes it over, and writes with later stamps only', () => {
    const bench = new Bench('external')
    bench.set(progress(true, 1_500_000))
    bench.write().answerAll().at(1_900).answerAll()
    expect(bench.written).toEqual([])
    bench.at(2_100).answerAll()
    expect(bench.written).toMatchObject([{ stamps: { afterMs: 1_500_000 } }])
    expect(bench.results).toMatchObject([{ ok: true }])
    // Who was taken over hears that it may not be so.
    expect(JSON.parse(bench.calls.at(-1)?.value ?? '')).toMatchObject({ after: 'p1:counters:all:core-2:1.1:core-1:1.1' })
  })

  test('goes on as soon as another that has claimed it settles', () => {
    const bench = new Bench('external')
    bench.set(progress(true, 1_500_000))
    bench.write().answerAll().at(100).answerAll()
    expect(bench.written).toEqual([])
    bench.set(progress(false, 1_400_000))
    bench.at(150).answerAll().at(200).answerAll()
    expect(bench.written).toMatchObject([{ stamps: { afterMs: 1_400_000 } }])
    expect(bench.results).toMatchObject([{ ok: true }])
  })

  test('does not compare before it shows what was settled elsewhere, and gives up on what is lost', () => {
    const bench = new Bench('external')
    bench.set(progress(false, 900_000))
    bench.covered = false
    bench.write().answerAll().at(2_000).answerAll()
    bench.at(3_100).answerAll()
    expect(bench.results).toMatchObject([{ ok: false, code: 'unreachable' }])
    bench.write().answerAll().at(4_000)
    bench.covered = true
    bench.answerAll().at(4_050).answerAll()
    expect(bench.results).toMatchObject([{}, { ok: true }])
    bench.covered = false
    bench.write().at(120_000).write().answerAll()
    expect(bench.results.at(-1)).toMatchObject({ ok: true })
    expect(bench.events).toContain('strict-writes-lost')
  })

  test('does not call done what the engine did not confirm', () => {
    const bench = new Bench('external').write()
    bench.answer()
    bench.set(progress(true, 2_000_000))
    bench.answerAll()
    expect(bench.results).toMatchObject([{ ok: false, code: 'unreachable', remedy: 'Read the record before you write it again.' }])
  })

  test('bounds what waits', () => {
    const bench = new Bench('external')
    for (let n = 0; n < 1_002; n++) bench.write()
    expect(bench.results).toMatchObject([{ code: 'unreachable', message: 'too many writes wait for counters/all' }, {}])
  })
})
