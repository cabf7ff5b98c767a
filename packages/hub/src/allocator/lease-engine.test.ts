import { describe, expect, test } from 'vitest'
import { type Instant, LEASE_TIMES, after, instant } from '@causeway/protocol'
import type { EngineEffect, LeaseAnswer, LeaseCall } from '@causeway/node'
import { EmbeddedEngine, ExternalEngine } from './lease-engine.ts'

const START = instant(1_000)
const WALL_MS = 1_800_000_000_000

function embedded(wallMs = WALL_MS): { engine: EmbeddedEngine; call: (now: Instant, call: LeaseCall) => LeaseAnswer } {
  const engine = new EmbeddedEngine((now) => wallMs + now)
  const call = (now: Instant, asked: LeaseCall): LeaseAnswer => {
    const answers: LeaseAnswer[] = []
    engine.call(now, asked, (_, answer) => answers.push(answer))
    return answers[0] as LeaseAnswer
  }
  return { engine, call }
}

function tokenOf(answer: LeaseAnswer): number {
  expect(answer.ok).toBe(true)
  return answer.ok === null ? 0 : (answer.leases[0]?.token ?? 0)
}

describe('the embedded engine', () => {
  test('grants what is free, renews for who holds it, and grants anew only after the re-grant time', () => {
    const { engine, call } = embedded()
    const token = tokenOf(call(START, { op: 'grant', task: 't', holder: 'a', expected: null }))
    expect(call(START, { op: 'grant', task: 't', holder: 'b', expected: null })).toMatchObject({
      ok: false,
      leases: [{ holder: 'a', token }],
    })
    const renewed = after(START, 5_000)
    expect(call(renewed, { op: 'renew', holder: 'a', leases: [{ task: 't', token }] })).toMatchObject({ ok: true, leases: [{ token }] })
    expect(call(renewed, { op: 'renew', holder: 'b', leases: [{ task: 't', token }] })).toMatchObject({ ok: true, leases: [] })
    const before = after(renewed, LEASE_TIMES.regrantMs - 1)
    expect(call(before, { op: 'grant', task: 't', holder: 'b', expected: null }).ok).toBe(false)
    expect(engine.lease(before, 't', 'a', token).free).toBe(false)
    const then = after(renewed, LEASE_TIMES.regrantMs)
    expect(engine.lease(then, 't', 'a', token).free).toBe(true)
    expect(tokenOf(call(then, { op: 'grant', task: 't', holder: 'b', expected: null }))).toBeGreaterThan(token)
    expect(call(then, { op: 'renew', holder: 'a', leases: [{ task: 't', token }] })).toMatchObject({ ok: true, leases: [] })
  })

  test('hands over to who names the token, and takes it back when released', () => {
    const { call } = embedded()
    const first = tokenOf(call(START, { op: 'grant', task: 't', holder: 'a', expected: null }))
    const second = tokenOf(call(START, { op: 'grant', task: 't', holder: 'b', expected: first }))
    expect(second).toBeGreaterThan(first)
    expect(call(START, { op: 'grant', task: 't', holder: 'c', expected: first }).ok).toBe(false)
    call(START, { op: 'release', task: 't', token: first })
    expect(call(START, { op: 'grant', task: 't', holder: 'c', expected: null }).ok).toBe(false)
    call(START, { op: 'release', task: 't', token: second })
    expect(call(START, { op: 'grant', task: 't', holder: 'c', expected: null }).ok).toBe(true)
  })

  test('never gives a token twice: not to two tasks, not after a loss of all it knew, not when the clock was set back', () => {
    const first = embedded()
    const tokens = ['a', 'b', 'c'].map((task) => tokenOf(first.call(START, { op: 'grant', task, holder: 'n', expected: null })))
    const reborn = embedded(WALL_MS + 1_000)
    tokens.push(tokenOf(reborn.call(START, { op: 'grant', task: 'a', holder: 'n', expected: null })))
    const setBack = embedded(WALL_MS - 3_600_000)
    setBack.engine.restore(START, { task: 'a', holder: 'n', token: tokens.at(-1) ?? 0 })
    tokens.push(tokenOf(setBack.call(START, { op: 'grant', task: 'b', holder: 'n', expected: null })))
    expect(tokens).toEqual([...new Set(tokens)].toSorted((a, b) => a - b))
    expect(Math.max(...tokens)).toBeLessThan(Number.MAX_SAFE_INTEGER)
  })

  test('takes what the records show for renewed just now', () => {
    const { engine, call } = embedded()
    engine.restore(START, { task: 't', holder: 'a', token: 7 })
    expect(call(after(START, 16_000), { op: 'grant', task: 't', holder: 'b', expected: null }).ok).toBe(false)
    expect(call(after(START, 17_000), { op: 'grant', task: 't', holder: 'b', expected: null }).ok).toBe(true)
  })

  test('takes nothing for held that was released, though the records still show it', () => {
    const { engine, call } = embedded()
    const token = tokenOf(call(START, { op: 'grant', task: 't', holder: 'a', expected: null }))
    call(START, { op: 'release', task: 't', token })
    engine.restore(START, { task: 't', holder: 'a', token })
    const next = tokenOf(call(START, { op: 'grant', task: 't', holder: 'b', expected: null }))
    engine.restore(START, { task: 't', holder: 'b', token: next })
    expect(call(START, { op: 'grant', task: 't', holder: 'c', expected: null }).ok).toBe(false)
  })
})

