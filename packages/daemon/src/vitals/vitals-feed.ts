/**
 * Gives the node its vitals once a second: what the operating system says, and over it what applications on this node
 * have told of late. An application repeats itself, or its values go: nobody wants the load of a program that is gone.
 *
 *  1. The node is fed every second, also if there is nothing to say: silence would mean that it is gone.
 *  2. A reading that takes longer than a second delays the next, and never runs beside it.
 */
import { CausewayError, VITAL_FREE_FIELDS_MAX, VITAL_THRESHOLDS, type VitalValues, vitalsFault } from '@causeway/protocol'
import { GpuReader } from './gpu-reader.ts'
import { SystemReader } from './system-reader.ts'

const PERIOD_MS = 1_000
/** What an application has not repeated for so long is dropped. */
export const APPLICATION_MS = 60_000

export interface VitalsFeedOptions {
  readonly dataDir: string
  /** Whether to read those of the machine; off, only applications tell. */
  readonly system: boolean
  readonly onVitals: (values: VitalValues) => void
  /** @default those of this machine */
  readonly readers?: { readonly system: Pick<SystemReader, 'read'>; readonly gpu: Pick<GpuReader, 'read'> }
}

export class VitalsFeed {
  readonly #onVitals: (values: VitalValues) => void
  readonly #readers: NonNullable<VitalsFeedOptions['readers']> | undefined
  readonly #told = new Map<string, { readonly value: number; readonly atMs: number }>()
  #system: VitalValues = {}
  #timer: NodeJS.Timeout | undefined

  constructor({ dataDir, system, onVitals, readers }: VitalsFeedOptions) {
    this.#onVitals = onVitals
    if (system) this.#readers = readers ?? { system: new SystemReader({ dataDir }), gpu: new GpuReader() }
  }

  start(): void {
    const round = async (): Promise<void> => {
      await this.beat(performance.now())
      if (this.#timer) this.#timer = setTimeout(() => void round(), PERIOD_MS)
    }
    this.#timer = setTimeout(() => void round(), 0)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Reads the machine and feeds the node. */
  async beat(nowMs: number): Promise<void> {
    if (this.#readers) this.#system = { ...(await this.#readers.system.read()), ...this.#readers.gpu.read(nowMs) }
    for (const [name, { atMs }] of this.#told) if (nowMs - atMs >= APPLICATION_MS) this.#told.delete(name)
    this.#feed()
  }

  /** An application tells some values; they hold for a minute, and stand before those of the machine. Throws `usage`. */
  tell(nowMs: number, values: unknown): void {
    const fault = vitalsFault(values)
    if (fault !== undefined) throw new CausewayError('usage', fault, 'send a JSON object such as {"players": 12, "fps": 59.9}')
    const told = values as VitalValues
    const names = new Set([...this.#told.keys(), ...Object.keys(told)].filter((name) => !Object.hasOwn(VITAL_THRESHOLDS, name)))
    if (names.size > VITAL_FREE_FIELDS_MAX) {
      const remedy = `wait a minute until those that are not repeated have gone`
      throw new CausewayError('usage', `the applications of this node have more than ${VITAL_FREE_FIELDS_MAX} vitals`, remedy)
    }
    for (const [name, value] of Object.entries(told)) this.#told.set(name, { value, atMs: nowMs })
    this.#feed()
  }

  #feed(): void {
    const told = Object.fromEntries([...this.#told].map(([name, { value }]) => [name, value]))
    this.#onVitals({ ...this.#system, ...told })
  }
}
