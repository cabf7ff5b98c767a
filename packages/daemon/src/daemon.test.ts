/** Whole nodes in this process: a hub and two sites over loopback, seen through their local APIs. */
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { RecordView, StatusView } from '@causeway/protocol'
import { createNetwork, issueCredential } from './authority.ts'
import { type Daemon, startDaemon } from './daemon.ts'

const WAIT = { timeout: 15_000, interval: 20 }

describe('startDaemon', () => {
  let directory: string
  let running: Set<Daemon>
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'causeway-daemon-'))
    running = new Set()
    createNetwork(join(directory, 'net'), 'test-net')
  })
  afterEach(async () => {
    await Promise.all([...running].map((daemon) => daemon.stop()))
    rmSync(directory, { recursive: true })
  })

  /** Writes credential and config of a node that stands in a site of its own name. */
  function prepare(name: string, role: 'edge' | 'hub', more: string): string {
    issueCredential(join(directory, 'net'), { name, site: name, region: 'lab', role, out: join(directory, `${name}.cred`) })
    const path = join(directory, `${name}.yaml`)
    const common = `role: ${role}\ncredential: ${name}.cred\ndataDir: data-${name}\napi: {socket: ${name}.sock}\n`
    writeFileSync(path, `${common}state: {interest: ["tasks/**"]}\n${more}`)
    return path
  }

  async function start(path: string): Promise<Daemon> {
    const daemon = await startDaemon(path, {
      log: pino({ level: 'silent' }),
      guardProcess: false,
      onFatal: (_exitCode, error) => {
        throw error
      },
    })
    running.add(daemon)
    return daemon
  }

  async function stop(daemon: Daemon): Promise<void> {
    running.delete(daemon)
    await daemon.stop()
  }

  const LISTEN = 'listen: {tcp: "127.0.0.1:0"}\n'

  it('starts, replicates through a hub, survives restarts, and leaves nothing behind', async () => {
    const hub = await start(prepare('core-1', 'hub', LISTEN))
    const hubs = `${LISTEN}hubs: ["${hub.addresses.tcp}"]\n`
    const hkg = await start(prepare('hkg-1', 'edge', hubs))
    const nrtPath = prepare('nrt-1', 'edge', hubs)
    const nrt = await start(nrtPath)
    expect(hkg.addresses.udp).toBe(hkg.addresses.tcp)
    for (const edge of [hkg, nrt]) {
      await vi.waitFor(async () => expect((await get<StatusView>(edge, '/v1/status')).uplinks[0]?.state).toBe('up'), WAIT)
    }
    await call(hkg, 'PUT', '/v1/kv/tasks/rec-1', { seconds: 1 })
    const seen = async (): Promise<unknown> => (await get<RecordView>(nrt, '/v1/kv/tasks/rec-1?partition=hkg-1')).value
    await vi.waitFor(async () => expect(await seen()).toEqual({ seconds: 1 }), WAIT)
    expect((await get<{ items: RecordView[] }>(nrt, '/v1/kv/tasks')).items).toHaveLength(1)

    await stop(hub)
    await stop(nrt)
    expect(existsSync(nrt.apiSocket)).toBe(false)
    const again = await start(nrtPath)
    expect(await get<RecordView>(again, '/v1/kv/tasks/rec-1?partition=hkg-1')).toMatchObject({ value: { seconds: 1 }, writer: 'hkg-1' })
  })

  it('keeps a hub drained over a restart, and its neighbours know, until it is taken back', async () => {
    const path = prepare('core-1', 'hub', LISTEN)
    const drains = async (hub: Daemon): Promise<unknown> => (await get<StatusView>(hub, '/v1/status')).relay?.draining
    const first = await start(path)
    await call(first, 'POST', '/v1/drain')
    await stop(first)
    const second = await start(path)
    expect(await drains(second)).toBe(true)
    const edge = await start(prepare('hkg-1', 'edge', `${LISTEN}hubs: ["${second.addresses.tcp}"]\n`))
    const uplink = async (): Promise<unknown> => (await get<StatusView>(edge, '/v1/status')).uplinks[0]
    await vi.waitFor(async () => expect(await uplink()).toMatchObject({ hub: 'core-1', draining: true }), WAIT)
    await call(second, 'DELETE', '/v1/drain')
    await stop(second)
    expect(await drains(await start(path))).toBe(false)
  })

  it('undoes what it started when a later step fails', async () => {
    const first = await start(prepare('hkg-1', 'edge', LISTEN))
    const path = prepare('nrt-1', 'edge', `listen: {tcp: "${first.addresses.tcp}"}\n`)
    await expect(start(path)).rejects.toMatchObject({ code: 'port-in-use' })
    await stop(first)
    // Neither the store nor the socket is still held.
    await start(path)
  })

  it('refuses to run one node twice', async () => {
    const path = prepare('hkg-1', 'edge', LISTEN)
    await start(path)
    await expect(start(path)).rejects.toMatchObject({ code: 'store-locked' })
  })
})

async function get<View>(daemon: Daemon, path: string): Promise<View> {
  return (await call(daemon, 'GET', path)) as View
}

async function call(daemon: Daemon, method: string, path: string, body?: unknown): Promise<unknown> {
  // A connection of its own: one that is kept alive may be of the process before the restart.
  const sent = request({ socketPath: daemon.apiSocket, method, path, agent: false })
  sent.end(body === undefined ? undefined : JSON.stringify(body))
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return JSON.parse(text)
}
