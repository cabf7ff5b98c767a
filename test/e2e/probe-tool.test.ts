/**
 * The probe tool as people and scripts use it: real processes over loopback, of which only exit code and output count.
 */
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Outcome, causeway, spawnCauseway } from './command-line.ts'
import { Deployment, type NodeSpec } from './deployment.ts'
import { eventually } from './eventually.ts'

const ANSWER_NO = 1
const WRONG_USAGE = 2
const NO_DAEMON = 3

let directory: string
/** Whatever becomes of a test, none outlives it. */
const reflectors: ChildProcessWithoutNullStreams[] = []
let port: number

const run = (line: string): Promise<Outcome> => causeway(line.split(' '), { cwd: directory })

/** Starts a reflector on a free port; resolves with the port when it listens. */
async function reflect(
  ...args: readonly string[]
): Promise<{ child: ChildProcessWithoutNullStreams; port: number; lines: AsyncIterator<string> }> {
  const child = spawnCauseway(['reflect', '--listen', '127.0.0.1:0', '-o', 'ndjson', ...args], { cwd: directory })
  reflectors.push(child)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const { address } = JSON.parse(String((await lines.next()).value)) as { address: string }
  return { child, port: Number(address.split(':')[1]), lines }
}

/** Ends a reflector as Ctrl-C does; returns what it says at the end. */
async function counts(started: Awaited<ReturnType<typeof reflect>>): Promise<unknown> {
  const exit = once(started.child, 'exit')
  started.child.kill('SIGINT')
  const last: unknown = JSON.parse(String((await started.lines.next()).value))
  expect(await exit).toEqual([0, null])
  return last
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'cw-probe-'))
  port = (await reflect()).port
})

afterAll(() => {
  for (const child of reflectors) child.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

/** Nobody listens there, and the system gives it to nobody who asks for any port. */
const CLOSED_PORT = 1

describe('every output tells the same', () => {
  const target = (): string => `stamp://127.0.0.1:${port}`

  test('json: one document with the names that are promised', async () => {
    const { code, stdout, stderr } = await run(`probe ${target()} -c 5 -i 0.02 -o json`)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(JSON.parse(stdout)).toEqual({
      targets: [
        {
          target: target(),
          sent: 5,
          received: 5,
          lost: { total: 0, forward: 0, backward: 0 },
          lossRatio: { total: 0, forward: 0, backward: 0 },
          duplicated: 0,
          reordered: 0,
          late: 0,
          rttMs: Object.fromEntries(['last', 'min', 'avg', 'p50', 'p95', 'p99', 'max', 'stddev'].map((name) => [name, expect.any(Number)])),
          jitterMs: { rfc3550: expect.any(Number), p95MinusP50: expect.any(Number) },
          oneWayMs: null,
          clockOffsetMs: { estimate: expect.any(Number), uncertainty: expect.any(Number) },
          fault: null,
        },
      ],
    })
  })

  test('ndjson: a line a second, the last one final', async () => {
    const { code, stdout } = await run(`probe ${target()} -c 13 -i 0.1 --ports 3 -s 200 -o ndjson`)
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { final: boolean; sent: number })
    expect(code).toBe(0)
    expect(lines.length).toBeGreaterThanOrEqual(2)
    expect(lines.map(({ final }) => final)).toEqual([...lines.slice(1).map(() => false), true])
    expect(lines.at(-1)).toMatchObject({ sent: 13, received: 13, at: expect.any(Number) })
  })

  test('csv: a heading and rows', async () => {
    const { code, stdout } = await run(`probe ${target()} -c 2 -i 0.02 -o csv`)
    const [head = '', row = '', ...more] = stdout.trim().split('\n')
    expect({ code, more }).toEqual({ code: 0, more: [] })
    expect(head).toMatch(/^at,final,target,sent,received,lost,lostForward,lostBackward,/)
    expect(row).toMatch(new RegExp(`,true,${target()},2,2,0,0,0,`))
  })

  test('prom: samples in seconds', async () => {
    const { code, stdout } = await run(`probe ${target()} -c 2 -i 0.02 -o prom`)
    expect(code).toBe(0)
    expect(stdout).toContain(`causeway_probe_sent_packets{target="${target()}"} 2\n`)
    expect(stdout).toMatch(/^causeway_probe_rtt_seconds\{target="stamp:[^}]+",stat="p95"\} 0\.\d+$/m)
  })

  test('for people: a line a second and a summary; ten packets if nothing is said', async () => {
    const { code, stdout } = await run(`probe ${target()} -i 0.15`)
    expect(code).toBe(0)
    expect(stdout).toMatch(/^ {4}1s {2}stamp:\S+ {2}sent \d+ {2}lost 0 \(0%; 0 forward, 0 backward\)/m)
    expect(stdout).toMatch(/^ {2}packets {5}10 sent, 10 answered; 0 twice, 0 out of order, 0 late$/m)
  })

  test.each(['table', 'json', 'ndjson', 'csv', 'prom'])(
    '%s: a threshold that is breached ends in 1, one that is kept in 0',
    async (output) => {
      const line = `probe ${target()} -c 3 -i 0.02 -o ${output}`
      const breached = await run(`${line} --max-rtt-p95 0.0001`)
      expect(breached.code).toBe(ANSWER_NO)
      expect(breached.stderr).toMatch(/^causeway: stamp:\S+ p95 of the round trip \S+ ms is above 0\.00 ms\.\n$/)
      expect(breached.stdout).not.toBe('')
      expect((await run(`${line} --max-rtt-p95 60000 --max-loss 0 --max-jitter 60000`)).code).toBe(0)
    },
  )

  test.each(['table', 'json', 'ndjson', 'csv', 'prom'])(
    '%s: a target that never answers ends in 1, beside one that does',
    async (output) => {
      const { code, stdout, stderr } = await run(`probe ${target()} tcp://127.0.0.1:${CLOSED_PORT} -c 3 -i 0.02 -t 0.5 -o ${output}`)
      expect(code).toBe(ANSWER_NO)
      expect(stderr).toMatch(/^causeway: tcp:\S+ no answer to 3 packets \(refused: .+\)\.\n$/)
      expect(stdout).toContain(target())
    },
  )
})

describe('an interrupt', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)('%s ends it with a summary and its verdict', async (signal) => {
    const args = ['probe', `stamp://127.0.0.1:${port}`, '-c', '1000000', '-i', '0.02', '--max-jitter', '0', '-o', 'ndjson']
    const child = spawnCauseway(args, { cwd: directory })
    const lines = createInterface({ input: child.stdout })
    let last = ''
    lines.on('line', (line) => (last = line))
    await once(lines, 'line')
    child.kill(signal)
    expect(await once(child, 'close')).toEqual([ANSWER_NO, null])
    expect(JSON.parse(last)).toMatchObject({ final: true, lost: { total: 0 } })
  })

  test('a reader that has seen enough is no fault', async () => {
    const child = spawnCauseway(['probe', `stamp://127.0.0.1:${port}`, '-c', '1000000', '-i', '0.02', '-o', 'csv'], { cwd: directory })
    await once(child.stdout, 'data')
    child.stdout.destroy()
    expect(await once(child, 'exit')).toEqual([0, null])
  })
})

