/**
 * Verdicts as state: collection `nodes`, partition REGION/SITE, key the node's name. One hub writes them, everybody whose
 * interest has the region reads them.
 */
import { NAME_PATTERN, type RecordView, type Verdict, type WitnessView } from '@causeway/protocol'
import type { NodeVerdict } from './verdict.ts'

export const VERDICTS = 'nodes'
/** Whoever writes more than this has not written a verdict. */
const WITNESSES_MAX = 8
const SAW_CHARACTERS_MAX = 200

const ALL: readonly Verdict[] = ['alive', 'suspect', 'crashed', 'cut-off', 'unknown']

/** As long as this is the same there is nothing to be told. */
export function gistOf(verdict: NodeVerdict | undefined): string {
  return verdict ? `${verdict.verdict} ${verdict.gatewayTerm}` : ''
}

export function verdictPartition({ region, site }: Pick<NodeVerdict, 'region' | 'site'>): string {
  return `${region}/${site}`
}

export function verdictValue({ verdict, since, gatewayTerm, evidence }: NodeVerdict): Readonly<Record<string, unknown>> {
  const witnesses = evidence.slice(0, WITNESSES_MAX).map(({ by, saw, at }) => ({ by, saw, at: Math.round(at) }))
  return { verdict, since: since === null ? null : Math.round(since), gatewayTerm, evidence: witnesses }
}

/** `undefined` for what is no verdict. */
export function verdictIn({ key, partition, value }: RecordView): NodeVerdict | undefined {
  const [region = '', site = '', ...more] = partition.split('/')
  if (more.length > 0 || site === '' || !NAME_PATTERN.test(key) || typeof value !== 'object' || value === null) return undefined
  const fields = value as Readonly<Record<string, unknown>>
  const verdict = ALL.find((each) => each === fields['verdict'])
  if (!verdict) return undefined
  const { since, gatewayTerm, evidence } = fields
  return {
    ...{ node: key, site, region, verdict },
    since: typeof since === 'number' ? since : null,
    gatewayTerm: typeof gatewayTerm === 'number' ? gatewayTerm : null,
    evidence: Array.isArray(evidence) ? evidence.slice(0, WITNESSES_MAX).flatMap(witnessIn) : [],
  }
}

function witnessIn(value: unknown): WitnessView[] {
  if (typeof value !== 'object' || value === null) return []
  const { by, saw, at } = value as Readonly<Record<string, unknown>>
  if (typeof by !== 'string' || typeof saw !== 'string' || typeof at !== 'number') return []
  return [{ by: by.slice(0, 63), saw: saw.slice(0, SAW_CHARACTERS_MAX), at }]
}
