/**
 * Who may use a service: rules over what the authority has signed about a node. A rule is one or more conditions, joined
 * by commas, all of which must hold; of several rules one is enough. In a value `*` stands for any text.
 *
 *     site=hkg-*                    nodes of these sites
 *     name=ops-1-a                  one node
 *     role=hub
 *     region=apac,label.team=media  nodes of a region that bear a label
 */
import type { Credential } from '@causeway/protocol'

/** What rules can speak of. */
export type PeerFacts = Pick<Credential, 'name' | 'site' | 'region' | 'role' | 'labels'>

type Condition = (peer: PeerFacts) => boolean

const KEYS = ['name', 'site', 'region', 'role'] as const
const LABEL = 'label.'

export class PeerRules {
  readonly #rules: readonly (readonly Condition[])[] | undefined

  /** Rules that `isPeerRule` takes; `undefined`: everybody in the network. */
  constructor(rules: readonly string[] | undefined) {
    this.#rules = rules?.map((rule) => parseRule(rule) ?? [() => false])
  }

  admits(peer: PeerFacts): boolean {
    return this.#rules?.some((conditions) => conditions.every((holds) => holds(peer))) ?? true
  }
}

export function isPeerRule(text: string): boolean {
  return parseRule(text) !== undefined
}

function parseRule(text: string): Condition[] | undefined {
  const conditions = text.split(',').map((part) => parseCondition(part.trim()))
  return conditions.every((each) => each !== undefined) ? conditions : undefined
}

function parseCondition(text: string): Condition | undefined {
  const [, name, value] = /^([^=\s]+)=(\S+)$/.exec(text) ?? []
  if (name === undefined || value === undefined) return undefined
  const pattern = wildcard(value)
  const key = KEYS.find((each) => each === name)
  if (key) return (peer) => pattern.test(peer[key])
  if (!name.startsWith(LABEL) || name.length === LABEL.length) return undefined
  const label = name.slice(LABEL.length)
  return ({ labels }) => Object.hasOwn(labels, label) && pattern.test(labels[label] ?? '')
}

function wildcard(text: string): RegExp {
  const parts = text.split('*').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
  return new RegExp(`^${parts.join('.*')}$`, 's')
}
