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

const WORD = String.raw`[A-Za-z0-9](?:[A-Za-z0-9_./-]*[A-Za-z0-9])?`
const EQUALITY = new RegExp(`^(${WORD})\\s*(==?|!=)\\s*(${WORD})?$`)
const SET = new RegExp(`^(${WORD})\\s+(in|notin)\\s*\\(([^()]*)\\)$`)
const PRESENCE = new RegExp(`^(!?)\\s*(${WORD})$`)
const VALUE = new RegExp(`^${WORD}$`)

/** Throws `usage`. An empty selector selects everything. */
export function parseSelector(text: string): Selector {
  const terms = splitTerms(text).map((term) => parseTerm(term.trim(), text))
  return (labels) => terms.every((holds) => holds(labels))
}

/** At commas, but not those within brackets. */
function splitTerms(text: string): string[] {
  return text.trim() === '' ? [] : text.split(/,(?![^(]*\))/)
}

function parseTerm(term: string, text: string): Selector {
  const equality = EQUALITY.exec(term)
  if (equality) {
    const [, key = '', operator, value = ''] = equality
    return operator === '!=' ? (labels) => labelOf(labels, key) !== value : (labels) => labelOf(labels, key) === value
  }
  const set = SET.exec(term)
  if (set) {
    const [, key = '', operator, list = ''] = set
    const values = list.split(',').map((value) => value.trim())
    if (values.every((value) => VALUE.test(value))) {
      const included = (labels: Labels): boolean => values.includes(labelOf(labels, key) ?? '')
      return operator === 'in' ? included : (labels) => !included(labels)
    }
  }
  const presence = PRESENCE.exec(term)
  if (presence) {
    const [, not, key = ''] = presence
    return (labels) => (labelOf(labels, key) !== undefined) === (not === '')
  }
  throw new CausewayError(
    'usage',
    `the selector ${JSON.stringify(text)} has a part that is not understood: ${JSON.stringify(term)}`,
    'write terms like a=b, a!=b, a in (b,c), a or !a, joined by commas',
  )
}

function labelOf(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined
}
