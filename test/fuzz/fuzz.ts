/** Runs targets for many rounds and watches what they take of the memory. */
import { SeededRandom } from '@causeway/protocol'
import { BatchTarget } from './batch-target.ts'
import type { FuzzTarget } from './fuzz-target.ts'
import { PackedTarget } from './packed-target.ts'
import { SessionTarget, VitalsTarget } from './session-target.ts'
import { UpdateTarget } from './update-target.ts'

/** Name, what makes it, and its share of all rounds. */
const TARGETS: readonly (readonly [make: (random: SeededRandom) => FuzzTarget, share: number])[] = [
  [(random) => new UpdateTarget(random), 0.55],
  [(random) => new BatchTarget(random), 0.2],
  [(random) => new SessionTarget(random), 0.05],
  [(random) => new VitalsTarget(random), 0.15],
  [(random) => new PackedTarget(random), 0.05],
]
const PORTION = 10_000

export interface FuzzOrder {
  readonly rounds: number
  readonly seed: number
  readonly say?: (line: string) => void
}

export interface FuzzReport {
  readonly target: string
  readonly rounds: number
  readonly taken: number
  /** After a collection, where the process was started with `--expose-gc`; the most of all portions. */
  readonly heapMbMax: number
}

/** Throws at the first round that breaks its target; the message names the seed of the portion. */
export async function fuzz({ rounds, seed, say = () => undefined }: FuzzOrder): Promise<FuzzReport[]> {
  const reports: FuzzReport[] = []
  for (const [make, share] of TARGETS) {
    const report = { target: '', rounds: 0, taken: 0, heapMbMax: 0 }
    const target = make(new SeededRandom(seed))
    const before = process.cpuUsage()
    report.target = target.name
    for (const wanted = Math.ceil(rounds * share); report.rounds < wanted;) {
      const portion = Math.min(PORTION, wanted - report.rounds)
      report.taken += runPortion(target, portion, seed + report.rounds)
      report.rounds += portion
      globalThis.gc?.()
      report.heapMbMax = Math.max(report.heapMbMax, Math.round(process.memoryUsage().heapUsed / 1e6))
      // Somebody may want to stop it.
      await new Promise((done) => setImmediate(done))
    }
    const { user } = process.cpuUsage(before)
    say(
      `${target.name}: ${report.rounds} rounds in ${(user / 1e6).toFixed(1)} CPU s, ${report.taken} taken, heap at most ${report.heapMbMax} MB`,
    )
    reports.push(report)
  }
  return reports
}

function runPortion(target: FuzzTarget, rounds: number, seed: number): number {
  const random = new SeededRandom(seed)
  let taken = 0
  for (let round = 0; round < rounds; round++) {
    try {
      if (target.round(random) === 'taken') taken++
    } catch (cause) {
      throw new Error(`${target.name} broke in round ${round} of seed ${seed}: ${(cause as Error).message}`, { cause })
    }
  }
  return taken
}
