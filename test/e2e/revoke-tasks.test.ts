/** A node that runs tasks is revoked: they run elsewhere, and nothing of what it said of itself is left. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Causeway, connect } from '@causeway/client'
import type { StatusView } from '@causeway/protocol'
import { Deployment, type NodeSpec } from './deployment.ts'
import { eventually } from './eventually.ts'

const NODES: readonly NodeSpec[] = [
  { name: 'core-1', role: 'hub', site: 'core-1' },
  { name: 'hkg-1-a', role: 'edge', site: 'hkg-1', hubs: ['core-1'], peers: ['hkg-1-b'] },
  { name: 'hkg-1-b', role: 'edge', site: 'hkg-1', hubs: ['core-1'], peers: ['hkg-1-a'] },
]
const EDGES = ['hkg-1-a', 'hkg-1-b'] as const
/** A lease, what a sticky task waits for beyond it, and a busy machine. */
const ELSEWHERE_MS = 60_000

const lab = new Deployment()
const end = new AbortController()
const working: Promise<void>[] = []
/** Where the task runs, as its programs see it. */
const running = new Set<string>()

const at = (node: string): Promise<Causeway> => connect({ api: lab.path(`${node}.sock`) })

beforeAll(async () => {
  await lab.prepare('mynet', NODES)
  for (const spec of NODES) lab.write(`${spec.name}.yaml`, `${lab.config(spec)}leases: {engine: embedded, hub: core-1}\n`)
  await Promise.all(NODES.map(({ name }) => lab.start(name)))
})

afterAll(async () => {
  end.abort()
  await Promise.allSettled(working)
  await lab.close()
})

async function work(node: string): Promise<void> {
  const { tasks } = await at(node)
  const handler = async (_: unknown, { signal }: { readonly signal: AbortSignal }): Promise<void> => {
    running.add(node)
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))).finally(() =>
      running.delete(node),
    )
  }
  working.push(tasks.work('', handler, { signal: end.signal }))
}

test('its task runs at its neighbour, and its records are gone', async () => {
  for (const node of EDGES) await eventually(`${node} has its hub`, async () => !(await lab.ask<StatusView>(node, 'status')).cutOff)
  const hub = await at('core-1')
  const keysOf = async (collection: string): Promise<string[]> => (await hub.collection(collection).list()).items.map(({ key }) => key)
  for (const node of EDGES) await work(node)
  await eventually('both offer to work', async () => (await keysOf('task-workers')).length === EDGES.length)
  const { id } = await hub.tasks.submit({ spec: null, near: 'hkg-1', policy: 'sticky' })
  await eventually('it runs', async () => (await hub.tasks.get(id))?.running === true)
  const victim = (await hub.tasks.get(id))?.node ?? ''
  const other = EDGES.find((node) => node !== victim)
  expect([...running]).toEqual([victim])
  expect(await keysOf('members')).toContain(victim)

  await lab.at('core-1', 'revoke', 'mynet', victim)
  await eventually(
    'its neighbour has the task',
    async () => {
      const task = await hub.tasks.get(id)
      return task?.node === other && task?.running === true
    },
    ELSEWHERE_MS,
  )
  await eventually('it runs there alone', () => [...running].join() === other)
  for (const collection of ['members', 'task-workers'])
    await eventually(`${collection} without it`, async () => !(await keysOf(collection)).includes(victim))
}, 120_000)
