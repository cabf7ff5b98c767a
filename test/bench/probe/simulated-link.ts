/** What all simulated cells have in common: how a link is made, and the words for its ways and its use. */
import { LabLink } from '../../../packages/probe/src/lab-link.ts'
import type { LabPath } from '../../../packages/probe/src/lab-path.ts'

export const ROUND_TRIPS_MS = [1, 20, 100, 400] as const
export const DAY_MS = 86_400_000
/** Fifteen times in 2 s make a link one in use; this is twenty times. */
const TRAFFIC_MS = 100
const SETTLE_MS = 12_000

export const WAYS = ['both', 'forward', 'backward'] as const
export type Way = (typeof WAYS)[number]

export interface Setting {
  readonly inUse: boolean
  readonly rttMs: number
}

export const SETTINGS: readonly Setting[] = [true, false].flatMap((inUse) => ROUND_TRIPS_MS.map((rttMs) => ({ inUse, rttMs })))

/**
 * A link that has been up for a while; how long differs by the seed, so that faults find it in any phase. Of every other
 * link the first datagram of the far end is lost: the end that was dialled often sends it before it is expected.
 */
export function settledLink(seed: number, { inUse, rttMs }: Setting): LabLink {
  const link = new LabLink({ seed, rttMs, spreadMs: rttMs / 20 })
  link.backward.udpCut = seed % 2 === 0
  link.far.input({ type: 'datagrams', open: true })
  link.backward.udpCut = false
  link.near.input({ type: 'datagrams', open: true })
  if (inUse) link.trafficMs = TRAFFIC_MS
  link.run(SETTLE_MS + ((seed * 137) % 2003))
  return link
}

export function pathsOf(link: LabLink, way: Way): readonly LabPath[] {
  return way === 'both' ? link.paths : [way === 'forward' ? link.forward : link.backward]
}

export function useOf({ inUse }: Setting): string {
  return inUse ? 'in use' : 'idle'
}
