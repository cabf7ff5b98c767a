/**
 * Three kinds of fault, three ways to say so. Ours: `invariant`, which stops the process. A peer's: a
 * `Violation`, an effect that is counted and may cost the link. The world's (config, disk, network):
 * `CausewayError`, with a code to match on and a remedy for the person who reads it.
 */

/** Stops on a bug of ours. Always on: a wrong state is worse than a stopped process. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message)
}

export class InvariantError extends Error {
  override readonly name = 'InvariantError'
}

/** What a peer did that it must not do. */
export interface Violation {
  readonly type: 'violation'
  /** Who did it: a node name, or a remote address where no name is known yet. */
  readonly peer: string
  readonly code: ViolationCode
  readonly detail: string
}

export type ViolationCode = 'malformed' | 'oversized' | 'unexpected' | 'bad-credential' | 'bad-batch' | 'out-of-scope' | 'overflow'

/** Codes of faults of the surroundings; each tells the person what to do. */
export type ErrorCode =
  | 'config-invalid'
  | 'credential-invalid'
  | 'port-in-use'
  | 'store-corrupt'
  | 'store-locked'
  | 'store-full'
  | 'not-found'
  | 'conflict'
  | 'gone'
  | 'invalid'
  | 'unreachable'
  | 'timeout'
  | 'usage'
  | 'daemon-unreachable'
  | 'refused'

export class CausewayError extends Error {
  override readonly name = 'CausewayError'
  readonly code: ErrorCode
  /** One sentence in the imperative: what the reader can do about it. */
  readonly remedy: string

  constructor(code: ErrorCode, message: string, remedy: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
    this.remedy = remedy
  }
}
