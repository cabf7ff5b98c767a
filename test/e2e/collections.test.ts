/**
 * Records as programs and people use them, with real processes: read what another node wrote, go on with a watch when
 * its daemon was killed or at another node, change several records at once, be cut off and know it.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { BatchResult, HistoryView, RecordListView, RecordView, StatusView, WriteResult } from '@causeway/protocol'
import { type Causeway, connect } from '@causeway/client'
import { Deployment, type NodeSpec } from './deployment.ts'
import { eventually } from './eventually.ts'

const HUB: NodeSpec = { name: 'core-1', role: 'hub', site: 'core', write: ['notes/**'] }
const AMS: NodeSpec = { name: 'ams-1-a', role: 'edge', site: 'ams-1', hubs: ['core-1'], write: ['notes/**'] }
const HKG: NodeSpec = { name: 'hkg-1-a', role: 'edge', site: 'hkg-1', hubs: ['core-1'], write: ['notes/**'] }

const lab = new Deployment()
let ams: Causeway
let hkg: Causeway

const connected = (node: string) =>
  eventually(`${node} has its hub`, async () => !(await lab.ask<StatusView>(node, 'status')).cutOff, 60_000)

beforeAll(async () => {
  await lab.prepare('mynet', [HUB, AMS, HKG])
  for (const { name } of [HUB, AMS, HKG]) await lab.start(name)
  await connected('ams-1-a')
  await connected('hkg-1-a')
  ams = await connect({ api: lab.path('ams-1-a.sock') })
  hkg = await connect({ api: lab.path('hkg-1-a.sock') })
})

afterAll(() => lab.close())

const PLACE = { partition: 'global' }

test('who has the token of a write reads it at any node', async () => {
  for (let n = 0; n < 20; n++) {
    const { token } = await ams.collection('notes').put('counter', { n }, PLACE)
    const read = await hkg.collection('notes').get('counter', { ...PLACE, atLeast: token })
    expect(read?.value).toEqual({ n })
  }
})

test('a batch is seen whole or not at all, a patch leaves the rest, and a history tells', async () => {
  const changes = ['a', 'b', 'c'].map((key) => JSON.stringify({ key, op: 'put', value: { n: 1, kept: true }, labels: { set: 'batch' } }))
  lab.write('changes.ndjson', changes.join('\n'))
  const batch = await lab.ask<BatchResult>('ams-1-a', 'kv', 'batch', 'notes', 'changes.ndjson', '--partition', 'global')
  expect(batch.items.map(({ key }) => key)).toEqual(['a', 'b', 'c'])
  const there = await lab.ask<RecordListView>('hkg-1-a', 'kv', 'list', 'notes', '-l', 'set in (batch)', '--at-least', batch.token)
  expect(there.items).toHaveLength(3)
  await lab.at('hkg-1-a', 'kv', 'patch', 'notes/a', '{"n": 2}', '--partition', 'global', '--labels', 'tier=gold,set-')
  const revision = there.items[0]?.revision ?? ''
  const late = await lab.causeway('kv', 'update', 'notes/a', '1', '--partition', 'global', '--revision', revision, '--api', 'hkg-1-a.sock')
  expect(late.code).toBe(1)
  expect(await hkg.collection('notes').get('a', PLACE)).toMatchObject({ value: { n: 2, kept: true }, labels: { tier: 'gold' } })
  const { items } = await lab.ask<HistoryView>('hkg-1-a', 'kv', 'history', 'notes/a', '--partition', 'global')
  expect(items.map(({ type }) => type)).toEqual(['ADDED', 'MODIFIED'])
})

test('a watch outlives its daemon, and tells in the end what is there, each change of state once', async () => {
  const stop = new AbortController()
  const known = new Map<string, unknown>()
  const told: string[] = []
  let faults = 0
  const follow = async (): Promise<void> => {
    const options = { ...PLACE, signal: stop.signal, onInterrupted: () => void faults++ }
    for await (const event of ams.collection('notes').watch(options)) {
      told.push(event.type)
      if (event.type === 'DELETED') known.delete(event.record.key)
      else if (event.type === 'ADDED' || event.type === 'MODIFIED') {
        expect(known.has(event.record.key)).toBe(event.type === 'MODIFIED')
        known.set(event.record.key, event.record.value)
      }
    }
  }
  const following = follow()
  const notes = hkg.collection<number>('notes')
  await notes.put('before', 1, PLACE)
  await notes.put('dropped', 1, PLACE)
  await eventually('the watch knows both', () => known.has('before') && known.has('dropped'))
  await lab.end('ams-1-a', 'SIGKILL')
  await notes.put('before', 2, PLACE)
  await notes.delete('dropped', PLACE)
  await notes.put('after', 1, PLACE)
  await lab.start('ams-1-a')
  await eventually(
    'the watch knows what has changed',
    () => known.get('before') === 2 && known.has('after') && !known.has('dropped'),
    60_000,
  )
  expect(faults).toBeGreaterThan(0)
  const { items } = await ams.collection('notes').list(PLACE)
  expect(Object.fromEntries(known)).toEqual(Object.fromEntries(items.map(({ key, value }) => [key, value])))
  stop.abort()
  await following
})

test('a token of one node resumes a watch at another', async () => {
  const { token } = await lab.ask<RecordListView>('ams-1-a', 'kv', 'list', 'notes', '--partition', 'global')
  const written = await lab.ask<WriteResult>('ams-1-a', 'kv', 'put', 'notes/more', '1', '--partition', 'global')
  await hkg.collection('notes').get('more', { ...PLACE, atLeast: written.token })
  const events: string[] = []
  const stop = new AbortController()
  for await (const event of hkg.collection('notes').watch({ ...PLACE, since: token, signal: stop.signal })) {
    events.push('record' in event ? `${event.type} ${event.record.key}` : event.type)
    if (event.type === 'BOOKMARK') stop.abort()
  }
  expect(events).toEqual(['MODIFIED more', 'BOOKMARK'])
  const wide = await ams.collection('notes').list()
  const gone = await lab.causeway('kv', 'get', 'notes/more', '--at-least', wide.token, '--api', 'hkg-1-a.sock')
  expect(gone).toMatchObject({ code: 1, stdout: '' })
  expect(gone.stderr).toContain('List again')
})

test('a site that is cut off says so, and since when', async () => {
  await lab.end('core-1', 'SIGTERM')
  const cut = await eventually('the site is cut off', async () => {
    const list = await lab.ask<RecordListView>('hkg-1-a', 'kv', 'list', 'notes')
    return list.cutOff && list
  })
  expect(cut.asOf).toBeLessThanOrEqual(Date.now())
  expect(cut.asOf).toBeGreaterThan(Date.now() - 60_000)
  const alone = await lab.ask<WriteResult>('hkg-1-a', 'kv', 'put', 'notes/alone', '1', '--partition', 'global')
  expect(await lab.ask<RecordView>('hkg-1-a', 'kv', 'get', 'notes/alone', '--partition', 'global')).toMatchObject({
    revision: alone.revision,
  })
  const hubless = await lab.causeway(
    'kv',
    'put',
    'notes/safe',
    '1',
    '--partition',
    'global',
    '--durability',
    'hub',
    '--api',
    'hkg-1-a.sock',
  )
  expect(hubless).toMatchObject({ code: 1, stderr: expect.stringContaining('nobody has confirmed durability hub') })
  expect(await lab.at('hkg-1-a', 'kv', 'get', 'notes/safe', '--partition', 'global')).toBe('1\n')
})
