/**
 * Label selectors, as kubectl has them: terms joined by commas, all of which must hold.
 *
 *     a=b  a==b  a!=b  a in (b,c)  a notin (b,c)  a  !a
 *
 * `!=` and `notin` hold for a record that lacks the label. What is not understood is refused, never skipped.
 */
import { CausewayError } from '@causeway/protocol'

type Labels = Readonly<Record<string, string>>
export type Selector = (labels: Labels) => boolean

/** Letters and digits of any script, since labels may have them. */
const ENDS = String.raw`[\p{L}\p{M}\p{N}]`
const WORD = String.raw`${ENDS}(?:[\p{L}\p{M}\p{N}_./-]*${ENDS})?`
const EQUALITY = new RegExp(`^(${WORD})\\s*(==?|!=)\\s*(${WORD})?$`, 'u')
const SET = new RegExp(`^(${WORD})\\s+(in|notin)\\s*\\(([^()]*)\\)$`, 'u')
const PRESENCE = new RegExp(`^(!?)\\s*(${WORD})$`, 'u')
const VALUE = new RegExp(`^${WORD}$`, 'u')

/** The label must be there with one of the values, or with any if none are named; negated: must not. */
export interface SelectorTerm {
  readonly label: string
  readonly values: readonly string[] | undefined
  readonly negated: boolean
}

/** Throws `usage`. An empty selector selects everything. */
export function parseSelector(text: string): Selector {
  const terms = selectorTerms(text)
  const [only] = terms
  return only && terms.length === 1 ? (labels) => holds(only, labels) : (labels) => terms.every((term) => holds(term, labels))
}

/** Throws `usage`. */
export function selectorTerms(text: string): readonly SelectorTerm[] {
  return splitTerms(text).map((term) => parseTerm(term.trim(), text))
}

function holds({ label, values, negated }: SelectorTerm, labels: Labels): boolean {
  const value = labelOf(labels, label)
  return (value !== undefined && (values === undefined || values.includes(value))) !== negated
}

/** At commas, but not those within brackets. */
function splitTerms(text: string): string[] {
  return text.trim() === '' ? [] : text.split(/,(?![^(]*\))/)
}

function parseTerm(term: string, text: string): SelectorTerm {
  const equality = EQUALITY.exec(term)
  if (equality) {
    const [, label = '', operator, value = ''] = equality
    return { label, values: [value], negated: operator === '!=' }
  }
  const set = SET.exec(term)
  if (set) {
    const [, label = '', operator, list = ''] = set
    const values = list.split(',').map((value) => value.trim())
    if (values.every((value) => VALUE.test(value))) return { label, values, negated: operator === 'notin' }
  }
  const presence = PRESENCE.exec(term)
  if (presence) {
    const [, not, label = ''] = presence
    return { label, values: undefined, negated: not !== '' }
  }
  throw new CausewayError(
    'usage',
    `the selector ${JSON.stringify(text)} has a part that is not understood: ${JSON.stringify(term)}`,
    'write terms like a=b, a!=b, a in (b,c), a or !a, joined by commas',
  )
}

/** What every object inherits is no text. To ask for own properties would take five times as long. */
function labelOf(labels: Labels, key: string): string | undefined {
  const value: unknown = labels[key]
  return typeof value === 'string' ? value : undefined
}
