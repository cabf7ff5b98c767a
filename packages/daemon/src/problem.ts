/** Faults as HTTP tells them: RFC 9457 problem documents, with our code and what to do about it. */
import { CausewayError, type ErrorCode, type Problem } from '@causeway/protocol'

const STATUS: Readonly<Record<ErrorCode, number>> = {
  usage: 400,
  'config-invalid': 400,
  'credential-invalid': 403,
  refused: 403,
  'not-found': 404,
  conflict: 409,
  'port-in-use': 409,
  gone: 410,
  invalid: 422,
  unreachable: 502,
  'daemon-unreachable': 503,
  timeout: 504,
  'store-corrupt': 500,
  'store-locked': 500,
  'store-full': 507,
}

const TITLE: Readonly<Record<ErrorCode, string>> = {
  usage: 'The request is not understood',
  'config-invalid': 'The config is not valid',
  'credential-invalid': 'The credential is not valid',
  refused: 'Not allowed',
  'not-found': 'Not found',
  conflict: 'Changed meanwhile',
  gone: 'Too long ago',
  invalid: 'Does not fit the schema',
  unreachable: 'Not reachable',
  'daemon-unreachable': 'No daemon',
  timeout: 'Took too long',
  'port-in-use': 'The port is in use',
  'store-corrupt': 'The store is damaged',
  'store-locked': 'The store is in use',
  'store-full': 'The disk is full',
}

/** What an error that is not ours to explain looks like from outside. */
const INTERNAL: Problem = {
  type: 'urn:causeway:problem:internal',
  title: 'Internal error',
  status: 500,
  detail: 'the node could not answer; its log says why',
  remedy: 'look at the log of the node',
  code: 'internal',
}

export function problemOf(error: unknown, status?: number): Problem {
  if (!(error instanceof CausewayError)) return INTERNAL
  const { code, message, remedy } = error
  return { type: `urn:causeway:problem:${code}`, title: TITLE[code], status: status ?? STATUS[code], detail: message, remedy, code }
}

export function problemResponse(error: unknown, status?: number): Response {
  const problem = problemOf(error, status)
  return new Response(JSON.stringify(problem), { status: problem.status, headers: { 'content-type': 'application/problem+json' } })
}
