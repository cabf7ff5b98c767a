/**
 * Tasks as programs and people use them, with real processes: a hub that grants, a site of two nodes, and one of one node.
 * Workers are in this process, or processes of their own. The tests run in order.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Causeway, connect, type TaskContext, type TaskHandler, type TaskInterruption } from '@causeway/client'
import type { StatusView, SubmittedTask, TaskPageView, TaskView, TaskWhyView } from '@causeway/protocol'
import { mainPath } from './command-line.ts'
import { Deployment, type NodeSpec } from './deployment.ts'
import { eventually } from './eventually.ts'

const EXAMPLES = fileURLToPath(new URL('../../packages/client/examples/', import.meta.url))
const HUB: NodeSpec = { name: 'core-1', role: 'hub', site: 'core' }
const EDGES: readonly NodeSpec[] = [
  // Orders for all sites, the others for their own.
  { name: 'hkg-1-a', role: 'edge', site: 'hkg-1', hubs: ['core-1'], peers: ['hkg-1-b'], write: ['tasks/**'] },
  { name: 'hkg-1-b', role: 'edge', site: 'hkg-1', hubs: ['core-1'], peers: ['hkg-1-a'] },
  { name: 'nrt-2-a', role: 'edge', site: 'nrt-2', hubs: ['core-1'] },
]

const lab = new Deployment()
const children = new Set<ChildProcess>()
let ends: AbortController[] = []
let works: Promise<void>[] = []

const at = (node: string): Promise<Causeway> => connect({ api: lab.path(`${node}.sock`) })

beforeAll(async () => {
  await lab.prepare('mynet', [HUB, ...EDGES])
  for (const spec of [HUB, ...EDGES]) lab.write(`${spec.name}.yaml`, `${lab.config(spec)}leases: {engine: embedded, hub: core-1}\n`)
  for (const { name } of [HUB, ...EDGES]) await lab.start(name)
  for (const { name } of EDGES) await eventually(`${name} has its hub`, async () => !(await lab.ask<StatusView>(name, 'status')).cutOff)
})

afterEach(async () => {
  for (const end of ends) end.abort()
  await Promise.all(works)
  ;[ends, works] = [[], []]
  for (const child of children) child.kill('SIGKILL')
  children.clear()
})
afterAll(() => lab.close())

interface Run {
  readonly id: string
  readonly context: TaskContext<unknown>
  readonly began: number
  readonly done: () => void
  /** When it was told to end. */
  interruptedAt?: number
}

/** A worker at a node, in this process, whose handlers run until they are told to end. */
async function work(node: string, selector: string, options: { readonly slots?: number; readonly onStop?: 'drain' } = {}): Promise<Run[]> {
  const runs: Run[] = []
  const handler: TaskHandler<unknown> = ({ id }, context) =>
    new Promise<void>((resolve, reject) => {
      const run: Run = { id, context, began: performance.now(), done: resolve }
      runs.push(run)
      context.signal.addEventListener('abort', () => {
        run.interruptedAt = performance.now()
        reject(context.signal.reason as TaskInterruption)
      })
    })
  const end = new AbortController()
  ends.push(end)
  works.push((await at(node)).tasks.work(selector, handler, { slots: 100, ...options, signal: end.signal }))
  await offered(node, selector)
  return runs
}

/** The allocator knows that workers of that node take such tasks: before, it refuses them. */
async function offered(node: string, selector: string): Promise<void> {
  const records = (await at('core-1')).collection('task-workers')
  await eventually(`${selector} is offered by ${node}`, async () => {
    const { items } = await records.list()
    return items.some(({ key, value }) => key === node && JSON.stringify(value).includes(JSON.stringify(selector)))
  })
}

async function taskIs(node: string, id: string, what: string, holds: (task: TaskView) => boolean, withinMs?: number): Promise<TaskView> {
  const { tasks } = await at(node)
  return eventually(
    `${id} ${what}`,
    async () => {
      const task = await tasks.get(id)
      if (!task || !holds(task)) throw new Error(JSON.stringify(task))
      return task
    },
    withinMs,
  )
}

