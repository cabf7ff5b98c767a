/**
 * The guardian: a small process that outlives the demo by a moment. However the demo ends, killed or crashed, the
 * pipe to its standard input closes; then it ends the processes it was told of, and removes their directory.
 *
 * Lines it takes: `watch PID`, `forget PID`, `directory PATH`.
 */
import { rmSync } from 'node:fs'
import { createInterface } from 'node:readline'

const watched = new Set<number>()
let directory: string | undefined

// Ctrl-C reaches the whole process group; the guardian leaves last, by the end of its input only.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [, verb, rest = ''] = /^(\w+) (.*)$/.exec(line) ?? []
    if (verb === 'watch') watched.add(Number(rest))
    else if (verb === 'forget') watched.delete(Number(rest))
    else if (verb === 'directory') directory = rest
  })
  .on('close', () => {
    for (const pid of watched) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended by itself.
      }
    }
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  })
