/** Vitals from end to end: a hub and a site of two real daemons over loopback, seen through their local APIs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { NodeView, NodesView, SitesView } from '@causeway/protocol'
import { createNetwork, issueCredential } from '../authority.ts'
import { type Daemon, startDaemon } from '../daemon.ts'

const WAIT = { timeout: 15_000, interval: 50 }

let directory: string
const running: Daemon[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'causeway-fleet-'))
  createNetwork(join(directory, 'net'), 'test-net')
})

afterEach(async () => {
  await Promise.all(running.splice(0).map((daemon) => daemon.stop()))
  rmSync(directory, { recursive: true })
})

async function start(name: string, role: 'edge' | 'hub', site: string, more = ''): Promise<Daemon> {
  issueCredential(join(directory, 'net'), { name, site, region: 'lab', role, out: join(directory, `${name}.cred`) })
  const path = join(directory, `${name}.yaml`)
  const common = `role: ${role}\ncredential: ${name}.cred\ndataDir: data-${name}\napi: {socket: ${name}.sock}\nlisten: {tcp: "127.0.0.1:0"}\n`
  writeFileSync(path, `${common}vitals: {system: ${role === 'hub'}}\n${more}`)
  const options = { log: pino({ level: 'silent' }), guardProcess: false }
  const daemon = await startDaemon(path, {
    ...options,
    onFatal: (_code, error) => {
      throw error
    },
  })
  running.push(daemon)
  return daemon
}

function ask(daemon: Daemon, method: string, path: string, body?: unknown): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: daemon.apiSocket, method, path, agent: false }, (response) => {
      text(response).then((answer) => resolve({ status: response.statusCode ?? 0, text: answer }), reject)
    })
    call.on('error', reject)
    call.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

async function nodes(daemon: Daemon): Promise<Record<string, NodeView>> {
  const { items } = JSON.parse((await ask(daemon, 'GET', '/v1/nodes')).text) as NodesView
  return Object.fromEntries(items.map((item) => [item.node, item]))
}

test('what an application tells on a member shows at the hub; who stops falls silent', { timeout: 60_000 }, async () => {
  const hub = await start('core-1', 'hub', 'core')
  const first = await start('hkg-1-a', 'edge', 'hkg-1', `hubs: ["${hub.addresses.tcp}"]\n`)
  const second = await start('hkg-1-b', 'edge', 'hkg-1', `peers: ["${first.addresses.tcp}"]\n`)
  expect((await ask(second, 'PUT', '/v1/vitals', { players: 12 })).status).toBe(204)
  await vi.waitFor(async () => {
    expect((await nodes(hub))['hkg-1-b']).toMatchObject({ site: 'hkg-1', verdict: 'alive', vitals: { players: 12 } })
    expect((await nodes(hub))['core-1']?.vitals).toHaveProperty('mem')
  }, WAIT)
  // Everything stands: from here on it takes two seconds at most, with room for a busy machine.
  expect((await ask(second, 'PUT', '/v1/vitals', { players: 13 })).status).toBe(204)
  await vi.waitFor(async () => expect((await nodes(hub))['hkg-1-b']?.vitals).toEqual({ players: 13 }), WAIT)
  const sites = JSON.parse((await ask(hub, 'GET', '/v1/sites')).text) as SitesView
  expect(sites.items.find(({ site }) => site === 'hkg-1')).toMatchObject({ nodes: { total: 2, alive: 2 } })
  // A site sees itself whole.
  await vi.waitFor(async () => expect((await nodes(second))['hkg-1-a']?.verdict).toBe('alive'), WAIT)
  expect((await ask(hub, 'GET', '/metrics')).text).toMatch(/causeway_vitals_nodes\{heard="fresh"\} 3/)

  await running.pop()?.stop()
  await vi.waitFor(
    async () =>
      expect((await nodes(hub))['hkg-1-b']).toMatchObject({
        verdict: 'unknown',
        evidence: [{ by: 'hkg-1-a', saw: expect.stringContaining('it said that it would stop') as string }],
      }),
    {
      ...WAIT,
      timeout: 25_000,
    },
  )
  expect((await nodes(hub))['hkg-1-b']?.vitals).toEqual({ players: 13 })
})
