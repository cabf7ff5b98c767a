/**
 * The quick start of the README, typed as it stands there: each line of its `sh` blocks is a command of a shell in an empty
 * directory. Only ports are others, and a command that comes too early is tried again, instead of the sleeping.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findLoopbackPorts } from '../../packages/cli/src/demo/loopback-port.ts'
import { mainPath } from './command-line.ts'
import { eventually } from './eventually.ts'

const README = readFileSync(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8')
const SECTION = /\n## Quick start[^]*?\n## /.exec(README)?.[0] ?? ''
const PORTS = ['7400', '7001', '9000']

const children = new Set<ChildProcess>()
let directory: string
let commands: string[]

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'cw-readme-'))
  writeFileSync(join(directory, 'causeway'), `#!/bin/sh\nexec '${process.execPath}' '${mainPath()}' "$@"\n`, { mode: 0o755 })
  const free = await findLoopbackPorts(PORTS.length)
  const typed = [...SECTION.matchAll(/```sh\n([^]*?)```/g)].map(([, block]) => block).join('')
  // All at once: a free port may have one of these in it.
  const there = typed.replaceAll(new RegExp(PORTS.join('|'), 'g'), (port) => String(free[PORTS.indexOf(port)]))
  // A here-document is part of its command.
  commands = there.match(/^.*<<'EOF'\n[^]*?\nEOF$|^.+$/gm) ?? []
})

afterAll(async () => {
  for (const child of children) {
    const ended = new Promise((done) => child.once('exit', done))
    if (child.exitCode === null && child.kill('SIGKILL')) await ended
  }
  rmSync(directory, { recursive: true, force: true })
})

function shell(command: string): ChildProcess {
  const env = { ...process.env, PATH: `${directory}:${process.env['PATH']}`, NO_COLOR: '1', CAUSEWAY_API: '', CAUSEWAY_DEBUG: '' }
  return spawn('bash', ['-c', command], { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] })
}

async function run(command: string): Promise<string> {
  const child = shell(command)
  if (!child.stdout || !child.stderr) throw new Error('no output')
  const ended = new Promise((done) => child.once('close', done))
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  if (child.exitCode !== 0) throw new Error(`${command}: ${child.exitCode}: ${stderr}`)
  return stdout
}

test('the quick start does what it says', async () => {
  expect(commands.length).toBeGreaterThan(12)
  const said = new Map<string, string>()
  for (const command of commands) {
    if (command.startsWith('sleep')) continue
    if (command.endsWith('&')) children.add(shell(`exec ${command.slice(0, -1)}`))
    else said.set(command, await eventually(command, async () => ({ text: await run(command) })).then((answer) => answer.text))
  }
  const answerTo = (part: string): string => [...said].find(([command]) => command.includes(part))?.[1] ?? ''
  expect(answerTo('causeway status')).toContain('hkg-1-a (edge')
  expect(answerTo('kv get')).toBe('{\n  "rate": 100\n}\n')
  expect(answerTo('ping')).toMatch(/3, 3 answered, 0 lost/)
  expect(answerTo('curl')).toContain('credential: ./core-1.cred')
})
