/** Something that reads bytes of others: each round gives it some that were changed, and throws if it does what it must not. */
import type { SeededRandom } from '@causeway/protocol'

export interface FuzzTarget {
  readonly name: string
  /** What became of the bytes, to be counted. Throws if the target broke. */
  round(random: SeededRandom): 'refused' | 'taken'
}
