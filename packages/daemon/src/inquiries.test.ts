/** Real nodes over loopback: two hubs, three sites, and what they tell of the ways between them. */
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import type { StatusView, TraceView, WhyView } from '@causeway/protocol'
import { createNetwork, issueCredential } from './authority.ts'
import { type Daemon, startDaemon } from './daemon.ts'

const WAIT = { timeout: 15_000, interval: 50 }
const directory = mkdtempSync(join(tmpdir(), 'causeway-inquiries-'))
const running: Daemon[] = []
const at = new Map<string, Daemon>()

async function start(name: string, role: 'edge' | 'hub', hubs: readonly string[]): Promise<string> {
  issueCredential(join(directory, 'net'), { name, site: name, region: 'lab', role, out: join(directory, `${name}.cred`) })
  const path = join(directory, `${name}.yaml`)
  const listen = { tcp: '127.0.0.1:0' }
  const config = { role, credential: `${name}.cred`, dataDir: `data-${name}`, api: { socket: `${name}.sock` }, listen, hubs }
  writeFileSync(path, JSON.stringify(config))
  const daemon = await startDaemon(path, { log: pino({ level: 'silent' }), guardProcess: false })
  running.push(daemon)
  at.set(name, daemon)
  return daemon.addresses.tcp
}

async function call(name: string, path: string, method = 'GET'): Promise<{ status: number; body: unknown }> {
  const socketPath = at.get(name)?.apiSocket ?? ''
  const sent = request({ socketPath, path, method, agent: false })
  sent.end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return { status: response.statusCode ?? 0, body: JSON.parse(text) }
}

beforeAll(async () => {
  createNetwork(join(directory, 'net'), 'test-net')
  const first = await start('core-1', 'hub', [])
  const second = await start('core-2', 'hub', [first])
  for (const edge of ['hkg-1', 'nrt-1', 'sin-1']) await start(edge, 'edge', [first, second])
  await vi.waitFor(async () => {
    const { body } = (await call('core-1', '/v1/why/hkg-1/nrt-1')) as { body: WhyView }
    if (body.candidates.filter(({ planned }) => planned).length < 2) throw new Error('not both hubs see both sites yet')
  }, WAIT)
})

afterAll(async () => {
  await Promise.all(running.map((daemon) => daemon.stop()))
  rmSync(directory, { recursive: true })
})

it('explains from anywhere the way between any two, with what the source makes of it', async () => {
  for (const asked of ['hkg-1', 'nrt-1', 'sin-1', 'core-2']) {
    // Right after the start the way in use may be of a plan that was made before all links were up.
    await vi.waitFor(async () => {
      const { status, body } = (await call(asked, '/v1/why/hkg-1/nrt-1')) as { status: number; body: WhyView }
      expect(status).toBe(200)
      expect(body).toMatchObject({ from: 'hkg-1', to: 'nrt-1', hub: expect.stringMatching(/^core-/) as string })
      const used = body.use?.paths.find(({ active }) => active)?.hops
      expect(body.candidates.map(({ hops }) => hops)).toContainEqual(used)
      for (const { hops, steps } of body.candidates) expect(steps.map(({ from }) => from)).toEqual(['hkg-1', ...hops.slice(0, -1)])
    }, WAIT)
  }
})

it('says so if there is no such node', async () => {
  const { body } = (await call('hkg-1', '/v1/why/hkg-1/nowhere')) as { status: number; body: WhyView }
  expect(body.candidates).toEqual([])
  expect(await call('hkg-1', '/v1/why/hkg-1/No!')).toMatchObject({ status: 400 })
  expect(await call('hkg-1', '/v1/trace/nowhere')).toMatchObject({ status: 502, body: { code: 'unreachable' } })
  expect(await call('hkg-1', '/v1/trace/hkg-1')).toMatchObject({ body: { code: 'refused' } })
})

it('traces the path in use, hop by hop, as the nodes on it measure', async () => {
  await vi.waitFor(async () => {
    const { body } = (await call('hkg-1', '/v1/trace/nrt-1')) as { status: number; body: TraceView }
    expect(body.unknown).toEqual([])
    expect(body.hops.length).toBeGreaterThanOrEqual(2)
    expect([body.hops[0]?.from, body.hops.at(-1)?.to]).toEqual(['hkg-1', 'nrt-1'])
    for (const [index, hop] of body.hops.entries()) if (index > 0) expect(hop.from).toBe(body.hops[index - 1]?.to)
    for (const { lossRatio } of body.hops) expect(lossRatio.forward).toBeTypeOf('number')
    expect(body.rttMs).toBeGreaterThan(0)
  }, WAIT)
})

it('drains a hub, not an edge node', async () => {
  expect(await call('hkg-1', '/v1/drain', 'POST')).toMatchObject({ status: 403, body: { code: 'refused' } })
  expect(await call('core-1', '/v1/drain', 'POST')).toMatchObject({ status: 200, body: { relay: { draining: true } } })
  await vi.waitFor(async () => {
    const { body } = (await call('hkg-1', '/v1/why/hkg-1/nrt-1')) as { status: number; body: WhyView }
    expect(body.use?.paths.find(({ active }) => active)?.hops).toEqual(['core-2', 'nrt-1'])
    expect(body.excluded).toEqual([{ hub: 'core-1', reason: 'drains' }])
    expect(body.candidates.find(({ hops }) => hops[0] === 'core-1')).toMatchObject({ planned: false, reason: 'core-1 drains' })
    const { uplinks } = ((await call('hkg-1', '/v1/status')) as { body: StatusView }).body
    expect(uplinks).toMatchObject([
      { hub: 'core-1', draining: true, home: false },
      { hub: 'core-2', home: true },
    ])
  }, WAIT)
  expect(await call('core-1', '/v1/drain', 'DELETE')).toMatchObject({ status: 200, body: { relay: { draining: false } } })
})

it('waits for its first hub when it is asked as soon as it runs', async () => {
  const hubs = ['core-1', 'core-2'].map((name) => at.get(name)?.addresses.tcp ?? '')
  await start('tpe-1', 'edge', hubs)
  expect(await call('tpe-1', '/v1/services/hkg-1')).toEqual({ status: 200, body: { items: [] } })
})
