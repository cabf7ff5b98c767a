/** Waiting for what other processes do: by looking again, never by counting on a time. */
import { setTimeout as pause } from 'node:timers/promises'

const LOOK_MS = 50

/** Looks until `look` returns something; fails with what was last seen. A look that throws is a look in vain. */
export async function eventually<Seen>(
  what: string,
  look: () => Seen | undefined | false | Promise<Seen | undefined | false>,
  withinMs = 30_000,
): Promise<Seen> {
  const until = performance.now() + withinMs
  let last: unknown
  do {
    try {
      const seen = await look()
      if (seen !== undefined && seen !== false) return seen
      last = seen
    } catch (error) {
      last = error
    }
    await pause(LOOK_MS)
  } while (performance.now() < until)
  throw new Error(`${what}: not within ${withinMs / 1000} s`, { cause: last })
}