test('a task is submitted at one site, runs at another, is updated, stopped, wanted again and done', async () => {
  const runs = await work('nrt-2-a', 'kind=first', { onStop: 'drain' })
  const submitted = await lab.ask<SubmittedTask>('hkg-1-a', 'task', 'submit', '{"n": 1}', '--labels', 'kind=first', '--near', 'nrt-2')
  const { id } = submitted
  expect(submitted).toMatchObject({ created: true, policy: 'sticky', generation: 1 })
  await taskIs('nrt-2-a', id, 'runs', ({ running, node }) => running && node === 'nrt-2-a')
  const [run] = runs as [Run]
  const seen: string[] = []
  void (async () => {
    for await (const { spec, phase } of run.context.updates) seen.push(`${phase} ${JSON.stringify(spec)}`)
  })()
  run.context.progress(0.4)
  run.context.status({ bytes: 7 })
  run.context.condition('Recording', 'since now')
  await lab.at('hkg-1-a', 'task', 'update', id, '{"n": 2}', '--generation', '1')
  await eventually('the handler has the new spec', () => seen.includes('allocated {"n":2}'))
  await taskIs(
    'core-1',
    id,
    'shows what its worker tells',
    ({ observedGeneration, progress }) => observedGeneration === 2 && progress === 0.4,
  )
  const stale = await lab.causeway('task', 'update', id, '{"n": 3}', '--generation', '1', '--api', 'hkg-1-a.sock')
  expect(stale).toMatchObject({ code: 1, stderr: expect.stringMatching(/generation/) as string })

  const before = run.context.token
  await lab.at('hkg-1-a', 'task', 'stop', id)
  await eventually('the handler sees the stop', () => seen.includes('tombstone {"n":2}'))
  await lab.at('hkg-1-a', 'task', 'undelete', id)
  await eventually('the handler is wanted again, with a higher token', () => run.context.token > before)
  expect(run.interruptedAt).toBeUndefined()
  run.done()
  const done = await taskIs('core-1', id, 'is done', ({ phase }) => phase === 'deleting')
  expect(done.conditions.map(({ type }) => type)).toContain('Recording')
  expect(runs).toHaveLength(1)
  expect(await lab.at('core-1', 'task', 'get', id)).toMatch(/phase\s+deleting/)
})

test('what cannot be is refused, with the reason, in API and CLI alike', async () => {
  const runs = await work('nrt-2-a', 'kind=refusals')
  const { tasks } = await at('hkg-1-a')
  const { id } = await tasks.submit({ spec: {}, labels: { kind: 'refusals' }, near: 'nrt-2' })
  await eventually('it runs', () => runs.length === 1)
  const failing = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await lab.causeway('task', ...args, '--api', 'hkg-1-a.sock')
    expect([code, stdout], `${args.join(' ')}: ${stderr}`).toEqual([1, ''])
    expect(stderr.trim().split('\n')).toHaveLength(1)
    return stderr
  }
  expect(await failing('undelete', id)).toContain('allocated')
  expect(await failing('get', 'nobody')).toContain('nobody')
  expect(await failing('stop', 'nobody')).toContain('nobody')
  expect(await failing('move', id, '--to', 'lhr-9')).toContain('lhr-9')
  expect(await failing('submit', '{}', '--site', 'lhr-9')).toContain('lhr-9')
  await expect(tasks.undelete(id)).rejects.toMatchObject({ code: 'refused', message: expect.stringContaining('allocated') as string })
  await expect(tasks.stop('nobody')).rejects.toMatchObject({ code: 'not-found' })
  await expect(tasks.submit({ spec: {}, site: 'lhr-9' })).rejects.toMatchObject({ remedy: expect.stringMatching(/./) as string })
  expect((await lab.causeway('task', 'submit', '--needs', 'gpu=many', '--api', 'hkg-1-a.sock')).code).toBe(2)
  expect((await lab.causeway('task', 'list', '-l', '((', '--api', 'hkg-1-a.sock')).code).toBe(2)

  expect(await failing('submit', '{}', '--labels', 'kind=nobodys')).toMatch(/worker/)
  const foreign = await lab.causeway('task', 'stop', id, '--api', 'hkg-1-b.sock')
  expect([foreign.code, foreign.stdout]).toEqual([1, ''])
  expect(foreign.stderr).toBe(
    "causeway: hkg-1-b may not order tasks of nrt-2. Order at a hub or at nrt-2, or renew its credential with --write 'tasks/nrt-2'.\n",
  )

  // Tried, and not given.
  const tried = await lab.ask<TaskWhyView>('hkg-1-a', 'task', 'submit', '--labels', 'kind=refusals', '--near', 'nrt-2', '--dry-run')
  expect(tried).toMatchObject({ task: { site: 'nrt-2', node: 'nrt-2-a' }, candidates: [{ node: 'nrt-2-a', chosen: true }] })
  expect(await lab.at('hkg-1-a', 'task', 'stop', id, '--dry-run')).toMatch(/nothing is done/)
  const { items: known } = await tasks.list({ selector: 'kind=refusals' })
  expect(known.filter(({ phase }) => phase !== 'allocated')).toEqual([])

  // All slots are taken: the next one waits, and says for what.
  await work('hkg-1-b', 'kind=narrow', { slots: 1 })
  const labels = { kind: 'narrow' }
  const [first, second] = [await tasks.submit({ spec: {}, labels }), await tasks.submit({ spec: {}, labels })]
  const waiting = await eventually('one runs, and one waits', async () => {
    const both = await Promise.all([tasks.get(first.id), tasks.get(second.id)])
    return both.some((task) => task?.running) && both.find((task) => task?.phase === 'initialised')
  })
  expect(waiting.reason).not.toBe('')
  const why = await lab.ask<TaskWhyView>('hkg-1-a', 'task', 'why', waiting.id)
  expect(why.candidates.length).toBeGreaterThan(0)
  expect(why.candidates.every(({ chosen, rejected }) => !chosen && rejected !== '')).toBe(true)
  await tasks.stop(waiting.id)
})

