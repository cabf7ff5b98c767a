/**
 * A first deployment as the README tells it, through the command line only: one hub, two sites of two nodes, of which
 * the second knows its neighbour. The tests are chapters of one story and run in order.
 */
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { EventView, LinkView, PathsView, RecordView, StatusView, WatchEvent, WriteResult } from '@causeway/protocol'
import { spawnCauseway } from './command-line.ts'
import { Deployment, type NodeSpec } from './deployment.ts'
import { eventually } from './eventually.ts'

const EDGE = { role: 'edge', hubs: ['core-1'], write: ['config/**'] } as const
const NODES: readonly NodeSpec[] = [
  { name: 'core-1', role: 'hub', site: 'core' },
  { ...EDGE, name: 'ams-1-a', site: 'ams-1' },
  { ...EDGE, name: 'ams-1-b', site: 'ams-1', peers: ['ams-1-a'] },
  { ...EDGE, name: 'hkg-1-a', site: 'hkg-1' },
  { ...EDGE, name: 'hkg-1-b', site: 'hkg-1', peers: ['hkg-1-a'] },
]

const lab = new Deployment()

const status = (node: string): Promise<StatusView> => lab.ask(node, 'status')
const put = (node: string, address: string, value: unknown): Promise<WriteResult> =>
  lab.ask(node, 'kv', 'put', address, JSON.stringify(value), '--partition', 'global')
const get = (node: string, address: string): Promise<RecordView> => lab.ask(node, 'kv', 'get', address, '--partition', 'global')

/** Waits until a node holds that value. */
function arrives(node: string, address: string, value: unknown): Promise<RecordView> {
  return eventually(`${address} arrives at ${node}`, async () => {
    const record = await get(node, address)
    return JSON.stringify(record.value) === JSON.stringify(value) && record
  })
}

beforeAll(async () => {
  await lab.prepare('mynet', NODES)
  for (const { name } of NODES) await lab.start(name)
})

afterAll(() => lab.close())

test('the nodes find their hub, and those of a site each other', async () => {
  for (const { name, role, site } of NODES) {
    if (role === 'hub') continue
    const found = await eventually(`${name} has found its place`, async () => {
      const seen = await status(name)
      const placed = !seen.cutOff && seen.gateway === `${site}-a` && seen.links === 2
      if (!placed || typeof seen.uplinks[0]?.lossRatio !== 'number') throw new Error(JSON.stringify(seen))
      return seen
    })
    expect(found).toMatchObject({ node: name, role: 'edge', site, region: 'lab', network: 'mynet', version: expect.any(String) })
    expect(found.uplinks).toEqual([
      expect.objectContaining({ hub: 'core-1', state: 'up', rttMs: expect.any(Number), lossRatio: expect.any(Number) }),
    ])
    expect(found.replica).toEqual(expect.objectContaining({ documents: expect.any(Number), records: expect.any(Number) }))
    expect(found.uptimeSeconds).toBeGreaterThanOrEqual(0)
    expect(found.channels).toBeGreaterThanOrEqual(1)
  }
  expect(await status('core-1')).toMatchObject({ role: 'hub', gateway: null, links: 4, cutOff: false })
})

test('what is written here is read there, on another site and not on its gateway', async () => {
  const written = await put('ams-1-b', 'config/limits', { rate: 100 })
  const record = await arrives('hkg-1-b', 'config/limits', { rate: 100 })
  expect(record).toMatchObject({ key: 'limits', partition: 'global', labels: {}, revision: written.revision, writer: 'ams-1-b' })
  expect(Math.abs(Date.now() - record.asOf)).toBeLessThan(600_000)
})

test('events that do not go on are one document', async () => {
  const { items } = await lab.ask<{ items: readonly EventView[] }>('hkg-1-a', 'events')
  expect(items).toContainEqual({ at: expect.any(Number), name: 'link-up', data: expect.objectContaining({ peer: 'core-1' }) })
})

test('links tell what was measured', async () => {
  const links = await eventually('the links are measured', async () => {
    const seen = await lab.ask<LinkView[]>('hkg-1-b', 'links')
    return seen.every(({ evidence, jitterMs }) => evidence !== 'control' && jitterMs !== null) && seen
  })
  expect(links.map(({ from, to }) => `${from} ${to}`)).toEqual(['hkg-1-b core-1', 'hkg-1-b hkg-1-a'])
  for (const link of links) {
    expect(link).toMatchObject({ state: 'up', epoch: 1, lossRatio: { forward: expect.anything(), backward: expect.anything() } })
    for (const measured of [...Object.values(link.rttMs), link.jitterMs, link.costMs]) expect(measured).toBeGreaterThan(0)
    expect(Object.keys(link.rttMs)).toEqual(['last', 'smoothed', 'min', 'p50', 'p95', 'p99'])
    expect(['udp', 'both']).toContain(link.evidence)
    expect(link.since).toBeLessThanOrEqual(Date.now() + 1000)
  }
  expect(links.find(({ to }) => to === 'hkg-1-a')?.bytesIn).toBeGreaterThan(0)
})