describe('the reflector', () => {
  test('answers garbage with a count, and never with more than came', async () => {
    const started = await reflect()
    const sizes = [0, 1, 7, 43, 44, 45, 63, 512, 1400, 9000]
    const lengths: number[] = []
    const socket = createSocket('udp4', (reply) => lengths.push(reply.length)).bind(0, '127.0.0.1')
    onTestFinished(() => void socket.close())
    await once(socket, 'listening')
    for (const size of sizes) {
      for (const step of [0, 167]) {
        const bytes = Buffer.from(Array.from({ length: size }, (_, i) => (0xa5 + i * step) % 256))
        await new Promise((done) => socket.send(bytes, started.port, '127.0.0.1', done))
      }
    }
    await eventually('the last comes back', () => lengths.includes(9000))
    // Whoever comes after is served as ever.
    expect((await run(`probe stamp://127.0.0.1:${started.port} -c 1`)).code).toBe(0)
    const end = (await counts(started)) as { received: number; reflected: number; malformed: number }
    expect(end).toMatchObject({ event: 'stopped', received: 2 * sizes.length + 1, refused: 0, unsent: 0 })
    expect(end.reflected + end.malformed).toBe(end.received)
    expect(end.malformed).toBeGreaterThanOrEqual(8)
    expect(lengths).toHaveLength(end.reflected - 1)
    for (const size of sizes) expect(lengths.filter((length) => length === size).length).toBeLessThanOrEqual(size < 44 ? 0 : 2)
    expect(lengths.filter((length) => !sizes.includes(length))).toEqual([])
  })

  test('gives no more than the rate that it is allowed', async () => {
    const started = await reflect('--max-rate', '3')
    const { code, stdout } = await run(`probe stamp://127.0.0.1:${started.port} -c 20 -i 0.001 -t 0.3 -o json`)
    const report = (JSON.parse(stdout) as { targets: { received: number; lost: { forward: number } }[] }).targets[0]
    expect(code).toBe(0)
    expect(report?.received).toBeLessThanOrEqual(6)
    expect(await counts(started)).toMatchObject({ received: 20, reflected: report?.received })
  })

  test('says which port it cannot have', async () => {
    const { code, stderr } = await run(`reflect --listen 127.0.0.1:${port}`)
    expect(code).toBe(ANSWER_NO)
    expect(stderr).toBe(`causeway: UDP 127.0.0.1:${port} is in use. Stop what listens there, or set another port in --listen.\n`)
  })
})

