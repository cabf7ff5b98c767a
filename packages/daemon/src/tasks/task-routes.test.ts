import { mkdtempSync, rmSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { TaskPageView, TaskView, TaskWatchEvent, WorkAnswer, WorkLine } from '@causeway/protocol'
import type { ApiBackend } from '../api-backend.ts'
import { LocalApi } from '../local-api.ts'
import { fleetMetrics } from '../metrics/fleet-metrics.ts'
import { MetricsExporter } from '../metrics/metrics-exporter.ts'
import { ScriptedTasks, scriptedTask } from './scripted-tasks.ts'

interface Answer {
  readonly status: number
  readonly json: unknown
}

describe('tasks over HTTP', () => {
  const exporter = new MetricsExporter(() => fleetMetrics([]))
  let directory: string
  let socketPath: string
  let tasks: ScriptedTasks
  let api: LocalApi
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'causeway-tasks-'))
    socketPath = join(directory, 'api.sock')
    tasks = new ScriptedTasks()
    api = await LocalApi.start(socketPath, { tasks } as unknown as ApiBackend, exporter, pino({ level: 'silent' }))
  })
  afterEach(async () => {
    await api.stop()
    rmSync(directory, { recursive: true })
  })

  function open(method: string, path: string, body?: unknown): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const sent = request({ socketPath, path: `/v1/${path}`, method }, resolve)
      sent.on('error', reject)
      sent.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }

  async function call(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await open(method, path, body)
    let text = ''
    for await (const chunk of response) text += String(chunk)
    return { status: response.statusCode ?? 0, json: text === '' ? undefined : JSON.parse(text) }
  }

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- what the lines are, the test knows
  async function follow<Line>(method: string, path: string, body?: unknown): Promise<{ lines: Line[]; end: () => void }> {
    const response = await open(method, path, body)
    expect(response.statusCode).toBe(200)
    const lines: Line[] = []
    response.on('error', () => undefined)
    const reading = createInterface(response).on('line', (line) => lines.push(JSON.parse(line) as Line))
    reading.on('error', () => undefined)
    return { lines, end: () => response.destroy() }
  }

  const ids = (answer: Answer) => (answer.json as TaskPageView).items.map(({ id }) => id)

  it('submits, and says by its status whether the task is made, was there, or is kept until the allocator is reached', async () => {
    const task = scriptedTask('rec-1')
    tasks.outcome = { ok: true, task, created: true }
    const submission = {
      spec: { n: 1 },
      labels: { kind: 'record' },
      near: 'hkg-1',
      needs: { gpu: 1 },
      convergeKey: 'c7',
      policy: 'at-most-one',
    }
    expect(await call('POST', 'tasks', submission)).toEqual({ status: 201, json: { ...task, created: true } })
    expect(tasks.orders).toEqual([{ type: 'submit', ...submission }])
    tasks.outcome = { ok: true, task, created: false }
    expect(await call('POST', 'tasks', { spec: null })).toMatchObject({ status: 200, json: { created: false } })
    tasks.outcome = { ok: true, task: { ...task, phase: 'pending', node: null }, created: true }
    expect(await call('POST', 'tasks', { spec: 'text' })).toMatchObject({ status: 202, json: { phase: 'pending' } })
  })

  it('hands orders on', async () => {
    tasks.outcome = { ok: true, task: scriptedTask('rec-1', { generation: 2 }), created: false }
    expect(await call('PATCH', 'tasks/rec-1', { spec: { n: 2 }, generation: 1 })).toMatchObject({ status: 200, json: { generation: 2 } })
    await call('DELETE', 'tasks/rec-1')
    await call('POST', 'tasks/rec-1/undelete')
    await call('POST', 'tasks/rec-1/move')
    await call('POST', 'tasks/rec-1/move', { to: 'nrt-2', force: true })
    expect(tasks.orders).toEqual([
      { type: 'update', id: 'rec-1', spec: { n: 2 }, generation: 1 },
      { type: 'stop', id: 'rec-1' },
      { type: 'undelete', id: 'rec-1' },
      { type: 'move', id: 'rec-1' },
      { type: 'move', id: 'rec-1', to: 'nrt-2', force: true },
    ])
  })

  it.each([
    ['conflict', 409],
    ['not-found', 404],
    ['refused', 403],
    ['unreachable', 503],
  ] as const)('tells a refusal (%s) with its reason and remedy', async (code, status) => {
    tasks.outcome = { ok: false, code, message: 'it is gone', remedy: 'submit another' }
    const { json, ...answer } = await call('POST', 'tasks/rec-1/undelete')
    expect(answer.status).toBe(status)
    expect(json).toMatchObject({ code, status, detail: 'it is gone', remedy: 'submit another' })
  })

  it.each([
    ['POST', 'tasks', {}],
    ['POST', 'tasks', { spec: 1, unknown: 2 }],
    ['POST', 'tasks', { spec: 1, id: '../x' }],
    ['POST', 'tasks', { spec: 1, policy: 'twice' }],
    ['POST', 'tasks', { spec: 1, site: 'a', near: 'b' }],
    ['POST', 'tasks', { spec: 1, id: 'a', convergeKey: 'b' }],
    ['POST', 'tasks', { spec: 1, needs: { gpu: -1 } }],
    ['POST', 'tasks', { spec: 1, nodes: '((' }],
    ['POST', 'tasks', { spec: 'x'.repeat(200_000) }],
    ['PATCH', 'tasks/a', {}],
    ['PATCH', 'tasks/a', { generation: 1 }],
    ['POST', 'tasks/a/move', { to: 'A B' }],
    ['GET', 'tasks?phase=lost', undefined],
    ['GET', 'tasks?limit=0', undefined],
    ['GET', 'tasks?selector=%28', undefined],
    ['GET', 'tasks?colour=red', undefined],
    ['POST', 'work', { slots: 0 }],
    ['POST', 'work', { selector: '((' }],
    ['POST', 'work', { capacity: { gpu: 'two' } }],
    ['POST', 'work/x/reports', { reports: [{ id: 'a', token: 1, progress: 2 }], holding: [] }],
  ])('refuses %s %s %j as wrong usage', async (method, path, body) => {
    const answer = await call(method, path, body)
    expect(answer).toMatchObject({ status: 400, json: { code: 'usage', remedy: expect.stringMatching(/./) as unknown } })
    expect(tasks.orders).toEqual([])
  })

  it('lists by site and id, page by page, and gets one; one that is elsewhere comes from the allocator', async () => {
    for (const [site, id] of [
      ['nrt-1', 'a'],
      ['hkg-1', 'b'],
      ['hkg-1', 'a'],
      ['hkg-1', 'c'],
    ] as const)
      tasks.put(scriptedTask(id, { site }))
    tasks.put(scriptedTask('d', { phase: 'tombstone', labels: {} }))
    const first = await call('GET', 'tasks?limit=2')
    expect([ids(first), first.json]).toMatchObject([['a', 'b'], { token: tasks.token(), complete: true, cutOff: false }])
    const rest = await call('GET', `tasks?limit=10&continue=${(first.json as TaskPageView).continue}`)
    expect(ids(rest)).toEqual(['c', 'd', 'a'])
    expect(rest.json).not.toHaveProperty('continue')
    expect(ids(await call('GET', 'tasks?limit=5'))).toHaveLength(5)
    expect(ids(await call('GET', 'tasks?selector=kind%3Drecord&site=hkg-1'))).toEqual(['a', 'b', 'c'])
    expect(ids(await call('GET', 'tasks?phase=tombstone'))).toEqual(['d'])
    expect(await call('GET', 'tasks/a?site=nrt-1')).toMatchObject({ status: 200, json: { site: 'nrt-1' } })
    expect(await call('GET', 'tasks/far')).toMatchObject({ status: 404, json: { code: 'not-found' } })
    tasks.why = { task: scriptedTask('far', { site: 'ams-1' }), candidates: [] }
    expect(await call('GET', 'tasks/far')).toMatchObject({ status: 200, json: { site: 'ams-1' } })
    expect(await call('GET', 'tasks/far/why')).toMatchObject({ status: 200, json: { candidates: [] } })
  })

  it('watches: what is there, a bookmark, then what looks different at the end of a turn', async () => {
    tasks.put(scriptedTask('a'))
    tasks.put(scriptedTask('x', { labels: {} }))
    const { lines, end } = await follow<TaskWatchEvent>('GET', 'tasks?watch=true&selector=kind%3Drecord')
    const told = () => lines.flatMap((event) => ('task' in event ? `${event.type} ${event.task.id} ${event.task.progress}` : []))
    await vi.waitFor(() => expect(told()).toEqual(['ADDED a null']))
    tasks.put(scriptedTask('a', { progress: 0.1 }))
    tasks.put(scriptedTask('a', { progress: 0.2 }))
    tasks.put(scriptedTask('a', { progress: 0.2 }))
    tasks.put(scriptedTask('b'))
    tasks.put(scriptedTask('x', { labels: {}, progress: 0.5 }))
    await vi.waitFor(() => expect(told().slice(1)).toEqual(['MODIFIED a 0.2', 'ADDED b null']))
    tasks.put(scriptedTask('b', { labels: {} }))
    tasks.remove(scriptedTask('a'))
    tasks.put(scriptedTask('c'))
    await vi.waitFor(() => expect(told().slice(3)).toEqual(['DELETED b null', 'DELETED a null', 'ADDED c null']))
    end()
    await vi.waitFor(() => expect(tasks.watchers).toBe(0))
  })

  it('goes on watching from the token of a list or a bookmark: what has changed since, and then the rest', async () => {
    for (const id of ['a', 'b', 'c']) tasks.put(scriptedTask(id))
    const { token } = (await call('GET', 'tasks')).json as TaskPageView
    tasks.put(scriptedTask('b', { progress: 0.5 }))
    tasks.remove(scriptedTask('c'))
    tasks.put(scriptedTask('d'))
    tasks.put(scriptedTask('e', { site: 'nrt-1' }))
    const { lines, end } = await follow<TaskWatchEvent>('GET', `tasks?watch=true&site=hkg-1&since=${token}`)
    const told = () => lines.map((event) => ('task' in event ? `${event.type} ${event.task.id}` : event.type))
    await vi.waitFor(() => expect(told()).toEqual(['MODIFIED b', 'DELETED c', 'MODIFIED d', 'BOOKMARK']))
    tasks.remove(scriptedTask('a'))
    await vi.waitFor(() => expect(told().slice(4)).toEqual(['DELETED a', 'BOOKMARK']), 5_000)
    end()
    const last = lines.at(-1) as { readonly token: string }
    tasks.put(scriptedTask('f'))
    const again = await follow<TaskWatchEvent>('GET', `tasks?watch=true&since=${last.token}`)
    await vi.waitFor(() => expect(again.lines).toMatchObject([{ type: 'MODIFIED', task: { id: 'f' } }, { type: 'BOOKMARK' }]))
    again.end()
    expect(await call('GET', 'tasks?watch=true&since=x.1')).toMatchObject({ status: 410, json: { code: 'gone' } })
    expect(await call('GET', 'tasks?watch=true&since=%20')).toMatchObject({ status: 400, json: { code: 'usage' } })
  })

  it('tries an order without giving it', async () => {
    tasks.why = { task: scriptedTask('rec-1'), candidates: [] }
    for (const [method, path, body] of [
      ['POST', 'tasks?dryRun=true', { spec: 1 }],
      ['PATCH', 'tasks/rec-1?dryRun=true', { spec: 2 }],
      ['DELETE', 'tasks/rec-1?dryRun=true', undefined],
      ['POST', 'tasks/rec-1/undelete?dryRun=true', undefined],
      ['POST', 'tasks/rec-1/move?dryRun=true', { to: 'nrt-2' }],
    ] as const)
      expect(await call(method, path, body)).toMatchObject({ status: 200, json: { task: { id: 'rec-1' }, candidates: [] } })
    expect(tasks.orders).toEqual([])
    expect(tasks.asked).toEqual([
      { type: 'submit', spec: 1 },
      { type: 'update', id: 'rec-1', spec: 2 },
      { type: 'stop', id: 'rec-1' },
      { type: 'undelete', id: 'rec-1' },
      { type: 'move', id: 'rec-1', to: 'nrt-2' },
    ])
    tasks.why = { ok: false, code: 'refused', message: 'it may not', remedy: 'leave it' }
    expect(await call('POST', 'tasks?dryRun=true', { spec: 1 })).toMatchObject({ status: 403, json: { detail: 'it may not' } })
  })

  it('gives a worker its lines, hears its reports, says for how long, and ends it with its stream', async () => {
    const offer = { selector: 'kind=record', slots: 4, capacity: { gpu: 2 }, running: [{ id: 'old', token: 3 }] }
    const { lines, end } = await follow<WorkLine>('POST', 'work', offer)
    await vi.waitFor(() => expect(lines).toHaveLength(1))
    expect(tasks.offers).toEqual([offer])
    const { worker } = lines[0] as Extract<WorkLine, { type: 'ready' }>
    const task = scriptedTask('a')
    tasks.tell({ type: 'taskGiven', worker: 1, task })
    tasks.tell({ type: 'taskChanged', worker: 1, task: { ...task, token: 9 } })
    await vi.waitFor(() =>
      expect(lines.slice(1)).toEqual([
        { type: 'given', task },
        { type: 'changed', task: { ...task, token: 9 } },
      ]),
    )

    tasks.held.set('a', 9_000)
    tasks.put(scriptedTask('moved', { node: 'nrt-2-a', token: 12 }))
    tasks.put(scriptedTask('mine', { token: 4 }))
    const holding = [
      { id: 'a', token: 7 },
      { id: 'moved', token: 11 },
      { id: 'mine', token: 4 },
      { id: 'unheard-of', token: 1 },
    ]
    const report = { state: 'running', progress: 0.5, conditions: [{ type: 'Ready', status: true, reason: 'it is' }] } as const
    const answer = await call('POST', `work/${worker}/reports`, { reports: [{ id: 'a', token: 7, ...report }], holding })
    expect(answer.status).toBe(200)
    expect((answer.json as WorkAnswer).held).toEqual([
      { id: 'a', token: 7, forMs: 9_000, reason: '' },
      { id: 'moved', token: 11, forMs: 0, reason: expect.stringContaining('nrt-2-a') as string },
    ])
    expect(tasks.reports).toEqual([{ worker: 1, id: 'a', token: 7, report }])

    tasks.tell({ type: 'taskTaken', worker: 1, id: 'a', token: 9, reason: 'the lease is lost' })
    await vi.waitFor(() => expect(lines.at(-1)).toEqual({ type: 'taken', id: 'a', token: 9, reason: 'the lease is lost' }))
    end()
    await vi.waitFor(() => expect(tasks.ended).toEqual([1]))
    expect(await call('POST', `work/${worker}/reports`, { reports: [], holding: [] })).toMatchObject({
      status: 410,
      json: { code: 'gone' },
    })
  })

  it('says nothing of its workers when the node stops: they come back', async () => {
    const { lines } = await follow<WorkLine>('POST', 'work', {})
    await vi.waitFor(() => expect(lines).toHaveLength(1))
    await api.stop()
    expect(tasks.ended).toEqual([])
    api = await LocalApi.start(socketPath, { tasks } as unknown as ApiBackend, exporter, pino({ level: 'silent' }))
  })

  it('knows the view of a task that it lists', async () => {
    tasks.put(scriptedTask('a'))
    expect((await call('GET', 'tasks/a')).json as TaskView).toEqual(scriptedTask('a'))
  })
})
