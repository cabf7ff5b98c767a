/**
 * What orders and reads of tasks take with ten thousand real ones: a hub that grants by its own engine, an edge node with a
 * worker, and a controller that talks to the hub's API. Beside it, on the same disk: a put of a plain record, which is what one
 * flush costs here; a bare write with fdatasync of as many bytes; and a put into etcd through the gateway that hubs use. And a
 * storm of submissions that share converge keys, which must make one task of each.
 */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { connect, type Causeway } from '@causeway/client'
import type { StatusView } from '@causeway/protocol'
import { Deployment } from '../../e2e/deployment.ts'
import { EtcdCluster, etcdMissing } from '../../e2e/etcd-cluster.ts'
import { eventually } from '../../e2e/eventually.ts'
import { type Bench, type Column, type Flag, type Measured, type Row, type Settings, judge } from '../bench.ts'
import { quantileOf } from '../statistics.ts'

const FLAGS = {
  tasks: { what: 'tasks that are there', usual: 10_000, quick: 1_000 },
  running: { what: 'how many of them run', usual: 1_000, quick: 100 },
  samples: { what: 'how often each is measured', usual: 500, quick: 200 },
} as const satisfies Record<string, Flag>

type TasksSettings = Settings<keyof typeof FLAGS>

const [SUBMIT_MS_MAX, LIST_MS_MAX] = [20, 20]
/** Submissions on their way while the store is filled. */
const AT_ONCE = 32
const STORM_AT_ONCE = 256
const PER_KEY = 10
/** Tasks that share a label. */
const GROUP = 100
const PAGE = 100
const COLUMNS: readonly Column[] = [
  { key: 'what', head: 'WHAT' },
  { key: 'p50', head: 'p50 ms', digits: 2 },
  { key: 'p99', head: 'p99 ms', digits: 2 },
  { key: 'found', head: 'FOUND' },
]
/** About what a submission takes on the disk: two records, signed. */
const RECORD = new Uint8Array(1_024).fill(7)

export const TASKS_BENCH: Bench<keyof typeof FLAGS> = {
  name: 'tasks',
  what: 'orders and reads of many real tasks through the API, beside fdatasync and etcd',
  flags: FLAGS,
  parts: [
    { name: 'embedded', what: 'submissions one after the other, and lists by selector', measure: measureEmbedded },
    { name: 'storm', what: 'ten times as many submissions as converge keys, many at a time', measure: measureStorm },
    { name: 'fdatasync', what: 'a write of 1 kB that is on the disk', measure: measureDisk },
    { name: 'etcd', what: 'a put of 1 kB through the JSON gateway of one etcd', missing: etcdMissing, measure: measureEtcd },
  ],
}

async function measureEmbedded({ tasks: count, running, samples }: TasksSettings): Promise<Measured> {
  await using lab = new Deployment()
  const { controller, end, working } = await startNodes(lab, running)
  const filling = performance.now()
  await fill(controller, count)
  const filledMs = performance.now() - filling
  await eventually(
    'those that can run do',
    async () => (await controller.tasks.list({ phase: 'allocated' })).items.length >= running,
    120_000,
  )

  const records = controller.collection('bench')
  const [submit = [], put = []] = await timesOfEach(samples, [
    (n) => controller.tasks.submit({ spec: { n }, labels: { kind: 'late' }, near: 'hkg-1' }),
    (n) => records.put(`k${n}`, { n, channel: `c${n}` }, { partition: 'core' }),
  ])
  const selectors = {
    'list: a label that some have': `group=g${Math.floor(count / GROUP / 2)}`,
    'list: one of two labels': `group in (g1,g2)`,
    'list: a label that nobody has': 'group=nobody',
    'list: a condition that nobody meets': 'group in (none,never),kind',
    'list: without a label': '!group,kind!=late',
  }
  const rows: Row[] = [rowOf('submit at the hub', submit, null), rowOf('put of a plain record there, in turn', put, null)]
  const lists: number[] = []
  for (const [what, selector] of Object.entries(selectors)) {
    let found = 0
    const times = await timesOf(samples, async () => {
      found = (await controller.tasks.list({ selector, limit: PAGE })).items.length
    })
    lists.push(quantileOf(times, 0.99) ?? Number.POSITIVE_INFINITY)
    rows.push(rowOf(what, times, found))
  }
  end.abort()
  await working
  const judgements = [
    judge('submit, p99', quantileOf(submit, 0.99), SUBMIT_MS_MAX, 'ms'),
    judge('list with a selector, p99, the slowest', Math.max(...lists), LIST_MS_MAX, 'ms'),
  ]
  const notes = [
    `${count} tasks, of which ${running} run; ${AT_ONCE} submissions at a time: ${Math.round((count / filledMs) * 1_000)}/s`,
    `pages of ${PAGE}; over HTTP on a Unix socket, client and both nodes on this machine`,
  ]
  return { columns: COLUMNS, rows, judgements, notes, charts: [] }
}

