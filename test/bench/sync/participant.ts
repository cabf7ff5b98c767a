/**
 * A program at one place of the fleet: it writes its part of the trace when its time has come, and notes when it sees what
 * others wrote. Clocks are the machine's monotonic one, in milliseconds, the same in all processes.
 */
import { monotonicMs } from '../flow/flow-talk.ts'
import type { Change } from './trace.ts'

/** What a program does with the system that is measured. */
export interface Access {
  /** Resolves when the write is acknowledged, in systems that do that. */
  write(change: Change): Promise<unknown>
}

/** How a system tells what it shows: `identityOf` a record, or that another value of some node's vitals came. */
export interface Sight {
  saw(identity: string): void
  sawVital(): void
}

export interface Diary {
  /** Identity and when it was written, for what has one. */
  readonly wrote: readonly (readonly [identity: string, atMs: number])[]
  readonly saw: readonly (readonly [identity: string, atMs: number])[]
  readonly vitals: number
  readonly faults: readonly string[]
  /** How late the program was with its writes, at worst. */
  readonly lateMs: number
}

/** A program, wherever it runs. */
export interface Participant {
  /** The core's, or that of a node of a site. */
  readonly site: number | undefined
  readonly node: number | undefined
  /** Writes what was there before, all of it, and waits for that. */
  prepare(changes: readonly Change[]): Promise<void>
  /** Writes each change at its time after `startMs`; resolves after the last. */
  play(changes: readonly Change[], startMs: number): Promise<void>
  /** What it noted since it was last asked. */
  take(): Promise<Diary>
  stop(): Promise<void>
}

export class Player implements Sight {
  readonly #identify: (change: Change) => string
  #access: Access | undefined
  #wrote: [string, number][] = []
  #saw: [string, number][] = []
  #vitals = 0
  #faults: string[] = []
  #lateMs = 0

  constructor(identify: (change: Change) => string) {
    this.#identify = identify
  }

  use(access: Access): void {
    this.#access = access
  }

  saw(identity: string): void {
    this.#saw.push([identity, monotonicMs()])
  }

  sawVital(): void {
    this.#vitals++
  }

  async prepare(changes: readonly Change[]): Promise<void> {
    for (const change of changes) await this.#access?.write(change)
  }

  async play(changes: readonly Change[], startMs: number): Promise<void> {
    for (const change of changes) {
      const waitMs = startMs + change.atMs - monotonicMs()
      if (waitMs > 0) await new Promise((done) => setTimeout(done, waitMs))
      this.#lateMs = Math.max(this.#lateMs, -waitMs)
      if (change.kind !== 'vital') this.#wrote.push([this.#identify(change), monotonicMs()])
      this.#access?.write(change).catch((fault: unknown) => this.#faults.push((fault as Error).message))
    }
  }

  take(): Diary {
    const diary = { wrote: this.#wrote, saw: this.#saw, vitals: this.#vitals, faults: this.#faults, lateMs: this.#lateMs }
    this.#wrote = []
    this.#saw = []
    this.#vitals = 0
    this.#faults = []
    this.#lateMs = 0
    return diary
  }
}
