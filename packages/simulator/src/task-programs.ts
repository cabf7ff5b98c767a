/**
 * Programs that run tasks, one on every edge node, as the worker library does it: a process of its own, which outlives the
 * daemon beside it. It asks about once a second for how long it may go on, counts from when it asked on its own clock (which
 * runs up to 5 % wrong), and stops by itself.
 */
import type { Random, TaskPolicy, TaskView } from '@causeway/protocol'
import type { NodeEffect, NodeMachine } from '@causeway/node'
import type { Fleet } from './fleet.ts'
import type { TaskRun, TaskRuns } from './task-runs.ts'

const ASK_MS = 1_000
const RECONNECT_MS = 300
const DRIFT_RATIO = 0.05

interface Running {
  readonly run: TaskRun
  token: number
  /** In world time. */
  stopAt: number
  draining: boolean
}

class Program {
  readonly name: string
  readonly slots: number
  /** World time that passes in one second of its clock, over 1,000. */
  readonly rate: number
  readonly tasks = new Map<string, Running>()
  /** The life of the daemon that it is connected to, and its number there. */
  incarnation = 0
  worker = 0

  constructor(name: string, slots: number, rate: number) {
    this.name = name
    this.slots = slots
    this.rate = rate
  }
}

export class TaskPrograms {
  readonly #fleet: Fleet
  readonly #runs: TaskRuns
  readonly #random: Random
  readonly #programs = new Map<string, Program>()
  #worker = 0

  constructor(fleet: Fleet, runs: TaskRuns, random: Random, slots: number) {
    this.#fleet = fleet
    this.#runs = runs
    this.#random = random
    for (const { name } of fleet.edges) {
      const rate = 1 + DRIFT_RATIO * (2 * random.float() - 1)
      const program = new Program(name, slots, rate)
      this.#programs.set(name, program)
      this.#connect(program)
      this.#askAgain(program)
    }
    fleet.world.watch((node, effect) => this.#hear(node.name, effect))
  }

  /** The program dies, with all that it runs; another is started a moment later. */
  crash(name: string): void {
    const program = this.#programs.get(name)
    if (!program) return
    for (const id of program.tasks.keys()) this.#stop(program, id, 'its program crashed')
    const node = this.#fleet.world.node(name)
    if (node.alive && node.incarnation === program.incarnation)
      this.#fleet.world.request(name, { type: 'workEnded', worker: program.worker })
    program.incarnation = -1
    this.#fleet.world.timeline.after(500, () => {
      if (program.incarnation === -1) program.incarnation = 0
    })
  }

  /** Ends the task from within. */
  finish(id: string, state: 'done' | 'failed' | 'stopped'): boolean {
    for (const program of this.#programs.values()) {
      const running = program.tasks.get(id)
      if (!running || program.incarnation !== this.#fleet.world.node(program.name).incarnation) continue
      this.#report(program, id, running.token, state)
      this.#stop(program, id, state)
      return true
    }
    return false
  }

  get running(): number {
    return [...this.#programs.values()].reduce((sum, { tasks }) => sum + tasks.size, 0)
  }

  #connect(program: Program): void {
    const { world } = this.#fleet
    const node = world.node(program.name)
    if (program.incarnation >= 0 && node.alive && !node.stalled && node.incarnation !== program.incarnation) {
      program.incarnation = node.incarnation
      program.worker = ++this.#worker
      const running = [...program.tasks].map(([id, { token }]) => ({ id, token }))
      world.request(program.name, { type: 'work', worker: program.worker, selector: '', slots: program.slots, capacity: {}, running })
    }
    world.timeline.after(RECONNECT_MS, () => this.#connect(program))
  }

  #askAgain(program: Program): void {
    for (const [id, running] of program.tasks) this.#ask(program, id, running)
    this.#fleet.world.timeline.after(ASK_MS * program.rate, () => this.#askAgain(program))
  }

  /** A daemon that is down or stands still gives no answer. */
  #ask(program: Program, id: string, running: Running): void {
    const { world } = this.#fleet
    const node = world.node(program.name)
    if (!node.alive || node.stalled || node.incarnation !== program.incarnation) return
    const machine: NodeMachine = node.machine
    const until = machine.leaseUntil(node.now, id, running.token)
    if (until === null) running.stopAt = Number.POSITIVE_INFINITY
    // Just after a restart the daemon has not been told yet what is running here.
    else if (until === undefined) return
    else this.#setStop(program, id, running, world.now + (until - node.now) * program.rate)
  }

  #setStop(program: Program, id: string, running: Running, at: number): void {
    const { world } = this.#fleet
    running.stopAt = at
    world.timeline.at(at, () => {
      if (program.tasks.get(id) !== running || world.now < running.stopAt) return
      this.#stop(program, id, 'its time ran out')
      this.#report(program, id, running.token, 'stopped')
    })
  }

  #hear(name: string, effect: NodeEffect): void {
    const program = this.#programs.get(name)
    if (!program || !('worker' in effect) || effect.worker !== program.worker) return
    if (effect.type === 'taskGiven') this.#given(program, effect.task)
    else if (effect.type === 'taskChanged') this.#changed(program, effect.task)
    else if (effect.type === 'taskTaken') this.#stop(program, effect.id, `taken: ${effect.reason}`)
  }

  #given(program: Program, { id, token, policy, generation }: TaskView): void {
    const before = program.tasks.get(id)
    if (before) before.token = token
    const running = before ?? { run: this.#begin(program, id, policy, token), token, stopAt: Number.POSITIVE_INFINITY, draining: false }
    program.tasks.set(id, running)
    // The machine is in the middle of its turn: it is asked when that has ended.
    this.#fleet.world.timeline.after(0, () => {
      if (program.tasks.get(id) === running) this.#ask(program, id, running)
    })
    this.#report(program, id, token, 'running', generation)
  }

  #begin(program: Program, task: string, policy: TaskPolicy, token: number): TaskRun {
    return this.#runs.begin({ task, policy, token, program: program.name, from: this.#fleet.world.now })
  }

  #changed(program: Program, { id, token, phase, generation }: TaskView): void {
    const running = program.tasks.get(id)
    if (!running) return
    running.token = token
    if (phase === 'allocated') {
      running.draining = false
      this.#report(program, id, token, 'running', generation)
    } else if (!running.draining) {
      running.draining = true
      this.#fleet.world.timeline.after(100 + this.#random.float() * 2_000, () => {
        if (program.tasks.get(id) !== running || !running.draining) return
        this.#report(program, id, running.token, 'stopped')
        this.#stop(program, id, 'drained')
      })
    }
  }

  #report(
    program: Program,
    id: string,
    token: number,
    state: 'running' | 'done' | 'failed' | 'stopped',
    observedGeneration?: number,
  ): void {
    const report = { state, ...(observedGeneration !== undefined && { observedGeneration }) }
    this.#fleet.world.request(program.name, { type: 'reportTask', worker: program.worker, id, token, report })
  }

  #stop(program: Program, id: string, end: string): void {
    const running = program.tasks.get(id)
    if (!running) return
    program.tasks.delete(id)
    running.run.to = this.#fleet.world.now
    running.run.end = end
  }
}
