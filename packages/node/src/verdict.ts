/**
 * What is concluded of a node that may be silent, and who concludes.
 *
 * Silence has two causes, death and distance, and only the second must never be mistaken for the first. So a node is
 * `crashed` only if its own site says so while the site can be heard; what falls silent together has been cut off,
 * since links fail together and processes one by one.
 */
import type { Ending, Instant, Sighting, Verdict, WitnessView } from '@causeway/protocol'

export interface NodeVerdict {
  readonly node: string
  readonly site: string
  readonly region: string
  readonly verdict: Verdict
  /** Wall clock, milliseconds since 1970: when the verdict came to be what it is; `null` if that is not known. */
  readonly since: number | null
  /** It is a gateway of its site, by this term: of two the one with the higher term came later. */
  readonly gatewayTerm: number | null
  readonly evidence: readonly WitnessView[]
}

/** Judges nodes: every hub does. */
export interface VerdictSource {
  /** `unknown` also for a node that was never heard of. */
  verdict(now: Instant, node: string): Verdict
}

/** Nodes that fell silent within this time of each other fell silent together, ms: one monitor is faster than the other by a second. */
const TOGETHER_MS = 2_000

/**
 * How long after our own event loop was late by `lagMs` silence is not believed, ms: until what waited has been read; and
 * if it was late by so much that peers may have reset their connections, until these are back.
 */
export function doubtMs(lagMs: number): number {
  return lagMs < 1_000 ? 2 * lagMs : Math.min(3_000 + lagMs, 15_000)
}

/** What a sighting comes to if the witness is believed; `seen` are all of that witness. */
export function verdictOfSighting(sighting: Sighting, seen: readonly Sighting[]): Verdict {
  if (sighting.state !== 'lost') return sighting.state
  if (sighting.how === 'stopped') return 'unknown'
  if (sighting.how === 'reset') return 'crashed'
  return seen.some((other) => other !== sighting && isTogether(sighting, other)) ? 'cut-off' : 'crashed'
}

function isTogether(a: Sighting, b: Sighting): boolean {
  return b.state !== 'alive' && b.how === 'silent' && Math.abs(a.forMs - b.forMs) <= TOGETHER_MS
}

const ENDED: Readonly<Record<Ending, string>> = {
  reset: 'its connections were reset',
  silent: 'nothing came any more',
  stopped: 'it said that it would stop',
}

/** For people, who read it after the name of the witness. */
export function describeSighting({ state, how, forMs }: Sighting): string {
  if (state === 'alive') return 'hears it'
  const ago = how === null ? '' : ` ${(forMs / 1000).toFixed(1)} s ago: ${ENDED[how]}`
  return state === 'suspect' ? `lost it${ago}` : `lost it${ago}, and nobody there hears it`
}