describe('the external engine', () => {
  function external(): { engine: ExternalEngine; asked: Extract<EngineEffect, { type: 'leaseCall' }>[] } {
    const asked: EngineEffect[] = []
    return { engine: new ExternalEngine(START, (effect) => asked.push(effect)), asked }
  }

  test('answers in any case: nobody knows, if nothing came back', () => {
    const { engine, asked } = external()
    const answers: LeaseAnswer[] = []
    engine.call(START, { op: 'grant', task: 't', holder: 'a', expected: null }, (_, answer) => answers.push(answer))
    engine.wake(after(START, 5_000))
    expect(answers).toMatchObject([{ ok: null }])
    engine.answered(after(START, 5_001), { type: 'leaseAnswer', request: asked[0]?.request ?? 0, answer: { ok: true, leases: [] } })
    expect(answers).toHaveLength(1)
  })

  test('calls a lease free if a list that was asked for later does not have it, and knows whom the records do not show', () => {
    const { engine, asked } = external()
    engine.restore(START, { task: 't', holder: 'a', token: 5 })
    const list = (now: Instant, tokens: Readonly<Record<string, number>>, tookMs = 20): void => {
      engine.wake(now)
      const request = asked.findLast(({ call }) => call.op === 'list')?.request ?? 0
      const leases = Object.entries(tokens).map(([task, token]) => ({ task, holder: 'a', token, free: false }))
      engine.answered(after(now, tookMs), { type: 'leaseAnswer', request, answer: { ok: true, leases } })
    }
    list(after(START, 2_000), { t: 5, u: 9 })
    expect(engine.lease(after(START, 2_100), 't', 'a', 5).free).toBe(false)
    expect(engine.strangers()).toEqual([])
    list(after(START, 8_000), { u: 9 })
    expect(engine.lease(after(START, 8_100), 't', 'a', 5).free).toBe(true)
    engine.forget('t')
    expect(engine.lease(after(START, 8_105), 't', 'a', 5).free).toBe(false)
    expect(engine.strangers()).toMatchObject([{ task: 'u', token: 9 }])
    // Another answer tells nothing of it, nor does a list that has waited here: it may have been moved on meanwhile.
    engine.answered(after(START, 8_110), { type: 'leaseAnswer', request: 0, answer: { ok: true, leases: [] } })
    expect(engine.strangers()).toEqual([])
    list(after(START, 10_100), { u: 9 }, 4_000)
    expect(engine.strangers()).toEqual([])
    list(after(START, 14_200), { u: 9 })
    expect(engine.strangers()).toMatchObject([{ task: 'u', token: 9 }])
    engine.restore(after(START, 14_300), { task: 'u', holder: 'a', token: 9 })
    expect(engine.strangers()).toEqual([])
    expect(engine.lease(after(START, 14_400), 'u', 'a', 9).free).toBe(false)
  })
})
