/** What a node knows of one task that is granted to it. */
import type { Instant, TaskToken, TaskView } from '@causeway/protocol'

export interface Held {
  readonly id: string
  token: TaskToken
  phase: 'allocated' | 'tombstone'
  policy: TaskView['policy'] | undefined
  /** When we asked the question whose answer last said that it is held. */
  sureAt: Instant | undefined
  /** Who of the site was linked with us then. */
  mates: readonly string[]
  /** It goes on without the allocator. */
  alone: boolean
  worker: number | undefined
  /** Under which token the worker has it, and which state of the record it was shown. */
  shown: string
  /** A worker that has it from an earlier life may have it at once; others not before this. */
  readonly notBefore: Instant
  readonly learnedAt: Instant
  /** Granted to an earlier life of this process. */
  readonly inherited: boolean
}

/** Token, phase, generation and labels: what a worker is told of. */
export function shownAs({ token, phase }: Pick<Held, 'token' | 'phase'>, { generation, labels }: TaskView): string {
  return `${token} ${phase} ${generation} ${JSON.stringify(labels)}`
}
