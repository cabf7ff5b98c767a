/**
 * Two tiers of hubs with real processes: two hubs of the core, one regional hub below them, a site below that, and a site at the
 * core. The tests run in order.
 */
import { once } from 'node:events'
import { type AddressInfo, type Server, createConnection, createServer } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RecordListView, StatusView } from '@causeway/protocol'
import { Deployment, type NodeSpec } from './deployment.ts'
import { eventually } from './eventually.ts'

const NODES: readonly NodeSpec[] = [
  { name: 'core-1', role: 'hub', site: 'core-a' },
  { name: 'core-2', role: 'hub', site: 'core-b', hubs: ['core-1'] },
  { name: 'apac-1', role: 'hub', site: 'apac' },
  { name: 'hkg-1-a', role: 'edge', site: 'hkg-1', hubs: ['apac-1'], write: ['notes/**'] },
  { name: 'fra-1-a', role: 'edge', site: 'fra-1', hubs: ['core-2'], write: ['notes/**', 'bulk/**'] },
]

const lab = new Deployment()
let echo: Server
const keysAt = async (node: string, collection = 'notes'): Promise<string[]> =>
  (await lab.ask<RecordListView>(node, 'kv', 'list', collection)).items.map(({ key }) => key)
const status = (node: string): Promise<StatusView> => lab.ask<StatusView>(node, 'status')
const seenBy = (key: string, nodes: readonly string[]): Promise<unknown> =>
  Promise.all(nodes.map((node) => eventually(`${key} is at ${node}`, async () => (await keysAt(node)).includes(key))))

beforeAll(async () => {
  echo = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1')
  await once(echo, 'listening')
  const { port } = echo.address() as AddressInfo
  await lab.prepare('mynet', NODES)
  for (const spec of NODES) {
    const parents = `parents: ["${lab.address('core-1')}", "${lab.address('core-2')}"]\n`
    const more = { 'apac-1': parents, 'hkg-1-a': `services: [{name: echo, tcp: "127.0.0.1:${port}"}]\n` }[spec.name] ?? ''
    lab.write(`${spec.name}.yaml`, lab.config(spec) + more)
  }
  for (const { name } of NODES) await lab.start(name)
  await eventually('the regional hub has one above it', async () => !(await status('apac-1')).cutOff)
})
afterAll(async () => {
  await lab.close()
  echo.close()
})

test('a write at a site below is seen in the core and at the other site, and the reverse', async () => {
  await lab.at('hkg-1-a', 'kv', 'put', 'notes/low', '1', '--partition', 'all')
  await seenBy('low', ['core-1', 'core-2', 'apac-1', 'fra-1-a'])
  await lab.at('fra-1-a', 'kv', 'put', 'notes/high', '2', '--partition', 'all')
  await seenBy('high', ['core-1', 'core-2', 'apac-1', 'hkg-1-a'])
})

test('state travels along the tree: one session up from the regional hub, one for the site; what nobody below asks for stays above', async () => {
  const sessions = async (node: string): Promise<readonly string[]> => (await status(node)).replica.sessions
  const home = (await sessions('apac-1')).find((peer) => peer.startsWith('core'))
  expect(new Set(await sessions('apac-1'))).toEqual(new Set([home, 'hkg-1-a']))
  expect(await sessions('core-1')).toEqual(expect.arrayContaining(['core-2']) as string[])
  expect([...(await sessions('core-1')), ...(await sessions('core-2'))].filter((peer) => peer === 'apac-1')).toHaveLength(1)
  await lab.at('fra-1-a', 'kv', 'put', 'bulk/a', '1', '--partition', 'all')
  await eventually('bulk is in the core', async () => (await keysAt('core-1', 'bulk')).length === 1)
  await lab.at('fra-1-a', 'kv', 'put', 'notes/after-bulk', '1', '--partition', 'all')
  await seenBy('after-bulk', ['hkg-1-a'])
  expect(await keysAt('apac-1', 'bulk')).toEqual([])
})

test('durability up to a hub is that of a hub of the core', async () => {
  await lab.at('hkg-1-a', 'kv', 'put', 'notes/durable', '1', '--partition', 'all', '--durability', 'hub')
})

async function echoed(port: number, text: string): Promise<string> {
  const socket = createConnection(port, '127.0.0.1')
  socket.setTimeout(5_000, () => socket.destroy())
  socket.on('error', () => {})
  socket.end(text)
  let answer = ''
  for await (const chunk of socket) answer += String(chunk)
  return answer
}

test('a TCP service at the site below is reached from the site at the core', async () => {
  const { listen } = await lab.ask<{ readonly listen: string }>('fra-1-a', 'forward', '127.0.0.1:0', 'echo@hkg-1', '--keep')
  const port = Number(listen.split(':').at(-1))
  await eventually('the service answers', async () => (await echoed(port, 'over two tiers').catch(() => '')) === 'over two tiers')
})

test('after a restart of the regional hub all goes on; a hub of the core that dies is replaced by the other', async () => {
  await lab.end('apac-1', 'SIGKILL')
  await lab.at('hkg-1-a', 'kv', 'put', 'notes/while-down', '1', '--partition', 'all')
  await lab.start('apac-1')
  await seenBy('while-down', ['core-1', 'core-2', 'fra-1-a'])
  const home = (await status('apac-1')).uplinks.find((uplink) => uplink.home)?.hub ?? ''
  expect(home).toMatch(/^core-/)
  // The site at the core hangs on this one.
  if (home === 'core-2') return
  await lab.end(home, 'SIGKILL')
  await lab.at('hkg-1-a', 'kv', 'put', 'notes/other-parent', '1', '--partition', 'all')
  await seenBy('other-parent', ['core-2', 'fra-1-a'])
})
