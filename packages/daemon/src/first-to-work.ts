/**
 * Many addresses, one of which will do (RFC 8305, "happy eyeballs"): attempts begin one after the other, a little apart,
 * so that a dead address costs that little and not its timeout; the first that succeeds is kept, the others are given up.
 */

/** RFC 8305, section 5: the recommended connection attempt delay. */
export const ATTEMPT_DELAY_MS = 250

/**
 * The result of the first attempt that succeeds, or the error of the last that failed. An attempt must reject soon after its
 * signal is aborted; should it succeed nevertheless, its result is given to `discard`. The signal of the one that is kept is
 * never aborted.
 */
export async function firstToWork<Candidate, Result>(
  candidates: readonly Candidate[],
  attempt: (candidate: Candidate, signal: AbortSignal) => Promise<Result>,
  discard: (result: Result) => void,
  delayMs: number = ATTEMPT_DELAY_MS,
): Promise<Result> {
  const { promise, resolve, reject } = Promise.withResolvers<Result>()
  const running = new Set<AbortController>()
  let done = false
  let begun = 0
  let timer: NodeJS.Timeout | undefined
  const beginNext = (): void => {
    clearTimeout(timer)
    const candidate = candidates[begun]
    if (candidate === undefined) return
    begun++
    const controller = new AbortController()
    running.add(controller)
    void run(candidate, controller)
    if (begun < candidates.length) timer = setTimeout(beginNext, delayMs)
  }
  const run = async (candidate: Candidate, controller: AbortController): Promise<void> => {
    try {
      const result = await attempt(candidate, controller.signal)
      if (done) return discard(result)
      done = true
      clearTimeout(timer)
      resolve(result)
      running.delete(controller)
      for (const other of running) other.abort()
    } catch (error) {
      running.delete(controller)
      if (done) return
      beginNext()
      if (running.size === 0) reject(error)
    }
  }
  beginNext()
  if (running.size === 0) reject(new Error('there is no address to try'))
  return promise
}
