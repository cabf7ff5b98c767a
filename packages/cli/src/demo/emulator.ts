/**
 * Wide-area links on one machine: between each pair of nodes a port that seems to lead far away, and that can be cut
 * without either end being told. This is the handle; the work is done in a process of its own.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import type { LinkSpec, LinkTraffic } from './emulated-link.ts'
import type { Answer, Command } from './emulator-process.ts'

export type Pair = readonly [a: string, b: string]

export class Emulator {
  readonly #process: ChildProcess
  readonly #waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void }[] = []
  #ended: Error | undefined

  constructor() {
    // Beside this file, compiled or not.
    this.#process = fork(new URL(`./emulator-process${extname(import.meta.url)}`, import.meta.url))
    this.#process.on('message', (answer: Answer) => this.#waiting.shift()?.resolve(answer))
    this.#process.on('error', (error: Error) => this.#fail(error))
    this.#process.on('exit', () => this.#fail(new Error('the emulator has ended')))
  }

  /** Opens the links and returns their ports, in the same order. */
  async open(links: readonly LinkSpec[]): Promise<readonly number[]> {
    const answer = await this.#ask({ type: 'open', links })
    return answer.type === 'ports' ? answer.ports : []
  }

  /** Silent: bytes are held, datagrams are lost, and neither close nor reset gets through. */
  async cut(pairs: readonly Pair[]): Promise<void> {
    await this.#ask({ type: 'cut', pairs })
  }

  async heal(pairs: readonly Pair[]): Promise<void> {
    await this.#ask({ type: 'heal', pairs })
  }

  async traffic(): Promise<readonly LinkTraffic[]> {
    const answer = await this.#ask({ type: 'traffic' })
    return answer.type === 'traffic' ? answer.traffic : []
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
  }

  async #ask(command: Command): Promise<Answer> {
    if (this.#ended) throw this.#ended
    const answer = await new Promise<Answer>((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#process.send(command)
    })
    if (answer.type === 'failed') throw new Error(`the emulator failed: ${answer.reason}`)
    return answer
  }

  #fail(error: Error): void {
    this.#ended ??= error
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}
