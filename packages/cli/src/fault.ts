/**
 * How the command line fails: one line on stderr that names the fault and the remedy, and an exit code that a
 * script can branch on. Stack traces are for `CAUSEWAY_DEBUG=1`.
 */
import type { CausewayError, ErrorCode } from '@causeway/protocol'

export const DONE = 0
export const ANSWER_NO = 1
export const WRONG_USAGE = 2
const NO_DAEMON = 3

const EXIT_CODES: Partial<Record<ErrorCode, number>> = {
  usage: WRONG_USAGE,
  'config-invalid': WRONG_USAGE,
  'credential-invalid': WRONG_USAGE,
  'daemon-unreachable': NO_DAEMON,
}

/** Prints the fault and returns the exit code. */
export function reportFault(error: unknown): number {
  process.stderr.write(`${faultLine(error)}\n`)
  if (process.env['CAUSEWAY_DEBUG']) process.stderr.write(`${traceOf(error)}\n`)
  return isCausewayError(error) ? (EXIT_CODES[error.code] ?? ANSWER_NO) : ANSWER_NO
}

export function faultLine(error: unknown): string {
  if (isCausewayError(error)) return `causeway: ${sentence(error.message)} ${sentence(capital(error.remedy))}`
  const message = error instanceof Error ? error.message : String(error)
  return `causeway: ${sentence(message)} Set CAUSEWAY_DEBUG=1 to see where this comes from.`
}

/** By shape, not by class: an error may come from another copy of the package. */
function isCausewayError(error: unknown): error is CausewayError {
  return error instanceof Error && error.name === 'CausewayError' && 'code' in error && 'remedy' in error
}

function sentence(text: string): string {
  const line = text.replace(/\s*\n\s*/g, ' ').trim()
  return /[.!?]$/.test(line) ? line : `${line}.`
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function traceOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  return error.cause === undefined ? (error.stack ?? '') : `${error.stack ?? ''}\ncaused by ${traceOf(error.cause)}`
}
