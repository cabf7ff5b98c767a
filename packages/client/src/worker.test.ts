import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { CausewayError, TaskView, WorkLine, WorkReports, WorkRequest } from '@causeway/protocol'
import { parseApiAddress } from './api-address.ts'
import type { Clock } from './elapsed-clock.ts'
import { ScriptedDaemon } from './scripted-daemon.ts'
import type { TaskContext, TaskInterruption, TypedTask } from './task-run.ts'
import { Transport } from './transport.ts'
import { Worker, type WorkOptions } from './worker.ts'

/** Time that passes when the test says so. */
class ManualClock implements Clock {
  #now = 0
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>()

  now(): number {
    return this.#now
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + ms, callback }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  pass(ms: number): void {
    const until = this.#now + ms
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= until).toSorted((a, b) => a.at - b.at)
      if (!next) break
      this.#timers.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.callback()
    }
    this.#now = until
  }
}

type Spec = { readonly n: number }

interface Running {
  readonly task: TypedTask<Spec>
  readonly context: TaskContext<Spec>
  readonly done: PromiseWithResolvers<void>
}

const task = (id: string, more: Partial<TaskView> = {}): TaskView => ({
  ...{ id, site: 'hkg-1', phase: 'allocated', reason: '', node: 'hkg-1-a', token: 7, policy: 'sticky', convergeKey: null },
  ...{ spec: { n: 1 }, labels: {}, generation: 1, observedGeneration: null, running: false, progress: null, status: null },
  ...{ conditions: [], createdAt: 0, updatedAt: 0 },
  ...more,
})

