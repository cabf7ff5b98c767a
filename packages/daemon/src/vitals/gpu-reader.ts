/**
 * What NVIDIA's tool says of the GPUs, asked every 10 s in a process of its own: it takes a second where the driver
 * sleeps. A machine without the tool is asked once; while an answer is awaited, or none came, there are no values.
 */
import { execFile } from 'node:child_process'
import type { VitalValues } from '@causeway/protocol'

const PERIOD_MS = 10_000
const ANSWER_MS_MAX = 5_000
const ANSWER_BYTES_MAX = 64 * 1024
const QUERY = ['--query-gpu=utilization.gpu,memory.used,memory.total', '--format=csv,noheader,nounits']

export class GpuReader {
  readonly #command: string
  #values: VitalValues = {}
  #askedAt = -Infinity
  #asking = false
  #absent = false

  constructor(command = 'nvidia-smi') {
    this.#command = command
  }

  /** There is such a tool, as far as is known. */
  get present(): boolean {
    return !this.#absent
  }

  /** The last answer; asks for the next one if it is time. Never waits. */
  read(nowMs: number): VitalValues {
    if (!this.#absent && !this.#asking && nowMs - this.#askedAt >= PERIOD_MS) this.#ask(nowMs)
    return this.#values
  }

  #ask(nowMs: number): void {
    this.#askedAt = nowMs
    this.#asking = true
    const limits = { timeout: ANSWER_MS_MAX, killSignal: 'SIGKILL' as const, maxBuffer: ANSWER_BYTES_MAX }
    const child = execFile(this.#command, QUERY, limits, (error, text) => {
      this.#asking = false
      if (error?.code === 'ENOENT' || error?.code === 'EACCES') this.#absent = true
      this.#values = error ? {} : gpuValues(text)
    })
    // Whoever stops the node need not wait for an answer.
    child.unref()
  }
}

/** One line per GPU: percent in use, memory in use, memory. What a GPU does not tell is "[N/A]". */
export function gpuValues(text: string): VitalValues {
  const rows = text
    .trim()
    .split('\n')
    .map((line) => line.split(',').map((cell) => (cell.trim() === '' ? Number.NaN : Number(cell))))
  const uses = rows.flatMap(([use]) => (use === undefined || Number.isNaN(use) ? [] : [use]))
  const memories = rows.filter(([, used, total]) => used !== undefined && total !== undefined && used >= 0 && total > 0)
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0)
  return {
    ...(uses.length > 0 && { gpu: sum(uses) / uses.length }),
    ...(memories.length > 0 && {
      gpuMem: (100 * sum(memories.map(([, used = 0]) => used))) / sum(memories.map(([, , total = 0]) => total)),
    }),
  }
}
