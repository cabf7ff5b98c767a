import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ATTEMPT_DELAY_MS, firstToWork } from './first-to-work.ts'

describe('firstToWork', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  /** Attempts that end when told to, or when they are given up. */
  function attempts() {
    const begun: string[] = []
    const givenUp: string[] = []
    const discarded: string[] = []
    const ends = new Map<string, { resolve: (result: string) => void; reject: (error: Error) => void }>()
    const result = (candidates: string[]): Promise<string> =>
      firstToWork(
        candidates,
        (candidate, signal) => {
          const { promise, resolve, reject } = Promise.withResolvers<string>()
          begun.push(candidate)
          ends.set(candidate, { resolve, reject })
          signal.addEventListener('abort', () => {
            givenUp.push(candidate)
            if (candidate !== 'stubborn') reject(new Error('given up'))
          })
          return promise
        },
        (candidate) => discarded.push(candidate),
      )
    return { begun, givenUp, discarded, ends, result }
  }

  it('begins a little apart, keeps the first that works and gives up the rest', async () => {
    const { begun, givenUp, ends, result } = attempts()
    const kept = result(['dead', 'alive', 'spare'])
    expect(begun).toEqual(['dead'])
    await vi.advanceTimersByTimeAsync(ATTEMPT_DELAY_MS)
    expect(begun).toEqual(['dead', 'alive'])
    ends.get('alive')?.resolve('alive')
    expect(await kept).toBe('alive')
    await vi.advanceTimersByTimeAsync(10 * ATTEMPT_DELAY_MS)
    expect(begun, 'the spare one was never needed').toEqual(['dead', 'alive'])
    expect(givenUp, 'not the one that is kept').toEqual(['dead'])
  })

  it('does not wait for the delay when an attempt fails, and reports the last failure', async () => {
    const { begun, ends, result } = attempts()
    const kept = result(['a', 'b'])
    const failure = kept.catch((error: unknown) => error)
    ends.get('a')?.reject(new Error('a is closed'))
    await vi.advanceTimersByTimeAsync(0)
    expect(begun).toEqual(['a', 'b'])
    ends.get('b')?.reject(new Error('b is closed'))
    expect(await failure).toEqual(new Error('b is closed'))
  })

  it('discards what succeeds too late, and refuses an empty list', async () => {
    const { discarded, ends, result } = attempts()
    const kept = result(['stubborn', 'quick'])
    await vi.advanceTimersByTimeAsync(ATTEMPT_DELAY_MS)
    ends.get('quick')?.resolve('quick')
    expect(await kept).toBe('quick')
    ends.get('stubborn')?.resolve('stubborn')
    await vi.advanceTimersByTimeAsync(0)
    expect(discarded).toEqual(['stubborn'])
    await expect(result([])).rejects.toThrow('no address')
  })
})
