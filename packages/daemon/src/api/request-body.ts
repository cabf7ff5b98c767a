/**
 * The body of a request as JSON, and as such JSON as can be kept and passed on: UTF-8, text that is text, and not nested so
 * deeply that whoever walks it runs out of stack. Its size is bounded before.
 */
import { CausewayError } from '@causeway/protocol'

const DEPTH_MAX = 100
const decoder = new TextDecoder('utf-8', { fatal: true })

/** Throws `usage`. */
export function parseBody(bytes: ArrayBuffer): unknown {
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch (cause) {
    throw new CausewayError('usage', 'the body is not UTF-8', 'send JSON in UTF-8', { cause })
  }
  if (depthOf(text) > DEPTH_MAX) {
    throw new CausewayError('usage', `the body is nested more than ${DEPTH_MAX} deep`, 'send flatter JSON, or such a value as text')
  }
  try {
    // Only an escape can make half of a pair, and only then is there something to look for.
    const value: unknown = /\\ud[89a-f]/i.test(text) ? JSON.parse(text, refuseHalves) : JSON.parse(text)
    return value
  } catch (cause) {
    if (cause instanceof CausewayError) throw cause
    throw new CausewayError('usage', 'the body is not JSON', 'send the value as one JSON document', { cause })
  }
}

/** How deep brackets are nested, of what may be JSON. */
function depthOf(text: string): number {
  let deepest = 0
  let depth = 0
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    const sign = text[at]
    if (quoted) {
      if (sign === '\\') at++
      else if (sign === '"') quoted = false
    } else if (sign === '"') quoted = true
    else if (sign === '[' || sign === '{') deepest = Math.max(deepest, ++depth)
    else if (sign === ']' || sign === '}') depth--
  }
  return deepest
}

function refuseHalves(key: string, value: unknown): unknown {
  if (key.isWellFormed() && (typeof value !== 'string' || value.isWellFormed())) return value
  throw new CausewayError('usage', 'the body has half of a surrogate pair', 'send whole characters')
}
