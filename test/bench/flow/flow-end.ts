/** A process at one end of a bench's flows, as the bench holds it. Orders are answered one by one, in their order. */
import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Lab } from '../../netlab/lab.ts'
import type { FlowAnswer, FlowNews, FlowOrder } from './flow-talk.ts'
import type { FlowName, MediumSpec } from './medium.ts'

const PROCESS = fileURLToPath(new URL('./flow-process.ts', import.meta.url))

export class FlowEnd {
  readonly #process: ChildProcess
  readonly #waiting: PromiseWithResolvers<FlowNews | undefined>[] = []
  readonly #logFile: string
  #ended: Error | undefined

  /** Resolves when the medium is open there, but no flow yet. What it says on the way goes to a file in `directory`. */
  static async start(lab: Lab, host: string, spec: MediumSpec, directory: string): Promise<FlowEnd> {
    const end = new FlowEnd(lab, host, spec, join(directory, `flow-${host}.log`))
    await end.#answered()
    return end
  }

  private constructor(lab: Lab, host: string, spec: MediumSpec, logFile: string) {
    this.#logFile = logFile
    this.#process = lab.fork(host, PROCESS, [JSON.stringify(spec)], logFile)
    this.#process.on('message', ({ taken, fault }: FlowAnswer) => {
      const waiting = this.#waiting.shift()
      if (fault === undefined) waiting?.resolve(taken)
      else waiting?.reject(new Error(`${host}: ${fault}`))
    })
    this.#process.once('exit', (code, signal) => {
      this.#ended = new Error(`the flow's end at ${host} died (${signal ?? code}): ${this.#lastWords()}`)
      for (const { reject } of this.#waiting.splice(0)) reject(this.#ended)
    })
  }

  async order(order: Exclude<FlowOrder, { order: 'take' }>): Promise<void> {
    await this.#ask(order)
  }

  async take(flow: FlowName): Promise<FlowNews> {
    const taken = await this.#ask({ order: 'take', flow })
    if (!taken) throw new Error('an answer without news')
    return taken
  }

  async stop(): Promise<void> {
    if (this.#ended) return
    const ended = new Promise<void>((done) => this.#process.once('exit', () => done()))
    this.#process.kill('SIGKILL')
    await ended
  }

  #ask(order: FlowOrder): Promise<FlowNews | undefined> {
    if (this.#ended) return Promise.reject(this.#ended)
    this.#process.send(order)
    return this.#answered()
  }

  #answered(): Promise<FlowNews | undefined> {
    const waiting = Promise.withResolvers<FlowNews | undefined>()
    this.#waiting.push(waiting)
    return waiting.promise
  }

  #lastWords(): string {
    return readFileSync(this.#logFile, 'utf8').trim().split('\n').slice(-6).join(' | ')
  }
}
