import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { TaskView } from '@causeway/protocol'

const MAIN = fileURLToPath(new URL('../../main.ts', import.meta.url))

const TASK: TaskView = {
  ...{ id: 'rec-42', site: 'hkg-1', phase: 'allocated', reason: 'as near as there is room', node: 'hkg-1-a', token: 77, policy: 'sticky' },
  ...{ convergeKey: 'c7', spec: { channel: 'c7' }, labels: { kind: 'record' }, generation: 2, observedGeneration: 1, running: true },
  ...{ progress: 0.25, status: { bytes: 7 }, createdAt: 0, updatedAt: 0 },
  conditions: [{ type: 'Recording', status: true, reason: 'since now', at: 0 }],
}
const WAITING: TaskView = { ...TASK, id: 'rec-43', phase: 'initialised', node: null, token: 0, running: false, reason: 'no node has gpu=1' }
const WHY = {
  task: WAITING,
  candidates: [
    { node: 'nrt-2-a', site: 'nrt-2', costMs: 31.4, load: 0.5, chosen: true, rejected: '' },
    { node: 'hkg-1-a', site: 'hkg-1', costMs: 0, load: null, chosen: false, rejected: 'gpu: 1 is wanted, 0 are free' },
  ],
}

let directory: string
let server: Server
let seen: string[]

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'cw-task-'))
  server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
    request.on('end', () => {
      const asked = `${request.method} ${request.url}`
      seen.push(`${asked} ${body}`.trim())
      const answers: Record<string, unknown> = {
        'POST /v1/tasks': { ...TASK, created: true },
        'GET /v1/tasks': { items: [TASK, WAITING], token: 't', complete: true, cutOff: true },
        'GET /v1/tasks/rec-42': TASK,
        'GET /v1/tasks/rec-43/why': WHY,
        'PATCH /v1/tasks/rec-42': TASK,
        'DELETE /v1/tasks/rec-42': { ...TASK, phase: 'tombstone' },
        'POST /v1/tasks/rec-42/undelete': TASK,
        'POST /v1/tasks/rec-42/move': TASK,
        'POST /v1/tasks?dryRun=true': WHY,
        'PATCH /v1/tasks/rec-42?dryRun=true': WHY,
        'DELETE /v1/tasks/rec-42?dryRun=true': WHY,
        'POST /v1/tasks/rec-42/move?dryRun=true': WHY,
      }
      if (asked === 'GET /v1/tasks?watch=true') {
        const lines = [
          { type: 'ADDED', task: TASK },
          { type: 'BOOKMARK', complete: true, token: 'j.1' },
          { type: 'DELETED', task: TASK },
        ]
        response.end(`${lines.map((line) => JSON.stringify(line)).join('\n')}\n`)
      } else if (answers[asked]) {
        response.end(JSON.stringify(answers[asked]))
      } else {
        response.writeHead(409).end(JSON.stringify({ code: 'conflict', status: 409, detail: 'it is allocated', remedy: 'stop it first' }))
      }
    })
  })
  await new Promise<void>((done) => server.listen(join(directory, 'api.sock'), done))
})
beforeEach(() => {
  seen = []
})
afterAll(async () => {
  await new Promise((done) => server.close(done))
  rmSync(directory, { recursive: true })
})

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function task(...args: readonly string[]): Promise<Outcome> {
  const env = { ...process.env, NO_COLOR: '1', CAUSEWAY_API: join(directory, 'api.sock'), CAUSEWAY_DEBUG: '' }
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [MAIN, 'task', ...args], { env, cwd: directory }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr })
    })
    child.stdin?.end('{"from": "stdin"}')
  })
}

test('submit says all that was asked for, once, and where the task went', async () => {
  const all = [
    '--labels',
    'kind=record,tier=gold',
    '--near',
    'hkg-1',
    '--needs',
    'gpu=1',
    '--policy',
    'at-most-one',
    '--converge-key',
    'c7',
  ]
  expect(await task('submit', '{"channel": "c7"}', ...all)).toEqual({
    code: 0,
    stdout: 'rec-42 submitted: allocated to hkg-1-a at hkg-1 (token 77)\n',
    stderr: '',
  })
  await task('submit', '-', '--site', 'hkg-1', '--nodes', 'disk=nvme', '--id', 'rec-42')
  await task('submit')
  const bodies = seen.map((line) => JSON.parse(line.replace('POST /v1/tasks ', '')) as unknown)
  expect(bodies).toEqual([
    {
      ...{ spec: { channel: 'c7' }, labels: { kind: 'record', tier: 'gold' }, near: 'hkg-1', needs: { gpu: 1 } },
      ...{ policy: 'at-most-one', convergeKey: 'c7' },
    },
    { spec: { from: 'stdin' }, site: 'hkg-1', nodes: 'disk=nvme', id: 'rec-42' },
    { spec: {} },
  ])
})

