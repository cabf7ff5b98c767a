/** What every forward is, whatever listens: a place of this node where programs connect, and what passed there. */
import type { ForwardView } from '@causeway/protocol'
import type { ForwardSetting } from './settings.ts'
import type { TrafficCounts } from './traffic.ts'

export interface Forward {
  /** By where it listens. */
  readonly id: string
  readonly counts: TrafficCounts
  view(): Omit<ForwardView, 'origin'>
  /** Leads elsewhere from now on. */
  retarget?(setting: ForwardSetting): void
  /** Takes no more; what is open goes on to its own end. */
  close(): void
  /** Ends what is open. */
  reset(reason: string): void
}

/** Failures as people are told of them. */
export class FailureNote {
  #last: ForwardView['lastFailure'] = null

  get last(): ForwardView['lastFailure'] {
    return this.#last
  }

  note(error: unknown): string {
    const reason = error instanceof Error ? error.message : String(error)
    this.#last = { at: Date.now(), reason }
    return reason
  }
}
