/** The life of a node as a process: signals, how long things take at most, and what the others notice. */
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { EventView, ForwardView, StatusView } from '@causeway/protocol'
import { findLoopbackPorts } from '../../packages/cli/src/demo/loopback-port.ts'
import { spawnCauseway } from './command-line.ts'
import { Deployment, type NodeSpec } from './deployment.ts'
import { eventually } from './eventually.ts'

const HUBS = ['core-1', 'core-2'] as const
const EDGE = { role: 'edge', hubs: HUBS, write: ['config/**'] } as const
const NODES: readonly NodeSpec[] = [
  { name: 'core-1', role: 'hub', site: 'core-1', hubs: ['core-2'] },
  { name: 'core-2', role: 'hub', site: 'core-2', hubs: ['core-1'] },
  { ...EDGE, name: 'hkg-1-a', site: 'hkg-1' },
  { ...EDGE, name: 'nrt-1-a', site: 'nrt-1' },
]
/** What a hub takes to move others off, to tell them that it goes, and to close; and then some, for a machine that is busy. */
const STOP_MS_MAX = 10_000

const lab = new Deployment()

beforeAll(async () => {
  await lab.prepare('mynet', NODES)
  await Promise.all(NODES.map(({ name }) => lab.start(name)))
  for (const name of ['hkg-1-a', 'nrt-1-a']) {
    await eventually(`${name} has both hubs`, async () => {
      const { uplinks } = await lab.ask<StatusView>(name, 'status')
      return uplinks.filter(({ state }) => state === 'up').length === 2
    })
  }
})

afterAll(() => lab.close())

async function events(node: string, name: string): Promise<EventView['data'][]> {
  const lines = (await lab.at(node, 'events', '-o', 'ndjson')).trim().split('\n')
  return lines.map((line) => JSON.parse(line) as EventView).flatMap((event) => (event.name === name ? [event.data] : []))
}

test('SIGHUP reads the config again: forwards change at once, what takes a restart is named, what is wrong changes nothing', async () => {
  const good = readFileSync(lab.path('hkg-1-a.yaml'), 'utf8')
  const hangUp = async (config: string, event: string): Promise<EventView['data']> => {
    const before = (await events('hkg-1-a', event)).length
    lab.write('hkg-1-a.yaml', config)
    process.kill(lab.pid('hkg-1-a'), 'SIGHUP')
    return eventually(event, async () => (await events('hkg-1-a', event))[before])
  }
  const forwards = async (): Promise<string[]> => {
    const { items } = await lab.ask<{ readonly items: readonly ForwardView[] }>('hkg-1-a', 'forward', 'list')
    return items.map(({ to }) => to ?? '')
  }
  const FORWARD = 'forwards: [{listen: "127.0.0.1:0", to: word@nrt-1}]\n'
  expect(await hangUp(`${good}${FORWARD}uplinks: 2\n`, 'config-reloaded')).toMatchObject({
    changes: expect.stringContaining('word@nrt-1 added'),
    needRestart: 'uplinks',
  })
  expect(await forwards()).toEqual(['word@nrt-1'])
  expect(await hangUp(`${good}${FORWARD}uplinks: many\n`, 'config-refused')).toMatchObject({
    reason: expect.stringContaining('uplinks: expected number'),
  })
  expect(await forwards()).toEqual(['word@nrt-1'])
  await hangUp(good, 'config-reloaded')
  expect(await forwards()).toEqual([])
})

test('a hub that is told to stop moves others off first: no message through it is lost or late, and it is gone in time', async () => {
  const ping = spawnCauseway(['ping', 'nrt-1-a', '-c', '150', '-i', '0.02', '-o', 'json', '--api', 'hkg-1-a.sock'], { cwd: lab.directory })
  onTestFinished(() => void ping.kill('SIGKILL'))
  const report = text(ping.stdout)
  const passes = async (): Promise<string | undefined> => {
    for (const hub of HUBS) if (((await lab.ask<StatusView>(hub, 'status')).relay?.framesPerSecond ?? 0) > 0) return hub
    return undefined
  }
  const hub = await eventually('a hub relays', passes)
  const began = performance.now()
  expect(await lab.end(hub, 'SIGTERM')).toBe(0)
  expect(performance.now() - began).toBeLessThan(STOP_MS_MAX)
  expect(JSON.parse(await report)).toMatchObject({ sent: 150, received: 150, duplicated: 0, reordered: 0 })
  expect(await events('hkg-1-a', 'hub-drains')).toContainEqual({ hub })
  expect(lab.log('hkg-1-a')).toContain('the node stops')
  await lab.start(hub)
  expect(await lab.ask<StatusView>(hub, 'status')).toMatchObject({ relay: { draining: false } })
})

test('a node that is restarted does not touch the connections of others', async () => {
  const server = createServer((socket) => void socket.pipe(socket)).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const word = `services: [{name: word, tcp: "127.0.0.1:${(server.address() as AddressInfo).port}"}]\n`
  lab.write('nrt-1-a.yaml', readFileSync(lab.path('nrt-1-a.yaml'), 'utf8') + word)
  process.kill(lab.pid('nrt-1-a'), 'SIGHUP')
  const { listen } = await lab.ask<ForwardView>('hkg-1-a', 'forward', '0', 'word@nrt-1/nrt-1-a', '--keep')
  const client = await eventually('the service answers', async () => {
    const socket = connect(Number(listen.split(':')[1]), '127.0.0.1')
    socket.on('error', () => undefined).write('hello')
    const [first] = (await Promise.race([once(socket, 'data'), once(socket, 'close')])) as [unknown]
    return Buffer.isBuffer(first) && socket
  })
  onTestFinished(() => void client.destroy())
  for (const hub of HUBS) {
    await lab.end(hub, 'SIGTERM')
    client.write(hub)
    const [echo] = (await once(client, 'data')) as [Buffer]
    expect(echo.toString()).toBe(hub)
    await lab.start(hub)
    await eventually(`${hub} is back`, async () => {
      const { uplinks } = await lab.ask<StatusView>('hkg-1-a', 'status')
      return uplinks.every(({ state }) => state === 'up')
    })
  }
})

test('hubs that are replaced one after the other, at new addresses and with empty disks, are found by edge nodes that run', async () => {
  const ports = await findLoopbackPorts(HUBS.length)
  const address = new Map<string, string>(HUBS.map((hub) => [hub, lab.address(hub)]))
  for (const [index, hub] of HUBS.entries()) {
    await lab.end(hub, 'SIGKILL')
    rmSync(lab.path(`${hub}.data`), { recursive: true })
    address.set(hub, `127.0.0.1:${ports[index]}`)
    const others = [...address].flatMap(([name, where]) => (name === hub ? [] : [where]))
    const config = lab.config({ name: hub, role: 'hub', site: hub }).replace(lab.address(hub), address.get(hub) ?? '')
    lab.write(`${hub}.yaml`, config.replace('hubs: []', `hubs: ${JSON.stringify(others)}`))
    await lab.start(hub)
    for (const { name, role } of NODES) {
      if (role === 'hub') continue
      await eventually(`${name} has found ${hub}`, async () => {
        const { uplinks } = await lab.ask<StatusView>(name, 'status')
        return uplinks.find((uplink) => uplink.hub === hub)?.state === 'up'
      })
    }
  }
})
