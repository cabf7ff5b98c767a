/** A participant's process, as the bench holds it. Orders are answered one by one, in their order. */
import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Lab } from '../../netlab/lab.ts'
import type { Diary, Participant } from './participant.ts'
import type { ParticipantAnswer, ParticipantOrder, ParticipantSpec } from './participant-talk.ts'
import type { Change } from './trace.ts'

const PROCESS = fileURLToPath(new URL('./participant-process.ts', import.meta.url))

export class ProcessParticipant implements Participant {
  readonly site: number | undefined
  readonly node: number | undefined
  readonly #host: string
  readonly #process: ChildProcess
  readonly #logFile: string
  readonly #waiting: PromiseWithResolvers<ParticipantAnswer>[] = []
  #ended: Error | undefined

  /** Resolves when it has opened its system. */
  static async start(lab: Lab, host: string, spec: ParticipantSpec, directory: string): Promise<ProcessParticipant> {
    const participant = new ProcessParticipant(lab, host, spec, join(directory, `participant-${host}.log`))
    await participant.#answered()
    return participant
  }

  private constructor(lab: Lab, host: string, spec: ParticipantSpec, logFile: string) {
    this.site = spec.role === 'site' ? spec.site : undefined
    this.node = spec.role === 'site' ? 0 : undefined
    this.#host = host
    this.#logFile = logFile
    this.#process = lab.fork(host, PROCESS, [JSON.stringify(spec)], logFile)
    this.#process.on('message', (answer: ParticipantAnswer) => {
      const waiting = this.#waiting.shift()
      if (answer.fault === undefined) waiting?.resolve(answer)
      else waiting?.reject(new Error(`${host}: ${answer.fault}`))
    })
    this.#process.once('exit', (code, signal) => {
      this.#ended = new Error(`the participant at ${host} died (${signal ?? code}): ${readFileSync(this.#logFile, 'utf8').slice(-2_000)}`)
      for (const { reject } of this.#waiting.splice(0)) reject(this.#ended)
    })
  }

  async prepare(changes: readonly Change[]): Promise<void> {
    await this.#ask({ order: 'prepare', changes })
  }

  async play(changes: readonly Change[], startMs: number): Promise<void> {
    await this.#ask({ order: 'play', changes, startMs })
  }

  async take(): Promise<Diary> {
    const { diary } = await this.#ask({ order: 'take' })
    if (!diary) throw new Error(`${this.#host} answered without a diary`)
    return diary
  }

  async stop(): Promise<void> {
    if (this.#ended) return
    const ended = new Promise<void>((done) => this.#process.once('exit', () => done()))
    this.#process.kill('SIGKILL')
    await ended
  }

  #ask(order: ParticipantOrder): Promise<ParticipantAnswer> {
    if (this.#ended) return Promise.reject(this.#ended)
    this.#process.send(order)
    return this.#answered()
  }

  #answered(): Promise<ParticipantAnswer> {
    const waiting = Promise.withResolvers<ParticipantAnswer>()
    this.#waiting.push(waiting)
    return waiting.promise
  }
}
