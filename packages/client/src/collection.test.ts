import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Causeway, connect, type StandardSchema, type TypedWatchEvent } from './index.ts'
import { ScriptedDaemon } from './scripted-daemon.ts'

interface Task {
  readonly n: number
  readonly note?: string
}

/** What a schema library makes, by hand: `n` must be a number; a missing `note` is read as empty. */
const schema: StandardSchema<Task, Required<Task>> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => {
      const { n, note = '' } = (value ?? {}) as Partial<Task>
      return typeof n === 'number' ? { value: { n, note } } : Promise.resolve({ issues: [{ message: 'expected a number', path: ['n'] }] })
    },
  },
}

let daemon: ScriptedDaemon
let causeway: Causeway

beforeEach(async () => {
  daemon = await ScriptedDaemon.start()
  causeway = await connect({ api: daemon.api })
})

afterEach(() => daemon.stop())

const record = (key: string, value: unknown) => ({ key, partition: 'p', value, labels: {}, revision: 'r', writer: 'w', asOf: 0 })

test('options arrive as the API names them', async () => {
  daemon.answer({ key: 'k', partition: 'p', revision: 'r', token: 't' })
  const tasks = causeway.collection<Task>('tasks')
  await tasks.put('k', { n: 1 }, { ttl: '30s', durability: 'hub', strict: true })
  await tasks.patch('k', { note: null }, { labels: { a: 'b', old: null }, revision: 'r1' })
  await tasks.batch([{ key: 'a', op: 'delete' }], { partition: 'p', durability: 'site' })
  await tasks.get('k', { atLeast: 't&1' })
  await tasks.history('k', { partition: 'p' })
  expect(daemon.seen).toEqual([
    'PUT /v1/kv/tasks/k?durability=hub&strict=true&ttl=30s {"n":1}',
    'PATCH /v1/kv/tasks/k?revision=r1&label=a%3Db&label=old- {"note":null}',
    'POST /v1/kv/tasks%3Abatch?durability=site {"partition":"p","changes":[{"key":"a","op":"delete"}]}',
    'GET /v1/kv/tasks/k?at-least=t%261',
    'GET /v1/kv/tasks/k?partition=p&history=true',
  ])
})

test('a list follows its pages, or stops at its limit', async () => {
  daemon.handle = (request, response) => {
    const more = !request.url?.includes('continue')
    response.end(JSON.stringify({ items: [record(more ? 'a' : 'b', 1)], token: 't', ...(more && { continue: 'next' }) }))
  }
  const tasks = causeway.collection('tasks')
  const all = await tasks.list({ selector: 'x' })
  expect(all.items.map(({ key }) => key)).toEqual(['a', 'b'])
  expect(all.continue).toBeUndefined()
  expect(await tasks.list({ limit: 1 })).toMatchObject({ items: [{ key: 'a' }], continue: 'next' })
  expect(await tasks.list({ limit: 1, continue: 'next' })).toMatchObject({ items: [{ key: 'b' }] })
  expect(daemon.seen).toEqual([
    'GET /v1/kv/tasks?selector=x',
    'GET /v1/kv/tasks?selector=x&continue=next',
    'GET /v1/kv/tasks?limit=1',
    'GET /v1/kv/tasks?limit=1&continue=next',
  ])
})

test('what does not fit the schema is not sent', async () => {
  daemon.answer({ key: 'k', partition: 'p', revision: 'r', token: 't' })
  const tasks = causeway.collection('tasks', { schema })
  await tasks.put('k', { n: 1 })
  const bad = { n: 'one' } as unknown as Task
  const INVALID = { code: 'invalid', message: expect.stringContaining('n: expected a number'), issues: [{ message: 'expected a number' }] }
  await expect(tasks.put('k', bad)).rejects.toMatchObject(INVALID)
  await expect(tasks.create('k', bad)).rejects.toMatchObject(INVALID)
  await expect(tasks.batch([{ key: 'a', op: 'put', value: bad }])).rejects.toMatchObject(INVALID)
  expect(daemon.seen).toEqual(['PUT /v1/kv/tasks/k {"n":1}'])
})

test('a patch is judged by what it would make of the record here', async () => {
  daemon.answer(record('k', { n: 1, note: 'x' }))
  const tasks = causeway.collection('tasks', { schema })
  await tasks.patch('k', { note: null })
  await expect(tasks.patch('k', { n: null })).rejects.toMatchObject({ code: 'invalid' })
  expect(daemon.seen.filter((line) => line.startsWith('PATCH'))).toEqual(['PATCH /v1/kv/tasks/k {"note":null}'])
})

test('a record that does not fit is shown as what it is', async () => {
  const [good, bad] = [record('good', { n: 1 }), record('bad', { n: 'one' })]
  const tasks = causeway.collection('tasks', { schema })
  daemon.answer(good)
  expect(await tasks.get('good')).toMatchObject({ value: { n: 1, note: '' } })
  daemon.answer(bad)
  await expect(tasks.get('bad')).rejects.toMatchObject({ code: 'invalid', record: bad })
  expect(await causeway.collection('tasks').get('bad')).toEqual(bad)
  daemon.answer({ items: [good, bad], token: 't', complete: true, asOf: 1, cutOff: false })
  expect(await tasks.list()).toMatchObject({
    items: [{ key: 'good' }],
    violations: [{ record: bad, issues: [{ path: ['n'] }] }],
    cutOff: false,
  })

  const stop = new AbortController()
  daemon.handle = (_request, response) => {
    for (const line of [
      { type: 'ADDED', record: good },
      { type: 'ADDED', record: bad },
      { type: 'DELETED', record: bad },
      { type: 'BOOKMARK', token: 't', complete: true },
    ])
      response.write(`${JSON.stringify(line)}\n`)
  }
  const events: TypedWatchEvent<Required<Task>>[] = []
  for await (const event of tasks.watch({ signal: stop.signal })) {
    events.push(event)
    if (event.type === 'BOOKMARK') stop.abort()
  }
  expect(events).toMatchObject([
    { type: 'ADDED', record: { value: { n: 1, note: '' } } },
    { type: 'VIOLATION', record: bad, issues: [{ message: 'expected a number' }] },
    { type: 'DELETED', record: bad },
    { type: 'BOOKMARK' },
  ])
})