test('the examples: a controller submits twice what exists once, two workers count, all of it is done', async () => {
  const run = (example: string, node: string, ...args: readonly string[]): ChildProcess => {
    const env = { ...process.env, CAUSEWAY_API: lab.path(`${node}.sock`) }
    const child = spawn(process.execPath, [`${EXAMPLES}${example}.ts`, ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] })
    children.add(child)
    return child
  }
  const workers = [run('worker', 'hkg-1-b', '3'), run('worker', 'hkg-1-a', '3')]
  for (const node of ['hkg-1-a', 'hkg-1-b']) await offered(node, 'kind=count')
  const controllers = [run('controller', 'hkg-1-a', 'red', 'green', 'blue'), run('controller', 'hkg-1-b', 'red', 'green', 'blue')]
  const texts = controllers.map(({ stdout }) => text(stdout))
  expect(await Promise.all(controllers.map(async (controller) => (await once(controller, 'exit'))[0] as number))).toEqual([0, 0])
  const said = (await Promise.all(texts)).join('')
  for (const name of ['red', 'green', 'blue']) {
    expect(said.match(new RegExp(`${name}: submitted`, 'g'))).toHaveLength(1)
    expect(said.match(new RegExp(`${name}: there already`, 'g'))).toHaveLength(1)
    expect(said).toMatch(new RegExp(`${name}: deleting`))
  }
  const page = await lab.ask<TaskPageView>('hkg-1-a', 'task', 'list', '-l', 'kind=count')
  expect(page.items.map(({ labels, progress }) => `${labels['name']} ${progress}`).toSorted()).toEqual(['blue 1', 'green 1', 'red 1'])
  for (const worker of workers) {
    worker.kill('SIGTERM')
    expect((await once(worker, 'exit'))[0]).toBe(0)
  }
})

test('a command runs per task, is ended with it, and also when its worker is killed', async () => {
  const command = 'echo $$ > $CAUSEWAY_TASK_ID.pid; sleep 1000 & echo "$CAUSEWAY_TASK_SPEC" > $CAUSEWAY_TASK_ID.spec; wait'
  const child = spawn(
    process.execPath,
    [mainPath(), 'task', 'work', '-l', 'kind=shell', '--slots', '2', '--api', 'hkg-1-a.sock', command],
    {
      cwd: lab.directory,
      stdio: 'ignore',
    },
  )
  children.add(child)
  await offered('hkg-1-a', 'kind=shell')
  const { tasks } = await at('hkg-1-a')
  const labels = { kind: 'shell' }
  for (const id of ['stopped', 'killed']) await tasks.submit({ id, spec: { for: id }, labels, site: 'hkg-1' })
  const groups = new Map<string, number>()
  for (const id of ['stopped', 'killed']) {
    await eventually(`${id} has begun`, () => existsSync(lab.path(`${id}.spec`)))
    expect(JSON.parse(readFileSync(lab.path(`${id}.spec`), 'utf8'))).toEqual({ for: id })
    groups.set(id, Number(readFileSync(lab.path(`${id}.pid`), 'utf8')))
  }
  const lives = (id: string): boolean => {
    try {
      return process.kill(-(groups.get(id) ?? 0), 0)
    } catch {
      return false
    }
  }
  expect([lives('stopped'), lives('killed')]).toEqual([true, true])
  await tasks.stop('stopped')
  await eventually('the stopped command is gone', () => !lives('stopped'))
  await taskIs('hkg-1-a', 'stopped', 'is over', ({ phase }) => phase === 'deleting' || phase === 'gone')
  expect(lives('killed')).toBe(true)
  child.kill('SIGKILL')
  await eventually('the command of the killed worker is gone', () => !lives('killed'))
  await tasks.stop('killed')
})

