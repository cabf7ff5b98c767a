/**
 * A scene shows one thing and says whether it held. Scenes run one after the other on the same network, each leaving
 * it whole again.
 */
import type { DemoNetwork } from './demo-network.ts'

export interface Stage {
  readonly network: DemoNetwork
  /** How long a flow of messages runs. */
  readonly flowSeconds: number
  /** What is going on now, for eyes. */
  readonly say: (what: string) => void
}

export interface Scene<Figures> {
  readonly held: boolean
  /** One line with the numbers that matter. */
  readonly line: string
  readonly figures: Figures
  /** More, for who wants it: a table. */
  readonly details?: string
}

export type Play<Figures> = (stage: Stage) => Promise<Scene<Figures>>