test('paths lead over the hub to another site, and straight to a neighbour', async () => {
  const far = await lab.ask<PathsView>('hkg-1-b', 'paths', 'ams-1-b')
  expect(far).toEqual({
    to: 'ams-1-b',
    paths: [{ hops: ['core-1', 'ams-1-b'], costMs: expect.any(Number), state: 'up', active: true }],
  })
  // A link that has just come up may be measured dear at first.
  const near = await eventually('the way to the neighbour is the direct one', async () => {
    const { paths } = await lab.ask<PathsView>('hkg-1-b', 'paths', 'hkg-1-a')
    return paths[0]?.active && paths[0].hops.length === 1 && paths[0]
  })
  expect(near).toMatchObject({ hops: ['hkg-1-a'], state: 'up', active: true })
})

test('a ping to another site is answered, in order, and names its path', async () => {
  const report = await lab.ask('hkg-1-b', 'ping', 'ams-1-b', '-c', '5', '-i', '0.05')
  expect(report).toMatchObject({ to: 'ams-1-b', sent: 5, received: 5, lost: 0, lossRatio: 0, duplicated: 0, reordered: 0 })
  expect(report).toMatchObject({ rttMs: { min: expect.any(Number), p50: expect.any(Number), max: expect.any(Number) } })
  expect(report).toMatchObject({ paths: [{ hops: ['core-1', 'ams-1-b'], answers: 5 }] })
})

test('a watch shows what is there, then what changes elsewhere', async () => {
  const args = ['kv', 'watch', 'config', '--partition', 'global', '-o', 'ndjson', '--api', 'ams-1-a.sock']
  const watch = spawnCauseway(args, { cwd: lab.directory })
  try {
    const lines = createInterface({ input: watch.stdout })[Symbol.asyncIterator]()
    const next = async (): Promise<WatchEvent> => JSON.parse(String((await lines.next()).value)) as WatchEvent
    expect(await next()).toMatchObject({ type: 'ADDED', record: { key: 'limits', value: { rate: 100 } } })
    expect(await next()).toMatchObject({ type: 'BOOKMARK', complete: true, token: expect.any(String) })
    await put('hkg-1-b', 'config/audio', 64_000)
    expect(await next()).toMatchObject({ type: 'ADDED', record: { key: 'audio', value: 64_000, writer: 'hkg-1-b' } })
    await put('hkg-1-b', 'config/audio', 48_000)
    expect(await next()).toMatchObject({ type: 'MODIFIED', record: { key: 'audio', value: 48_000 } })
    await lab.at('hkg-1-b', 'kv', 'delete', 'config/audio', '--partition', 'global')
    expect(await next()).toMatchObject({ type: 'DELETED', record: { key: 'audio' } })
    const ended = new Promise((done) => watch.once('exit', done))
    watch.kill('SIGINT')
    expect(await ended).toBe(0)
  } finally {
    watch.kill('SIGKILL')
  }
})

test('a gateway is killed: its neighbour takes over, and writes from the other site still arrive', async () => {
  await lab.end('ams-1-a', 'SIGKILL')
  const survivor = await eventually('ams-1-b is gateway', async () => {
    const seen = await status('ams-1-b')
    return seen.gateway === 'ams-1-b' && seen.replica.sessions.includes('core-1') && seen
  })
  expect(survivor.cutOff).toBe(false)
  await put('hkg-1-b', 'config/after', 'the gateway')
  await arrives('ams-1-b', 'config/after', 'the gateway')
  // And it comes back to a place that has gone on without it.
  await lab.start('ams-1-a')
  await arrives('ams-1-a', 'config/after', 'the gateway')
})

test('SIGTERM ends a daemon in good order: exit code 0, and its peers are told', async () => {
  expect(await lab.end('core-1', 'SIGTERM')).toBe(0)
  await eventually('hkg-1-a has been told', () => lab.log('hkg-1-a').includes('"reason":"the node stops"'))
  const alone = await eventually('hkg-1-b knows that its site is cut off', async () => {
    const seen = await status('hkg-1-b')
    return seen.cutOff && seen
  })
  expect(alone.uplinks.every(({ state }) => state === 'down')).toBe(true)
})

test('what was acknowledged survives SIGKILL on its own disk: nobody else had it', async () => {
  // The hub is down; ams-1-b goes too, so that the record is on the one disk and no other.
  expect(await lab.end('ams-1-b', 'SIGTERM')).toBe(0)
  const acknowledged = await put('ams-1-a', 'config/kept', { by: 'the disk' })
  await lab.end('ams-1-a', 'SIGKILL')
  await lab.start('ams-1-a')
  expect(await get('ams-1-a', 'config/kept')).toMatchObject({ value: { by: 'the disk' }, revision: acknowledged.revision })
  const alone = await status('ams-1-a')
  expect(alone.cutOff).toBe(true)
  expect(alone.replica.pending).toBeGreaterThanOrEqual(1)

  await lab.start('core-1')
  await arrives('hkg-1-b', 'config/kept', { by: 'the disk' })
})
