/**
 * What a hub concludes of the nodes of one site. Witnesses are its nodes with uplinks, as far as they can be heard now
 * (`attached`: some hub that we can reach has a live link with them), and hubs, for how links ended.
 *
 *  1. A sign of life beats any report of death that is not newer: a node is alive if it is attached, if a witness hears it,
 *     or if it has told vitals since, and of late.
 *  2. A node is `crashed` only while its site can be heard, and only because the site says so: nobody there hears it, and it
 *     did not fall silent together with others. That silence is found by who is near, and confirmed, before it is said.
 *  3. A site that is silent everywhere is `cut-off` if its last links fell silent, else `unknown`; so are all its nodes, also
 *     those that had crashed before: they may have been started again, and nobody would know.
 *     What fell silent while its site could not be heard may have been cut off on its own: it is given time to return.
 *  4. What a site that can be heard does not mention stays what it was for a while, then is `unknown`, unless it had crashed.
 */
import { type Instant, SITE_NODES_MAX, type Sighting, type Verdict, type WitnessView, after } from '@causeway/protocol'
import { type NodeVerdict, describeSighting, verdictOfSighting } from '@causeway/node'
import { SILENCE_MS } from '@causeway/state'
import type { Said } from './testimonies.ts'

/** Both ends of a link find out that it is silent within this time, ms: who speaks after that lives. */
const SAME_MOMENT_MS = 1_500
/** Clocks of far nodes are known that well, ms. */
const VITALS_DOUBT_MS = 1_000
/** A gateway that has just started has not found its neighbours yet. */
const UNMENTIONED_MS = 5_000
/** Links that ended within this time before the last one ended with it, ms: the standby's is probed every 5 s. */
const LAST_LINKS_MS = 10_000
/** A part of a site may find its way back later than another. */
const RETURN_MS = 60_000
const EVIDENCE_MAX = 8
/** Those that are there, and as many that were. */
const NODES_MAX = 2 * SITE_NODES_MAX

export interface SiteFacts {
  readonly site: string
  readonly region: string
  /** Node → the hubs that have a live link with it, and since when one has. */
  readonly attached: ReadonlyMap<string, { readonly hubs: readonly string[]; readonly since: Instant }>
  readonly said: readonly Said[]
  /** What was concluded before, by name. */
  readonly before: ReadonlyMap<string, NodeVerdict>
  /** When a node last told vitals, as far as one can tell. */
  readonly vitalAt: (node: string) => Instant | undefined
  /** Since when the site is heard, or is not. */
  readonly since: Instant
  /** Wall clock minus monotonic instant. */
  readonly wallOffsetMs: number
  /** Why this hub cannot tell of sites that it has no link with. */
  readonly doubt: string | undefined
  readonly self: string
}

type Conclusion = Pick<NodeVerdict, 'verdict' | 'evidence'>

interface Claim {
  readonly witness: string
  readonly at: Instant
  readonly sighting: Sighting
  readonly verdict: Verdict
}

/** Of every node that is known, sorted by name. */
export function judgeSite(now: Instant, facts: SiteFacts): NodeVerdict[] {
  const { site, region, attached, said, before, wallOffsetMs } = facts
  const claims = new Map<string, Claim[]>()
  const terms = new Map<string, number>()
  const names = new Set(attached.keys())
  for (const { testimony, at } of said) {
    const { witness, lan, gateway, term, seen } = testimony
    for (const { node } of seen) if (names.size < NODES_MAX) names.add(node)
    if (!lan || !attached.has(witness)) continue
    if (gateway) terms.set(witness, term)
    for (const sighting of seen) {
      const claim = { witness, at, sighting, verdict: verdictOfSighting(sighting, seen) }
      claims.set(sighting.node, [...(claims.get(sighting.node) ?? []), claim])
    }
  }
  // Whom nobody mentions any more is remembered as long as there is room.
  for (const node of before.keys()) if (names.size < NODES_MAX) names.add(node)
  const silence = attached.size === 0 ? conclusionOfSilence(now, facts) : undefined
  return [...names].sort().map((node): NodeVerdict => {
    const was = before.get(node)
    const { verdict, evidence } = silence ?? conclusionOfNode(now, facts, node, claims.get(node) ?? [])
    const same = was?.verdict === verdict
    return {
      ...{ node, site, region, verdict, gatewayTerm: terms.get(node) ?? null },
      since: same ? was.since : now + wallOffsetMs,
      evidence: same && was.evidence.length > 0 ? was.evidence : evidence.slice(0, EVIDENCE_MAX),
    }
  })
}

