/** A node is revoked while it runs: its links end and stay so, over restarts too, and hubs take over what it wrote. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DocumentView, LinkView, RecordView } from '@causeway/protocol'
import { Deployment, type NodeSpec } from './deployment.ts'
import { eventually } from './eventually.ts'

const NODES: readonly NodeSpec[] = [
  { name: 'core-1', role: 'hub', site: 'core-1', hubs: ['core-2'] },
  { name: 'core-2', role: 'hub', site: 'core-2', hubs: ['core-1'] },
  { name: 'hkg-1-a', role: 'edge', site: 'hkg-1', hubs: ['core-1', 'core-2'] },
]
const HUBS = ['core-1', 'core-2'] as const

const lab = new Deployment()

beforeAll(async () => {
  await lab.prepare('mynet', NODES)
  await Promise.all(NODES.map(({ name }) => lab.start(name)))
})

afterAll(() => lab.close())

async function upLinks(node: string): Promise<string[]> {
  const links = await lab.ask<readonly LinkView[]>(node, 'links')
  return links
    .filter(({ state }) => state === 'up' || state === 'degraded')
    .map(({ to }) => to)
    .toSorted()
}

async function writersAt(node: string): Promise<string[]> {
  const { items } = await lab.ask<{ readonly items: readonly DocumentView[] }>(node, 'docs', 'list')
  return items.filter(({ collection }) => collection === 'notes').map(({ writer }) => writer)
}

test('a revoked node is left by all, also after restarts, and its records stay', async () => {
  await eventually('both hubs have a link with the edge', async () => {
    const seen = await Promise.all(HUBS.map(upLinks))
    return seen.every((names) => names.includes('hkg-1-a'))
  })
  await lab.at('hkg-1-a', 'kv', 'put', 'notes/a', '--partition', 'hkg-1', '"kept"')
  for (const hub of HUBS) await eventually(`${hub} has the record`, async () => (await writersAt(hub)).includes('hkg-1-a'))

  const unknown = await lab.causeway('revoke', 'mynet', 'hkg-1-z', '--api', 'core-2.sock')
  expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('no credential of hkg-1-z was issued')])
  const refused = await lab.causeway('revoke', 'mynet', 'hkg-1-a', '--api', 'hkg-1-a.sock')
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('revocations/global')])
  const done = await lab.causeway('revoke', 'mynet', 'hkg-1-a', '--api', 'core-2.sock')
  expect([done.code, done.stderr]).toEqual([0, ''])

  const leftBy = async (hub: string): Promise<void> => {
    await eventually(`${hub} has no link with it`, async () => !(await upLinks(hub)).includes('hkg-1-a'))
    await eventually(`${hub} has taken its records over`, async () => !(await writersAt(hub)).includes('hkg-1-a'))
    const record = await lab.ask<RecordView>(hub, 'kv', 'get', 'notes/a', '--partition', 'hkg-1')
    expect([record.value, record.writer]).toEqual(['kept', 'hkg-1-a'])
  }
  for (const hub of HUBS) await leftBy(hub)

  await lab.end('hkg-1-a', 'SIGTERM')
  for (const hub of HUBS) {
    await lab.end(hub, 'SIGTERM')
    await lab.start(hub)
  }
  await lab.start('hkg-1-a')
  await eventually('it is told why, and tells who writes there', async () => {
    const { code, stderr } = await lab.causeway('kv', 'put', 'notes/b', '1', '--api', 'hkg-1-a.sock')
    return code === 0 && /nobody beyond it has this .*hkg-1-a was revoked/.test(stderr)
  })
  for (const hub of HUBS) await leftBy(hub)
})
