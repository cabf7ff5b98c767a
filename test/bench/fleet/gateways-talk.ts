/** What the bench and a process of gateways say to each other. */

export type GatewaysOrder =
  /** Starts a node for each config, all at once, and watches `config` at each. */
  | { readonly order: 'start'; readonly configs: readonly string[] }
  /** What they have seen since the last `take`. */
  | { readonly order: 'take' }

/** A gateway has seen a record of `config`. */
export interface Sighting {
  readonly key: string
  /** `performance.timeOrigin + performance.now()`. */
  readonly atMs: number
}

export interface GatewaysAnswer {
  readonly seen?: readonly Sighting[]
  readonly fault?: string
}
