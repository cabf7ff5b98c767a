/**
 * The local API of a real node, by its own document: every operation is asked for over the Unix socket, and answers what is
 * documented; and whatever breaks the document is refused with a problem document, ten thousand times.
 */
import { readFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { Validator } from '@seriousme/openapi-schema-validator'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { StatusView } from '@causeway/protocol'
import { type BrokenRequest, brokenRequests, rawBytes } from './api/broken-requests.ts'
import { OpenDocument } from './api/open-document.ts'
import { type SocketAnswer, ask } from './api/socket-request.ts'
import { STORY } from './api/story.ts'
import { Deployment } from './deployment.ts'
import { eventually } from './eventually.ts'

const LEASES = 'leases: {engine: embedded, hub: core-1}\n'
const lab = new Deployment()
const socket = (name: string): string => lab.path(`${name}.sock`)
let document: OpenDocument
let json: Record<string, unknown>

beforeAll(async () => {
  await lab.prepare('mynet', [
    { name: 'core-1', role: 'hub', site: 'core' },
    { name: 'hkg-1-a', role: 'edge', site: 'hkg-1', hubs: ['core-1'], write: ['config/**'] },
  ])
  for (const name of ['core-1', 'hkg-1-a']) {
    const config = readFileSync(lab.path(`${name}.yaml`), 'utf8')
    lab.write(`${name}.yaml`, `${config}${LEASES}services: [{name: word, tcp: "127.0.0.1:9"}]\n`)
    await lab.start(name)
  }
  await eventually('hkg-1-a has its hub', async () => (await lab.ask<StatusView>('hkg-1-a', 'status')).replica.sessions.includes('core-1'))
  json = JSON.parse((await ask(socket('hkg-1-a'), { method: 'GET', path: '/openapi.json' })).text) as Record<string, unknown>
  document = new OpenDocument(json)
})

afterAll(() => lab.close())

function valueOf({ type, text: body }: SocketAnswer): unknown {
  if (type === 'text/plain' || body === '') return body
  return JSON.parse(type === 'application/x-ndjson' ? (body.split('\n')[0] ?? '') : body)
}

test('the document is OpenAPI 3.1', async () => {
  const { valid, errors } = await new Validator().validate(structuredClone(json))
  expect(errors ?? []).toEqual([])
  expect(valid).toBe(true)
})

test('every operation answers as documented', async () => {
  const told = new Map<string, unknown>()
  const seen = new Set<string>()
  const worker = connect(socket('hkg-1-a'))
  worker.write('POST /v1/work HTTP/1.1\r\nContent-Length: 24\r\n\r\n{"selector":"kind=none"}')
  onTestFinished(() => void worker.destroy())
  for (const { id, at = 'hkg-1-a', fill = {}, query = '', headers, body, status = 200 } of STORY) {
    const operation = document.operations.find((each) => each.id === id)
    if (!operation) throw new Error(`${id} is not in the document`)
    const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(fill[name]?.(told) ?? name))
    const sent: unknown = typeof body === 'function' ? body(told) : body
    const json = sent === undefined ? undefined : JSON.stringify(sent)
    const asked = { method: operation.method, path: path + query, headers: { 'content-type': 'application/json', ...headers }, body: json }
    const answer = await eventually(`${id} is answered`, async () => {
      const got = await ask(socket(at), asked)
      if (![status].flat().includes(got.status)) throw new Error(`${id}: ${got.status} ${got.text}`)
      return got
    })
    const value = valueOf(answer)
    expect(document.answerFault(operation, answer.status, answer.type, value)).toBeUndefined()
    if (answer.status < 400) told.set(id, value)
    seen.add(id)
  }
  expect(document.operations.map(({ id }) => id).filter((id) => !seen.has(id))).toEqual([])
})

test('a method that a path does not take is 405, with those that it takes', async () => {
  const answer = await ask(socket('hkg-1-a'), { method: 'DELETE', path: '/v1/status' })
  expect(answer).toMatchObject({ status: 405, type: 'application/problem+json', headers: { allow: 'GET, HEAD' } })
  expect(await ask(socket('hkg-1-a'), { method: 'HEAD', path: '/v1/status' })).toMatchObject({ status: 200, text: '' })
})

describe('what breaks the document', () => {
  const seed = Number(process.env['SEED'] ?? 1)
  const REQUESTS = 9_000
  const RAW = 1_000
  const AT_ONCE = 8
  const RESIDENT_KB_MAX = 450 * 1024

  const isProblem = ({ status, type, text: body }: SocketAnswer, method: string): boolean =>
    status >= 400 && status < 500 && (method === 'HEAD' || (type === 'application/problem+json' && JSON.parse(body).status === status))

  async function each<Item>(items: readonly Item[], act: (item: Item) => Promise<void>): Promise<void> {
    const left = items.values()
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (const item of left) await act(item)
      }),
    )
  }

  test(`is refused: ${REQUESTS} requests, ${RAW} times bytes that are none`, async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })
    const wrong: unknown[] = []
    // Making them takes seconds on a busy machine, in which a connection would wait for its first byte and be closed.
    const requests = fc.sample(brokenRequests(document), { numRuns: REQUESTS, seed })
    const unfinished = connect(socket('hkg-1-a'))
    unfinished.write('PUT /v1/kv/config/a HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"a": ')
    await each(requests, async (request: BrokenRequest) => {
      try {
        const answer = await ask(socket('hkg-1-a'), { ...request, agent })
        if (!isProblem(answer, request.method)) wrong.push({ request, answer })
      } catch (error) {
        wrong.push({ request, error: String(error) })
      }
    })
    agent.destroy()
    await each(fc.sample(rawBytes, { numRuns: RAW, seed }), async (bytes) => {
      const client = connect(socket('hkg-1-a'))
      client.on('error', () => undefined)
      client.end(bytes)
      const answer = await text(client).catch(() => '')
      if (answer.startsWith('HTTP/1.1 5')) wrong.push({ bytes: Buffer.from(bytes).toString('latin1'), answer })
    })
    expect(await text(unfinished), 'a body that never ends').toMatch(/^HTTP\/1\.1 408 [^]*"code":"usage"/)
    expect(wrong.slice(0, 3), `seed ${seed}, ${wrong.length} in all`).toEqual([])
    const resident = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${lab.pid('hkg-1-a')}/status`, 'utf8'))?.[1]
    expect(Number(resident)).toBeLessThan(RESIDENT_KB_MAX)
    expect(lab.log('hkg-1-a')).not.toMatch(/"level":(?:50|60)/)
    expect(await lab.ask('hkg-1-a', 'status')).toMatchObject({ node: 'hkg-1-a', cutOff: false })
  })
})
