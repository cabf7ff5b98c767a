/**
 * The demo as a stranger runs it: what it shows holds, its figures have the names of the contract, and however it
 * ends, by itself, by Ctrl-C or by SIGKILL, neither process nor file of it is left.
 *
 * Whatever belongs to a demo names its directory or, as the emulator and the guardian, has the demo for parent.
 */
import { type ChildProcessWithoutNullStreams, execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SOURCES, spawnCauseway } from './command-line.ts'
import { eventually } from './eventually.ts'

const SMALL = ['demo', '--hubs', '2', '--sites', '2', '--nodes', '1', '--seconds', '4', '-o', 'json']
/** Four nodes, emulator and guardian. */
const PROCESSES = 6

interface RunningProcess {
  readonly pid: number
  readonly parent: number
  readonly command: string
}

function processes(): RunningProcess[] {
  const lines = execFileSync('ps', ['-A', '-ww', '-o', 'pid=,ppid=,stat=,args='], { encoding: 'utf8' }).split('\n')
  return lines.flatMap((line) => {
    const [, pid, parent, state, command] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? []
    // The dead whom nobody has buried yet do not run.
    return command === undefined || state?.startsWith('Z') ? [] : [{ pid: Number(pid), parent: Number(parent), command }]
  })
}

/** A demo whose temporary files are in a place of their own. */
class Demo {
  readonly place: string = mkdtempSync(join(tmpdir(), 'cw-e2e-'))
  readonly child: ChildProcessWithoutNullStreams
  readonly exit: Promise<number | null>
  stdout = ''
  stderr = ''
  /** Every process that was ever seen to be part of it. */
  readonly #seen = new Map<number, string>()

  constructor() {
    this.child = spawnCauseway(SMALL, { cwd: this.place, env: { TMPDIR: this.place }, main: SOURCES })
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => (this.stdout += text))
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    this.exit = new Promise((resolve) => this.child.once('close', resolve))
  }

  /** What runs of it now, the demo itself apart; also what was seen before and has lost its parent. */
  running(): RunningProcess[] {
    const parts = processes().filter(
      ({ pid, parent, command }) =>
        pid !== this.child.pid && (parent === this.child.pid || command.includes(this.place) || this.#seen.get(pid) === command),
    )
    for (const { pid, command } of parts) this.#seen.set(pid, command)
    return parts
  }

  files(): string[] {
    return existsSync(this.place) ? readdirSync(this.place).filter((name) => name.startsWith('causeway-demo-')) : []
  }

  /** Waits until the network is up, and every process of it was seen. */
  async up(): Promise<RunningProcess[]> {
    await eventually('the network is up', () => this.stderr.includes('started and linked'), 90_000)
    return eventually('all of its processes are seen', () => {
      const found = this.running()
      return found.length === PROCESSES && found
    })
  }

  async end(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.exit
    for (const { pid } of this.running()) process.kill(pid, 'SIGKILL')
    rmSync(this.place, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }
}

let demo: Demo

beforeEach(() => {
  demo = new Demo()
})

afterEach(() => demo.end())

const nothingIsLeft = (): Promise<unknown> =>
  eventually('nothing is left', () => demo.running().length === 0 && demo.files().length === 0, 15_000)

test('all that it shows holds, and is told in figures', async () => {
  await demo.up()
  expect(await demo.exit, demo.stderr).toBe(0)
  const flow = { gapMs: expect.any(Number), rttMs: expect.any(Number), lost: 0, duplicated: 0, reordered: 0 }
  const figures: unknown = JSON.parse(demo.stdout)
  expect(figures).toMatchObject({
    hubs: 2,
    sites: 2,
    nodes: 1,
    replicate: { p50Ms: expect.any(Number), p99Ms: expect.any(Number), replicas: expect.any(Number) },
    cut: flow,
    hubKill: flow,
    heal: { convergedMs: expect.any(Number), conflictsLost: 0 },
    restart: { acknowledged: 50, recovered: 50 },
    bytesPerSite: expect.any(Number),
    ok: true,
  })
  await nothingIsLeft()
})

test('Ctrl-C ends all of it in good order', async () => {
  await demo.up()
  demo.child.kill('SIGINT')
  expect(await Promise.race([demo.exit, eventually('it ends', () => demo.child.exitCode ?? undefined, 15_000)])).toBe(130)
  await nothingIsLeft()
})

test('SIGKILL of the demo ends all of it: nodes, emulator and directory', async () => {
  const parts = await demo.up()
  expect(parts.filter(({ command }) => command.includes('run --config'))).toHaveLength(4)
  expect(parts.filter(({ command }) => command.includes('emulator-process'))).toHaveLength(1)
  const [directory = ''] = demo.files()
  expect(readFileSync(join(demo.place, directory, 'core-1.yaml'), 'utf8')).toContain('role: hub')
  demo.child.kill('SIGKILL')
  await nothingIsLeft()
})
