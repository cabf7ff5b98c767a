/**
 * Many addresses, one of which will do (RFC 8305, "happy eyeballs"): attempts begin one after the other, a little apart,
 * so that a dead address costs that little and not its timeout; the first that succeeds is kept, the others are given up.
 */

/** RFC 8305, section 5: the recommended connection attempt delay. */
export const ATTEMPT_DELAY_MS = 250

/**
 * The result of the first attempt that succeeds, or the error of the last that failed. An attempt must reject soon after its
 * signal is aborted; should it succeed nevertheless, its result is given to `discard`.
 */
export async function firstToWork<Candidate, Result>(
  candidates: readonly Candidate[],
  attempt: (candidate: Candidate, signal: AbortSignal) => Promise<Result>,
  discard: (result: Result) => void,
  delayMs: number = ATTEMPT_DELAY_MS,
): Promise<Result> {
  const { promise, resolve, reject } = Promise.withResolvers<Result>()
  const others = new AbortController()
  let begun = 0
  let running = 0
  let timer: NodeJS.Timeout | undefined
  const beginNext = (): void => {
    clearTimeout(timer)
    const candidate = candidates[begun]
    if (candidate === undefined) return
    begun++
    running++
    void run(candidate)
    if (begun < candidates.length) timer = setTimeout(beginNext, delayMs)
  }
  const run = async (candidate: Candidate): Promise<void> => {
    try {
      const result = await attempt(candidate, others.signal)
      if (others.signal.aborted) return discard(result)
      clearTimeout(timer)
      resolve(result)
      others.abort()
    } catch (error) {
      running--
      if (others.signal.aborted) return
      beginNext()
      if (running === 0) reject(error)
    }
  }
  beginNext()
  if (running === 0) reject(new Error('there is no address to try'))
  return promise
}