describe('a worker', () => {
  let daemon: ScriptedDaemon
  let clock: ManualClock
  let end: AbortController
  let requests: WorkRequest[]
  let reports: WorkReports[]
  let running: Running[]
  let faults: CausewayError[]
  let stream: ServerResponse | undefined
  let working: Promise<void>
  /** For how long the daemon vouches: of every task, or not at all. */
  let forMs: number | null | undefined
  /** Whether it answers questions. */
  let answers: boolean
  /** Answers that wait, where they are to. */
  let parked: (() => void)[] | undefined
  let parkedAt: number

  beforeEach(async () => {
    daemon = await ScriptedDaemon.start()
    clock = new ManualClock()
    end = new AbortController()
    ;[requests, reports, running, faults] = [[], [], [], []]
    stream = undefined
    forMs = 10_000
    answers = true
    parked = undefined
    daemon.handle = (request, response, body) => {
      if (request.url === '/v1/work') {
        requests.push(JSON.parse(body) as WorkRequest)
        stream = response
        return say({ type: 'ready', worker: `w${requests.length}` })
      }
      const asked = JSON.parse(body) as WorkReports
      if (!answers) return
      reports.push(asked)
      const held =
        forMs === undefined ? [] : asked.holding.map((grant) => ({ ...grant, forMs, reason: forMs === 0 ? 'it is elsewhere' : '' }))
      const answer = (): void => void response.end(JSON.stringify({ held }))
      if (!parked) return answer()
      parkedAt = clock.now()
      parked.push(answer)
    }
  })
  afterEach(async () => {
    for (const { done } of running) done.resolve()
    answers = true
    end.abort()
    await working.catch(() => undefined)
    await daemon.stop()
  })

  function say(line: WorkLine): void {
    stream?.write(`${JSON.stringify(line)}\n`)
  }

  async function work(options: WorkOptions = {}): Promise<void> {
    const handler = (given: TypedTask<Spec>, context: TaskContext<Spec>): Promise<void> => {
      const done = Promise.withResolvers<void>()
      running.push({ task: given, context, done })
      return done.promise
    }
    const all = { ...options, signal: end.signal, onInterrupted: (fault: CausewayError) => void faults.push(fault) }
    working = new Worker<Spec>(new Transport(parseApiAddress(daemon.api)), 'kind=x', handler, all, clock).run()
    working.catch(() => undefined)
    await vi.waitFor(() => expect(stream).toBeDefined())
  }

  /** Lets time pass until it is so, a little at a time: what goes over the socket takes real time. */
  async function until(assertion: () => void, ms = 1_500): Promise<void> {
    for (let left = ms; left > 0; left -= 10) {
      clock.pass(10)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await vi.waitFor(() => {
      clock.pass(1)
      assertion()
    })
  }

  async function given(more: Partial<TaskView> = {}): Promise<Running> {
    const before = running.length
    say({ type: 'given', task: task('a', more) })
    await until(() => expect(running).toHaveLength(before + 1))
    return running[before] as Running
  }

  const told = (field: 'state' | 'progress' | 'observedGeneration') =>
    reports.flatMap(({ reports: some }) => some.map((report) => report[field])).filter((value) => value !== undefined)
  const interruption = ({ context }: Running) => (context.signal.reason as TaskInterruption | undefined)?.kind

  it('offers, starts a handler once the lease is vouched for, and tells what becomes of it', async () => {
    await work({ slots: 3, capacity: { gpu: 1 } })
    expect(requests).toEqual([{ selector: 'kind=x', slots: 3, capacity: { gpu: 1 }, running: [] }])
    const run = await given()
    expect([run.task.spec.n, run.context.token]).toEqual([1, 7])
    run.context.progress(0.25)
    run.context.progress(0.5)
    run.context.status({ bytes: 3 })
    run.context.condition('Recording', 'since now')
    await until(() => expect(told('progress')).toEqual([0.5]))
    expect(told('state')).toEqual(['running'])
    run.done.resolve()
    await until(() => expect(told('state')).toEqual(['running', 'done']))
    const failing = await given({ token: 8 })
    failing.done.reject(new Error('no disk'))
    await until(() => expect(told('state')).toEqual(['running', 'done', 'running', 'failed']))
    expect(JSON.stringify(reports)).toContain('no disk')
  })

  it('does not start what nobody vouches for', async () => {
    await work()
    forMs = 0
    say({ type: 'given', task: task('a') })
    await until(() => expect(reports.length).toBeGreaterThan(0))
    expect(running).toEqual([])
    forMs = 9_000
    expect(interruption(await given({ token: 9 }))).toBeUndefined()
  })

  it('interrupts the handler when the lease is taken, and starts what comes then only when it has returned', async () => {
    await work()
    const run = await given()
    say({ type: 'taken', id: 'a', token: 6, reason: 'an old one' })
    say({ type: 'taken', id: 'a', token: 7, reason: 'somebody else has it' })
    await vi.waitFor(() => expect(interruption(run)).toBe('lost'))
    expect((run.context.signal.reason as Error).message).toBe('somebody else has it')
    say({ type: 'given', task: task('a', { token: 9 }) })
    await until(() => expect(reports.length).toBeGreaterThan(0))
    expect(running).toHaveLength(1)
    run.done.resolve()
    await until(() => expect(running[1]?.context.token).toBe(9))
    expect(told('state')).toEqual(['running', 'running'])
  })

  it('stops by its own clock when the daemon hangs: counted from the question, not from the answer', async () => {
    await work()
    const run = await given()
    parked = []
    await until(() => expect(parked).toHaveLength(1))
    // The answer comes 4 s after the question, and is the last.
    clock.pass(4_000)
    answers = false
    parked[0]?.()
    await until(() => undefined, 500)
    clock.pass(parkedAt + 9_000 - clock.now())
    expect(interruption(run)).toBeUndefined()
    clock.pass(1_000)
    expect(interruption(run)).toBe('lost')
  })

  it('goes on without end where the daemon names none', async () => {
    await work()
    forMs = null
    const run = await given()
    answers = false
    clock.pass(3_600_000)
    expect(interruption(run)).toBeUndefined()
  })

  it('comes back to a restarted daemon, says what it runs, and goes on with it as the same run', async () => {
    await work()
    const run = await given()
    run.context.progress(0.7)
    await until(() => expect(told('progress')).toEqual([0.7]))
    forMs = undefined
    stream?.destroy()
    await until(() => expect(requests).toHaveLength(2))
    expect(faults).toHaveLength(1)
    expect(requests[1]?.running).toEqual([{ id: 'a', token: 7 }])
    const before = reports.length
    forMs = 10_000
    say({ type: 'given', task: task('a', { token: 8 }) })
    await until(() =>
      expect(reports.slice(before).flatMap(({ reports: some }) => some)).toMatchObject([{ token: 8, state: 'running', progress: 0.7 }]),
    )
    expect([running.length, run.context.token, interruption(run)]).toEqual([1, 8, undefined])
  })

  it('keeps a result that could not be told until the daemon is back and gives the task again', async () => {
    await work()
    const run = await given()
    forMs = undefined
    answers = false
    run.done.resolve()
    await until(() => undefined)
    answers = true
    stream?.destroy()
    await until(() => expect(requests).toHaveLength(2))
    say({ type: 'given', task: task('a', { token: 8 }) })
    await until(() => expect(told('state')).toContain('done'))
    expect(reports.at(-1)?.reports).toMatchObject([{ id: 'a', token: 8, state: 'done' }])
    expect(running).toHaveLength(1)
  })

  it('shows a handler the newest spec, and interrupts it when the task is stopped', async () => {
    await work()
    const run = await given()
    const seen: number[] = []
    const reading = (async () => {
      for await (const { spec } of run.context.updates) seen.push(spec.n)
    })()
    say({ type: 'changed', task: task('a', { generation: 2, spec: { n: 2 } }) })
    await until(() => expect(seen).toEqual([2]))
    await until(() => expect(told('observedGeneration')).toEqual([1, 2]))
    say({ type: 'changed', task: task('a', { generation: 2, spec: { n: 2 }, phase: 'tombstone' }) })
    await vi.waitFor(() => expect(interruption(run)).toBe('stopped'))
    await reading
    run.done.reject(new Error('interrupted'))
    await until(() => expect(told('state')).toEqual(['running', 'stopped']))
  })

  it('lets a handler drain where it asks for that, and go on when the stop is taken back', async () => {
    await work({ onStop: 'drain' })
    const run = await given()
    const phases: string[] = []
    void (async () => {
      for await (const { phase, token } of run.context.updates) phases.push(`${phase} ${token}`)
    })()
    say({ type: 'changed', task: task('a', { phase: 'tombstone' }) })
    await until(() => expect(phases).toEqual(['tombstone 7']))
    say({ type: 'changed', task: task('a', { token: 9 }) })
    await until(() => expect(phases).toEqual(['tombstone 7', 'allocated 9']))
    expect(interruption(run)).toBeUndefined()
    run.done.resolve()
    await until(() => expect(told('state').at(-1)).toBe('done'))
  })

  it('ends when it is told: interrupts, waits, tells, closes the stream', async () => {
    await work()
    const run = await given()
    const closed = new Promise((resolve) => stream?.once('close', resolve))
    end.abort()
    await vi.waitFor(() => expect(interruption(run)).toBe('ending'))
    run.done.reject(new Error('interrupted'))
    await working
    await closed
    expect(told('state')).toEqual(['running', 'stopped'])
  })

  it('refuses what the node would refuse, before it holds up what others tell', async () => {
    await work()
    const { context } = await given()
    expect(() => context.progress(Number.NaN)).toThrow('not a number')
    expect(() => context.status('x'.repeat(20_000))).toThrow('at most')
    expect(() => context.condition('two words', '')).toThrow('two words')
    context.progress(7)
    await until(() => expect(told('progress')).toEqual([1]))
  })

  it('throws what no repetition mends', async () => {
    daemon.answer({ code: 'refused', detail: 'nobody grants tasks', remedy: 'set leases', status: 403 }, 403)
    const worker = new Worker<Spec>(new Transport(parseApiAddress(daemon.api)), '', () => undefined, { signal: end.signal }, clock)
    working = worker.run()
    await expect(working).rejects.toMatchObject({ code: 'refused', message: 'nobody grants tasks' })
  })
})
