/**
 * Where the lines of the log go: to stderr. Nobody who takes the log may hold the node up or end it: readers of pipes hang, disks
 * of log files fill up, somebody presses Ctrl-S at the terminal. A line that finds no room is left out; how many were is told with
 * the next that finds some.
 */
import { constants, openSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'

const STDERR = 2
/** What a slow reader of a pipe may leave waiting in memory. */
const WAITING_BYTES_MAX = 1024 * 1024

/** False: there is no room for it. Never throws. */
export type Take = (text: string) => boolean

export class LogOutput {
  readonly #take: Take
  readonly #format: (line: string) => string
  #missing = 0

  /** `format`: what a line is turned into, for people. */
  constructor(take: Take, format: (line: string) => string = (line) => line) {
    this.#take = take
    this.#format = format
  }

  /** `line`: a record of the log in JSON, that ends with a line feed. */
  write(line: string): void {
    const text = (this.#missing > 0 ? this.#format(this.#missingLine()) : '') + this.#format(line)
    this.#missing = this.#take(text) ? 0 : this.#missing + 1
  }

  /** The line before it may have been cut short. */
  #missingLine(): string {
    const record = {
      level: 40,
      time: new Date().toISOString(),
      lines: this.#missing,
      msg: 'lines of this log are missing: nobody took them',
    }
    return `\n${JSON.stringify(record)}\n`
  }
}

/** Of this process. Node writes to pipes and sockets without waiting, but to terminals it waits. */
export function takeOnStderr(stderr: NodeJS.WriteStream = process.stderr): Take {
  if (stderr.isTTY) return takeOnFile(openTerminal())
  return stderr instanceof Socket ? takeOnPipe(stderr) : takeOnFile(STDERR)
}

function takeOnPipe(pipe: Socket): Take {
  // Whoever read it is gone.
  pipe.on('error', () => {})
  return (text) => {
    if (pipe.destroyed || pipe.writableLength + text.length > WAITING_BYTES_MAX) return false
    pipe.write(text)
    return true
  }
}

function takeOnFile(file: number): Take {
  return (text) => {
    try {
      return writeSync(file, text) === Buffer.byteLength(text)
    } catch {
      return false
    }
  }
}

/** The terminal once more, so that a stopped one is not waited for: fd 2 is shared with others, who would not expect that. */
function openTerminal(): number {
  try {
    return openSync(`/proc/self/fd/${STDERR}`, constants.O_WRONLY | constants.O_NOCTTY | constants.O_NONBLOCK)
  } catch {
    return STDERR
  }
}
