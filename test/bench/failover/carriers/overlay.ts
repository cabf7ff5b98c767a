/** Overlays run one process on each host; to kill a hub is to kill that, and to revive it is to run it again. */
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import type { Lab } from '../../../netlab/lab.ts'
import type { Carriage } from '../carrier.ts'

export class Overlay {
  readonly #lab: Lab
  readonly #directory: string
  readonly #commandOf: (host: string) => readonly string[]
  readonly #running = new Map<string, ChildProcess>()

  constructor(lab: Lab, directory: string, commandOf: (host: string) => readonly string[]) {
    this.#lab = lab
    this.#directory = directory
    this.#commandOf = commandOf
    for (const host of lab.hosts) this.#run(host)
  }

  get faults(): Required<Pick<Carriage, 'kill' | 'revive'>> {
    return {
      kill: async (hub) => {
        const child = this.#running.get(hub)
        if (!child) throw new Error(`nothing runs on ${hub}`)
        const ended = new Promise<void>((done) => child.once('exit', () => done()))
        child.kill('SIGKILL')
        await ended
      },
      revive: (hub) => Promise.resolve(this.#run(hub)),
    }
  }

  #run(host: string): void {
    this.#running.set(host, this.#lab.spawn(host, this.#commandOf(host), join(this.#directory, `${host}.log`)))
  }
}