/** A hub that grants, and an edge node with a worker. */
async function startNodes(
  lab: Deployment,
  slots: number,
): Promise<{ readonly controller: Causeway; readonly end: AbortController; readonly working: Promise<void> }> {
  const edge = { name: 'hkg-1-a', role: 'edge', site: 'hkg-1', hubs: ['core-1'] } as const
  const hub = { name: 'core-1', role: 'hub', site: 'core' } as const
  await lab.prepare('bench', [hub, edge])
  for (const spec of [hub, edge]) lab.write(`${spec.name}.yaml`, `${lab.config(spec)}leases: {engine: embedded, hub: core-1}\n`)
  for (const { name } of [hub, edge]) await lab.start(name)
  await eventually('the edge has its hub', async () => !(await lab.ask<StatusView>(edge.name, 'status')).cutOff)
  const at = (node: string): Promise<Causeway> => connect({ api: lab.path(`${node}.sock`) })
  const [controller, side] = [await at(hub.name), await at(edge.name)]
  const end = new AbortController()
  const working = side.tasks.work('', (_, { signal }) => untilAborted(signal), { slots, signal: end.signal })
  await eventually('the worker is known', async () => (await controller.collection('task-workers').list()).items.length === 1)
  return { controller, end, working }
}

async function measureStorm({ tasks: count, running }: TasksSettings): Promise<Measured> {
  await using lab = new Deployment()
  const { controller, end, working } = await startNodes(lab, running)
  const keys = Math.ceil(count / PER_KEY)
  const times: number[] = []
  let [next, made] = [0, 0]
  const submitting = async (): Promise<void> => {
    for (let n = next++; n < count; n = next++) {
      const began = performance.now()
      const { created } = await controller.tasks.submit({ spec: { n }, near: 'hkg-1', convergeKey: `storm-${n % keys}` })
      times.push(performance.now() - began)
      if (created) made += 1
    }
  }
  await Promise.all(Array.from({ length: STORM_AT_ONCE }, submitting))
  const there = (await controller.tasks.list({ limit: 10_000 })).items.length
  end.abort()
  await working
  const judgements = [judge('tasks beyond one for each key', Math.abs(there - keys) + Math.abs(made - keys), 0, '')]
  const notes = [
    `${count} submissions with ${keys} keys, ${STORM_AT_ONCE} at a time: ${made} were answered as new, ${there} tasks are there`,
  ]
  return { columns: COLUMNS, rows: [rowOf('submit in a storm', times, there)], judgements, notes, charts: [] }
}

async function fill({ tasks }: Causeway, count: number): Promise<void> {
  let next = 0
  const filling = async (): Promise<void> => {
    for (let n = next++; n < count; n = next++) {
      const labels = { kind: 'bench', group: `g${Math.floor(n / GROUP)}` }
      await tasks.submit({ spec: { n, channel: `c${n}` }, labels, near: 'hkg-1', convergeKey: `bench-${n}` })
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, filling))
}

async function measureDisk({ samples }: TasksSettings): Promise<Measured> {
  await using lab = new Deployment()
  const file = openSync(lab.path('writes'), 'w')
  const write = (): Promise<void> => {
    writeSync(file, RECORD)
    fdatasyncSync(file)
    return Promise.resolve()
  }
  const times = await timesOf(samples, write).finally(() => closeSync(file))
  return { columns: COLUMNS, rows: [rowOf('write and fdatasync', times, null)], judgements: [], notes: [], charts: [] }
}

async function measureEtcd({ samples }: TasksSettings): Promise<Measured> {
  await using etcd = await EtcdCluster.start(1)
  const [endpoint = ''] = etcd.endpoints
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
  const put = async (n: number): Promise<void> => {
    const body = JSON.stringify({ key: base64(Buffer.from(`bench/${n}`)), value: base64(RECORD) })
    const answer = await fetch(`${endpoint}/v3/kv/put`, { method: 'POST', body })
    if (!answer.ok) throw new Error(`etcd answers with status ${answer.status}`)
    await answer.text()
  }
  const times = await timesOf(samples, put)
  return { columns: COLUMNS, rows: [rowOf('put', times, null)], judgements: [], notes: [], charts: [] }
}

async function timesOf(samples: number, act: (n: number) => Promise<unknown>): Promise<number[]> {
  const [times = []] = await timesOfEach(samples, [act])
  return times
}

/** One after the other, in turn; the first few do not count. */
async function timesOfEach(samples: number, acts: readonly ((n: number) => Promise<unknown>)[]): Promise<number[][]> {
  const warmUp = Math.ceil(samples / 20)
  const times = acts.map((): number[] => [])
  for (let n = -warmUp; n < samples; n++) {
    for (const [index, act] of acts.entries()) {
      const began = performance.now()
      await act(n + warmUp)
      if (n >= 0) times[index]?.push(performance.now() - began)
    }
  }
  return times
}

function rowOf(what: string, times: readonly number[], found: number | null): Row {
  return { what, p50: quantileOf(times, 0.5), p99: quantileOf(times, 0.99), found }
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error))
  })
}