function conclusionOfNode(now: Instant, facts: SiteFacts, node: string, claims: readonly Claim[]): Conclusion {
  const { attached, said, before, vitalAt, since, wallOffsetMs } = facts
  const view = ({ witness, at, sighting }: Claim): WitnessView => ({ by: witness, saw: describeSighting(sighting), at: at + wallOffsetMs })
  const heard = claims.filter(({ verdict }) => verdict === 'alive')
  const link = attached.get(node)
  const lost = claims.filter(({ verdict }) => verdict !== 'alive').toSorted((a, b) => severity(b.verdict) - severity(a.verdict))
  const [gravest] = lost
  if (link && (!gravest || heard.length > 0 || spokeSince(node, lost, link.since, said))) {
    return { verdict: 'alive', evidence: link.hubs.map((by) => ({ by, saw: 'is linked with it', at: link.since + wallOffsetMs })) }
  }
  if (heard.length > 0) return { verdict: 'alive', evidence: heard.map(view) }
  const toldAt = vitalAt(node)
  const lostAt = Math.max(...lost.map(lossOf))
  if (gravest) {
    // It lived on when those who name it had lost it: they cannot tell why it is silent now.
    if (toldAt !== undefined && toldAt > lostAt + VITALS_DOUBT_MS)
      return isOfLate(now, toldAt) ? toldVitals(facts, toldAt) : gone(now, facts)
    const early = gravest.sighting.how !== 'reset' && lostAt < since && now < after(since, RETURN_MS)
    return { verdict: early && gravest.verdict === 'crashed' ? 'cut-off' : gravest.verdict, evidence: lost.map(view) }
  }
  const was = before.get(node)
  if (was && (was.verdict === 'crashed' || now < after(since, UNMENTIONED_MS))) return was
  return toldAt !== undefined && toldAt > since && isOfLate(now, toldAt) ? toldVitals(facts, toldAt) : gone(now, facts)
}

function isOfLate(now: Instant, toldAt: Instant): boolean {
  return now < after(toldAt, SILENCE_MS)
}

function gone(now: Instant, { self, wallOffsetMs }: SiteFacts): Conclusion {
  return { verdict: 'unknown', evidence: [{ by: self, saw: 'its site is heard, but not it, nor any word of it', at: now + wallOffsetMs }] }
}

/** Whether the node has shown itself at, or after, the moment at which others say they lost it. */
function spokeSince(node: string, lost: readonly Claim[], linkedSince: Instant, said: readonly Said[]): boolean {
  const lastLoss = Math.max(...lost.map(lossOf)) - SAME_MOMENT_MS
  if (linkedSince >= lastLoss) return true
  return said.some(({ testimony, at }) => testimony.lan && testimony.witness === node && at >= lastLoss)
}

function lossOf({ at, sighting }: Claim): number {
  return at - sighting.forMs
}

function toldVitals({ self, wallOffsetMs }: SiteFacts, at: Instant): Conclusion {
  return { verdict: 'alive', evidence: [{ by: self, saw: 'hears of its vitals', at: at + wallOffsetMs }] }
}

/** Nobody there believes in life: the gravest says most. */
function severity(verdict: Verdict): number {
  return ['alive', 'suspect', 'unknown', 'cut-off', 'crashed'].indexOf(verdict)
}

function conclusionOfSilence(now: Instant, { said, doubt, self, wallOffsetMs }: SiteFacts): Conclusion {
  if (doubt !== undefined) return { verdict: 'unknown', evidence: [{ by: self, saw: doubt, at: now + wallOffsetMs }] }
  const ended = said
    .filter(({ testimony }) => !testimony.lan)
    .flatMap(({ testimony: { witness, seen }, at }) => seen.map(({ node, how, forMs }) => ({ witness, node, how, at: at - forMs })))
    .toSorted((a, b) => b.at - a.at)
  const lastAt = ended[0]?.at
  if (lastAt === undefined) {
    const saw = 'has heard nothing of its site since it was started itself'
    return { verdict: 'unknown', evidence: [{ by: self, saw, at: now + wallOffsetMs }] }
  }
  const last = ended.filter(({ at }) => at >= lastAt - LAST_LINKS_MS)
  return {
    verdict: last.some(({ how }) => how === 'silent') ? 'cut-off' : 'unknown',
    evidence: last.map(({ witness, node, how, at }) => ({
      by: witness,
      saw: `its link with ${node} ${ENDS[how ?? 'silent']}`,
      at: at + wallOffsetMs,
    })),
  }
}

const ENDS = { silent: 'fell silent', reset: 'was reset', stopped: 'ended: it said that it would stop' } as const
