/**
 * The round trips of a link as the kernels at its ends have them: `ping` sends, the far kernel answers, and the near one
 * stamps what comes. No process of ours is involved, so this is the truth that ours are compared with.
 */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Lab } from '../../netlab/lab.ts'
import { meanOf, quantileOf } from '../statistics.ts'
import { TRUTH } from './known-link.ts'

const INTERVAL_SECONDS = 0.1
const SAMPLES_MIN = 100

/** Of round trips; jitter is the mean difference of one from the next (RFC 3550, 6.4.1, without its smoothing). */
export interface Delays {
  readonly source: string
  readonly rttMsP50: number
  readonly rttMsP99: number
  readonly jitterMs: number
}

export class ByPing {
  readonly #directory = mkdtempSync(join(tmpdir(), 'cw-bench-'))
  /** Ends it; `undefined` if there is no `ping` here. */
  readonly #end: (() => Promise<void>) | undefined

  /** Begins at once, unless there is no `ping` here. */
  constructor(lab: Lab, from: string, to: string) {
    if (spawnSync('ping', ['-V']).status !== 0) return
    const child = lab.spawn(from, ['ping', '-n', '-i', String(INTERVAL_SECONDS), lab.address(to, from)], this.#output)
    this.#end = async () => {
      const ended = once(child, 'exit')
      child.kill('SIGINT')
      await ended
    }
  }

  async stop(): Promise<Delays> {
    try {
      if (!this.#end) return FROM_SETTINGS
      await this.#end()
      return delaysOf(readFileSync(this.#output, 'utf8'))
    } finally {
      rmSync(this.#directory, { recursive: true, force: true })
    }
  }

  get #output(): string {
    return join(this.#directory, 'ping')
  }
}

const FROM_SETTINGS: Delays = {
  source: 'what follows from the settings, since there is no ping here (on Debian: apt-get install iputils-ping)',
  rttMsP50: TRUTH.rttMsP50,
  rttMsP99: TRUTH.rttMsP99,
  jitterMs: TRUTH.jitterMsRoundTrip,
}

function delaysOf(text: string): Delays {
  const trips = [...text.matchAll(/ time=([\d.]+) ms/g)].map(([, ms]) => Number(ms))
  const [p50, p99] = [quantileOf(trips, 0.5), quantileOf(trips, 0.99)]
  const jitterMs = meanOf(trips.slice(1).map((trip, index) => Math.abs(trip - (trips[index] ?? trip))))
  if (trips.length < SAMPLES_MIN || p50 === null || p99 === null || jitterMs === null)
    throw new Error(`ping got only ${trips.length} answers`)
  return { source: 'the kernel’s ping at the same time', rttMsP50: p50, rttMsP99: p99, jitterMs }
}
