/** Metrics of whole nodes in this process: what a scraper sees of a hub and an edge node over loopback. */
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createNetwork, issueCredential } from '../authority.ts'
import { type Daemon, startDaemon } from '../daemon.ts'
import { type ParsedFamily, parseExposition } from './parse-exposition.ts'

const WAIT = { timeout: 15_000, interval: 50 }
const LISTEN = 'listen: {tcp: "127.0.0.1:0"}\n'

type Scrape = Map<string, ParsedFamily>

describe('metrics of a node', () => {
  let directory: string
  let running: Set<Daemon>
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'causeway-metrics-'))
    running = new Set()
    createNetwork(join(directory, 'net'), 'test-net')
  })
  afterEach(async () => {
    await Promise.all([...running].map((daemon) => daemon.stop()))
    rmSync(directory, { recursive: true })
  })

  async function start(name: string, role: 'edge' | 'hub', more: string): Promise<Daemon> {
    const out = join(directory, `${name}.cred`)
    issueCredential(join(directory, 'net'), { name, site: name, region: 'lab', role, out })
    const path = join(directory, `${name}.yaml`)
    const common = `role: ${role}\ncredential: ${name}.cred\ndataDir: data-${name}\napi: {socket: ${name}.sock, metrics: "127.0.0.1:0"}\n`
    writeFileSync(path, common + more)
    return await restart(path)
  }

  async function restart(path: string): Promise<Daemon> {
    const daemon = await startDaemon(path, { log: pino({ level: 'silent' }), guardProcess: false })
    running.add(daemon)
    return daemon
  }

  it('tells of links, over the socket and over TCP, and counts on when a link reconnects', async () => {
    const hub = await start('core-1', 'hub', LISTEN)
    const edge = await start('hkg-1', 'edge', `${LISTEN}hubs: ["${hub.addresses.tcp}"]\n`)
    await vi.waitFor(async () => {
      expect(value(await scrape(edge), 'causeway_link_state', 'core-1 up')).toBe(1)
      expect(value(await scrape(edge), 'causeway_node_home_hub', 'core-1')).toBe(1)
      expect(value(await scrape(edge), 'causeway_link_min_rtt_seconds', 'core-1')).toBeGreaterThan(0)
      expect(value(await scrape(hub), 'causeway_link_smoothed_rtt_seconds', 'hkg-1')).toBeGreaterThan(0)
    }, WAIT)

    const before = await scrape(edge)
    expect(value(before, 'causeway_node_info', 'hkg-1 test-net hkg-1 lab edge 0.1.0')).toBe(1)
    expect(value(before, 'causeway_link_epochs_total', 'core-1')).toBe(1)
    expect(value(before, 'causeway_link_min_rtt_seconds', 'core-1')).toBeLessThan(1)
    expect(value(before, 'causeway_link_transitions_total', 'core-1 up')).toBe(1)
    expect(value(before, 'causeway_link_probes_answered_total', 'core-1 control')).toBeGreaterThan(0)
    expect(value(before, 'causeway_link_rtt_seconds', '+Inf core-1 control')).toBeGreaterThan(0)
    expect(value(before, 'causeway_process_resident_memory_bytes', '')).toBeGreaterThan(1e6)
    expect(value(before, 'causeway_event_loop_lag_seconds', '+Inf')).toBeGreaterThan(0)
    expect(value(before, 'causeway_datagrams_dropped_total', 'forged')).toBe(0)

    const tcp = await fetch(`http://${edge.addresses.metrics}/metrics`)
    expect([...parseExposition(await tcp.text()).keys()]).toEqual([...before.keys()])

    running.delete(hub)
    await hub.stop()
    writeFileSync(
      join(directory, 'core-1.yaml'),
      `role: hub\ncredential: core-1.cred\ndataDir: data-core-1\nlisten: {tcp: "${hub.addresses.tcp}"}\n`,
    )
    await restart(join(directory, 'core-1.yaml'))
    await vi.waitFor(async () => expect(value(await scrape(edge), 'causeway_link_epochs_total', 'core-1')).toBe(2), WAIT)
    const after = await scrape(edge)
    for (const [key, count] of counters(before)) expect(counters(after).get(key), key).toBeGreaterThanOrEqual(count)
  }, 30_000)

  it('does not start a node whose metrics cannot be served', async () => {
    const first = await start('hkg-1', 'edge', LISTEN)
    const path = join(directory, 'hkg-2.yaml')
    issueCredential(join(directory, 'net'), {
      name: 'hkg-2',
      site: 'hkg-2',
      region: 'lab',
      role: 'edge',
      out: join(directory, 'hkg-2.cred'),
    })
    writeFileSync(
      path,
      `role: edge\ncredential: hkg-2.cred\ndataDir: data-2\napi: {socket: 2.sock, metrics: "${first.addresses.metrics}"}\n${LISTEN}`,
    )
    await expect(restart(path)).rejects.toMatchObject({ code: 'port-in-use', remedy: expect.stringContaining('api.metrics') })
  })
})

async function scrape(daemon: Daemon): Promise<Scrape> {
  const sent = request({ socketPath: daemon.apiSocket, path: '/metrics', agent: false })
  sent.end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return parseExposition(text)
}

/** The sample whose label values are these, in the order in which they are written. */
function value(families: Scrape, name: string, labels: string): number | undefined {
  return families.get(name)?.samples.find((sample) => Object.values(sample.labels).join(' ') === labels)?.value
}

/** All samples that may only grow, by name and labels. */
function counters(families: Scrape): Map<string, number> {
  const growing = [...families.values()].filter(({ type }) => type !== 'gauge')
  return new Map(
    growing.flatMap(({ samples }) => samples.map(({ name, labels, value }) => [`${name} ${JSON.stringify(labels)}`, value] as const)),
  )
}