describe('what people get wrong', () => {
  test.each([
    ['probe', 2, /missing required argument 'target'/],
    ['probe 127.0.0.1:80', WRONG_USAGE, /"127\.0\.0\.1:80" is no target: .+ Write tcp:\/\/127\.0\.0\.1:80 or stamp:/],
    ['probe icmp://127.0.0.1', WRONG_USAGE, /nothing here speaks icmp\. Use stamp:/],
    ['probe tcp://127.0.0.1', WRONG_USAGE, /host and port cannot be told\. Write tcp:\/\/HOST:PORT/],
    ['probe stamp://127.0.0.1 -c 0', WRONG_USAGE, /'-c, --count <n>' argument '0' is invalid/],
    ['probe stamp://127.0.0.1 -i never', WRONG_USAGE, /'-i, --interval <seconds>' argument 'never' is invalid/],
    ['probe stamp://127.0.0.1 -s 45', WRONG_USAGE, /a STAMP packet has 44 bytes, or 48 and more/],
    ['probe tcp://127.0.0.1:1 -s 100', WRONG_USAGE, /-s does not go with tcp:/],
    ['probe stamp://127.0.0.1 --max-loss 200', WRONG_USAGE, /percentage from 0 to 100/],
    ['probe stamp://127.0.0.1 --dscp af99', WRONG_USAGE, /0 to 63, ef, cs0 to cs7/],
    ['probe stamp://127.0.0.1 --dscp ef', WRONG_USAGE, /--dscp cannot be set on UDP: .+ Mark the packets by a firewall rule/],
    ['probe stamp://127.0.0.1 -o xml', WRONG_USAGE, /Allowed choices are table, json, ndjson, csv, prom/],
    ['probe stamp://nosuch.invalid -c 1', ANSWER_NO, /nosuch\.invalid: the name .+ Check the name/],
    ['probe nrt-2-a -c 1', NO_DAEMON, /no daemon answers at \S+causeway\.sock\. Start it/],
    ['reflect --listen nowhere', WRONG_USAGE, /"nowhere" is no address to listen on\. Give an IP address/],
    ['reflect --listen 192.0.2.1:8620', WRONG_USAGE, /cannot listen on UDP 192\.0\.2\.1:8620: .+ Set --listen to an address/],
  ])('%s', async (line, exitCode, says) => {
    const { code, stdout, stderr } = await run(line)
    expect({ code, stdout }, stderr).toEqual({ code: exitCode, stdout: '' })
    expect(stderr).toMatch(/^causeway: .+[.!?] [A-Z].+[.!?]\n$/)
    expect(stderr).toMatch(says)
  })
})

describe('nodes of a network', () => {
  const NODES: readonly NodeSpec[] = [
    { name: 'core-1', role: 'hub', site: 'core' },
    { name: 'ams-1-a', role: 'edge', site: 'ams-1', hubs: ['core-1'] },
    { name: 'hkg-1-a', role: 'edge', site: 'hkg-1', hubs: ['core-1'] },
    { name: 'late-1', role: 'edge', site: 'late-1', hubs: ['core-1'] },
  ]
  const lab = new Deployment()

  beforeAll(async () => {
    await lab.prepare('mynet', NODES)
    lab.write('core-1.yaml', `${lab.config({ name: 'core-1', role: 'hub', site: 'core' })}probe: {stampReflector: "127.0.0.1:0"}\n`)
    for (const name of ['core-1', 'ams-1-a', 'hkg-1-a']) await lab.start(name)
    await eventually('hkg-1-a answers', async () => (await lab.causeway('ping', 'hkg-1-a', '-c', '1', '--api', 'ams-1-a.sock')).code === 0)
  })

  afterAll(() => lab.close())

  test('are probed end to end, beside the reflector of one of them', async () => {
    const [, stamp = ''] = /"stamp":"([^"]+)"/.exec(lab.log('core-1')) ?? []
    const { targets } = await lab.ask<{ targets: unknown[] }>(
      'ams-1-a',
      'probe',
      'hkg-1-a',
      'core-1',
      `stamp://${stamp}`,
      '-c',
      '10',
      '-i',
      '0.05',
    )
    const answered = { sent: 10, received: 10, lost: { total: 0, forward: 0, backward: 0 }, rttMs: { p50: expect.any(Number) } }
    const clockOffsetMs = { estimate: expect.any(Number), uncertainty: expect.any(Number) }
    expect(targets).toMatchObject([
      { target: 'hkg-1-a', ...answered, clockOffsetMs },
      { target: 'core-1', ...answered },
      { target: `stamp://${stamp}`, ...answered },
    ])
  })

  test.each(['ams-1-a', 'core-1'])('that do not exist are refused long before they time out, at %s', async (at) => {
    for (const verb of ['probe', 'ping']) {
      const { code, stderr } = await lab.causeway(verb, 'nosuch', '-c', '2', '-t', '50', '--api', `${at}.sock`)
      expect(code).toBe(ANSWER_NO)
      expect(stderr).toMatch(/^causeway: no way to nosuch is known to the network: no node of that name is connected\. See why/)
    }
  })

  test('that appear later are found, though they were asked for before', async () => {
    expect((await lab.causeway('probe', 'late-1', '-c', '1', '--api', 'ams-1-a.sock')).code).toBe(ANSWER_NO)
    await lab.start('late-1')
    await eventually('late-1 answers', async () => (await lab.causeway('probe', 'late-1', '-c', '1', '--api', 'ams-1-a.sock')).code === 0)
  })
})