test('reads are tables for people, and the shapes of the API for programs', async () => {
  const list = await task('list')
  expect(list.stdout).toMatch(/^ID +SITE +PHASE +NODE +WORK +DONE +AGE +LABELS +REASON\n/)
  expect(list.stdout).toMatch(/rec-42 +hkg-1 +allocated +hkg-1-a +running +25% +\S+ +kind=record +as near/)
  expect(list.stdout).toMatch(/rec-43 +hkg-1 +initialised +- +- /)
  expect(list.stderr).toContain('cut off')
  expect((JSON.parse((await task('list', '-o', 'json')).stdout) as { items: TaskView[] }).items).toEqual([TASK, WAITING])
  const get = await task('get', 'rec-42')
  expect(get.stdout).toMatch(/spec +{"channel":"c7"} \(generation 2, the worker has 1\)/)
  expect(get.stdout).toMatch(/Recording +true/)
  expect(JSON.parse((await task('get', 'rec-42', '-o', 'json')).stdout)).toEqual(TASK)
  const why = await task('why', 'rec-43')
  expect(why.stdout).toMatch(/^rec-43: initialised at hkg-1: no node has gpu=1\n/)
  expect(why.stdout).toMatch(/nrt-2-a +nrt-2 +31\.4 +0\.50 +chosen/)
  expect(why.stdout).toMatch(/hkg-1-a +hkg-1 +0\.00 +- +gpu: 1 is wanted/)
  const watch = await task('watch', '--no-resume')
  expect(watch.stdout.split('\n').slice(0, 3)).toEqual([
    'ADDED     hkg-1  rec-42  allocated  hkg-1-a  running  25%  as near as there is room',
    '-- all of it so far',
    'DELETED   hkg-1  rec-42  allocated  hkg-1-a  running  25%  as near as there is room',
  ])
})

test('orders go out as they are meant; a refusal is one line and exit 1', async () => {
  expect((await task('update', 'rec-42', '{"n": 2}', '--labels', 'a=b', '--generation', '1')).stdout).toBe('rec-42 updated: generation 2\n')
  expect((await task('stop', 'rec-42')).stdout).toContain('tombstone')
  expect((await task('undelete', 'rec-42')).code).toBe(0)
  expect((await task('move', 'rec-42', '--to', 'nrt-2', '--force')).code).toBe(0)
  expect(seen).toEqual([
    'PATCH /v1/tasks/rec-42 {"spec":{"n":2},"labels":{"a":"b"},"generation":1}',
    'DELETE /v1/tasks/rec-42',
    'POST /v1/tasks/rec-42/undelete',
    'POST /v1/tasks/rec-42/move {"to":"nrt-2","force":true}',
  ])
  expect(await task('stop', 'other')).toEqual({ code: 1, stdout: '', stderr: 'causeway: it is allocated. Stop it first.\n' })
})

test('an order is tried without being given', async () => {
  const tried = await task('submit', '{"n": 1}', '--near', 'hkg-1', '--dry-run')
  expect(tried.stdout).toMatch(/^nothing is done \(--dry-run\)\. rec-43: initialised at hkg-1: no node has gpu=1\n/)
  expect(tried.stdout).toMatch(/nrt-2-a +nrt-2 +31\.4 +0\.50 +chosen/)
  expect(JSON.parse((await task('move', 'rec-42', '--to', 'nrt-2', '--dry-run', '-o', 'json')).stdout)).toEqual(WHY)
  await task('update', 'rec-42', '{"n": 2}', '--dry-run')
  await task('stop', 'rec-42', '--dry-run')
  expect(seen).toEqual([
    'POST /v1/tasks?dryRun=true {"spec":{"n":1},"near":"hkg-1"}',
    'POST /v1/tasks/rec-42/move?dryRun=true {"to":"nrt-2"}',
    'PATCH /v1/tasks/rec-42?dryRun=true {"spec":{"n":2}}',
    'DELETE /v1/tasks/rec-42?dryRun=true',
  ])
})

test.each([
  [['submit', '{"a"'], 'the value is not JSON'],
  [['submit', '--needs', 'gpu=lots'], 'not of the form name=number'],
  [['submit', '--policy', 'twice'], 'Allowed choices are at-most-one, sticky, at-least-one'],
  [['list', '--phase', 'lost'], 'Allowed choices are pending'],
  [['work'], "missing required argument 'command'"],
])('wrong usage is exit 2: %j', async (args, message) => {
  const { code, stdout, stderr } = await task(...args)
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain(message)
})
