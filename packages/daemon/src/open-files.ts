/**
 * Tells before a node has as many files and sockets open as it may have. From then on the system closes each connection that
 * comes before the node hears of it: its peers are hung up on, and its own log would say nothing.
 */
import { readFileSync, readdirSync } from 'node:fs'
import type { Report } from './forwarding/sparing-reports.ts'

const FEW = 0.7
const MANY = 0.8
const LOOK_MS = 5_000

/** `undefined` where the host does not tell; Infinity if they are so many that none can be opened to look. */
export function countOpenFiles(): number | undefined {
  try {
    // One of them is the folder itself, while it is read.
    return readdirSync('/proc/self/fd').length - 1
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'EMFILE' ? Infinity : undefined
  }
}

/** How many may be open: the soft limit of this process, which Node raises to the hard one when it starts. `undefined` if it cannot be read. */
export function openFilesMax(): number | undefined {
  try {
    const [, limit] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return limit === undefined ? undefined : Number(limit)
  } catch {
    return undefined
  }
}

export class OpenFiles {
  readonly #report: Report
  #limit: number | undefined
  #many = false

  constructor(report: Report) {
    this.#report = report
  }

  /** Looks now, and every 5 s until the returned function is called. */
  watch(): () => void {
    this.look(countOpenFiles(), openFilesMax())
    const timer = setInterval(() => this.look(countOpenFiles(), openFilesMax()), LOOK_MS)
    return () => clearInterval(timer)
  }

  /** A limit that cannot be read is what it was. */
  look(open: number | undefined, limitNow: number | undefined): void {
    const limit = (this.#limit = limitNow ?? this.#limit)
    if (open === undefined || limit === undefined) return
    if (!this.#many && open >= limit * MANY) {
      this.#many = true
      const remedy = `raise it at once (prlimit --pid ${process.pid} --nofile=N) and for good (ulimit -n; systemd: LimitNOFILE=): at the limit, whoever connects is hung up on`
      this.#report('open-files-near-limit', { open: Math.min(open, limit), limit, remedy })
    } else if (this.#many && open <= limit * FEW) {
      this.#many = false
      this.#report('open-files-eased', { open, limit })
    }
  }
}