test('a worker outlives its daemon: the same run goes on', async () => {
  const runs = await work('nrt-2-a', 'kind=lasting')
  const { tasks } = await at('core-1')
  for (const policy of ['at-most-one', 'sticky', 'at-least-one'] as const)
    await tasks.submit({ id: policy, spec: {}, policy, labels: { kind: 'lasting' } })
  await eventually('all run', () => runs.length === 3)
  await lab.end('nrt-2-a', 'SIGKILL')
  await lab.start('nrt-2-a')
  for (const run of runs) run.context.progress(0.9)
  for (const { id } of runs) await taskIs('core-1', id, 'is told of on', ({ progress, running }) => progress === 0.9 && running)
  expect(runs.map(({ interruptedAt }) => interruptedAt)).toEqual([undefined, undefined, undefined])
  expect(runs).toHaveLength(3)
  for (const run of runs) run.done()
  for (const { id } of runs) await taskIs('core-1', id, 'is done', ({ phase }) => phase === 'deleting')
})

test('the node of a worker is killed: its tasks run elsewhere in time, and never at two places under a lease', async () => {
  const doomed = await work('hkg-1-a', 'kind=moving')
  const { tasks } = await at('core-1')
  const policies = ['at-most-one', 'sticky', 'at-least-one'] as const
  for (const policy of policies) await tasks.submit({ id: `moving-${policy}`, spec: {}, policy, labels: { kind: 'moving' }, site: 'hkg-1' })
  await eventually('all run', () => doomed.length === 3)
  const saved = await work('hkg-1-b', 'kind=moving')
  const killedAt = performance.now()
  await lab.end('hkg-1-a', 'SIGKILL')
  await eventually('all run elsewhere', () => saved.length === 3, 40_000)
  const tookMs = Math.max(...saved.map(({ began }) => began)) - killedAt
  process.stderr.write(`a node was killed: its tasks ran elsewhere after ${Math.round(tookMs)} ms\n`)
  for (const { id, context, began } of saved) {
    const old = doomed.find((run) => run.id === id) as Run
    expect(context.token).toBeGreaterThan(old.context.token)
    if (id !== 'moving-at-least-one') expect(old.interruptedAt, `${id} was interrupted before`).toBeLessThan(began)
  }
  for (const run of saved) run.done()
  await lab.start('hkg-1-a')
  for (const { id } of saved) await taskIs('core-1', id, 'is done', ({ phase }) => phase === 'deleting')
})

test('1,000 submissions with 100 converge keys at three nodes at once make 100 tasks', async () => {
  await work('nrt-2-a', 'kind=storm', { slots: 10 })
  const clients = await Promise.all(['core-1', 'hkg-1-b', 'nrt-2-a'].map(at))
  const [SUBMISSIONS, KEYS, AT_ONCE] = [1_000, 100, 48]
  const created = new Map<string, number>()
  let next = 0
  const submitting = async (): Promise<void> => {
    for (let n = next++; n < SUBMISSIONS; n = next++) {
      const { tasks } = clients[n % clients.length] as Causeway
      const key = `storm-${(n * 7_919) % KEYS}`
      const task = await tasks.submit({ spec: { key }, convergeKey: key, labels: { kind: 'storm', tenth: String(n % 10) } })
      created.set(task.id, (created.get(task.id) ?? 0) + Number(task.created))
    }
  }
  const began = performance.now()
  await Promise.all(Array.from({ length: AT_ONCE }, submitting))
  const tookMs = performance.now() - began
  expect(created.size).toBe(KEYS)
  expect([...created.values()].every((times) => times === 1)).toBe(true)
  const { tasks } = clients[0] as Causeway
  const { items } = await tasks.list({ selector: 'kind=storm' })
  expect(items).toHaveLength(KEYS)
  expect(new Set(items.map(({ convergeKey }) => convergeKey)).size).toBe(KEYS)
  process.stderr.write(`${SUBMISSIONS} submissions, ${AT_ONCE} at once: ${Math.round(tookMs)} ms\n`)
})

async function text(stream: NodeJS.ReadableStream | null): Promise<string> {
  let all = ''
  for await (const chunk of stream ?? []) all += String(chunk)
  return all
}
