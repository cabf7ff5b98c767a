/**
 * A node without anything joins a hub that holds many small batches of one log: both are processes of their own, and a session
 * over a socket between them. Then it is started again from its disk.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const PROCESS = fileURLToPath(new URL('./replay-process.ts', import.meta.url))

export interface ReplayOrder {
  readonly directory: string
  readonly batches: number
  readonly keys: number
}

export interface ReplayJob extends ReplayOrder {
  /** `source` listens until it is killed; the others end by themselves. */
  readonly role: 'source' | 'join' | 'start'
}

export interface ReplayResult {
  readonly seconds: number
  readonly userSeconds: number
  /** Resident before it had anything, and at the most. */
  readonly bareMb: number
  readonly residentMb: number
  /** Records that have their newest value in the end. */
  readonly found: number
}

export async function replay(order: ReplayOrder): Promise<{ readonly joined: ReplayResult; readonly started: ReplayResult }> {
  const source = launch({ ...order, role: 'source' })
  try {
    const [ready] = (await Promise.race([once(source.stdout!, 'data'), once(source, 'close')])) as [unknown]
    if (!(ready instanceof Buffer)) throw new Error('the hub ended before it was ready')
    return { joined: await run({ ...order, role: 'join' }), started: await run({ ...order, role: 'start' }) }
  } finally {
    source.kill('SIGKILL')
  }
}

async function run(job: ReplayJob): Promise<ReplayResult> {
  const child = launch(job)
  const [output, [code, signal]] = await Promise.all([text(child.stdout!), once(child, 'close') as Promise<[number | null, string | null]>])
  if (code !== 0) throw new Error(`a node that should ${job.role} ended with ${signal ?? code}`)
  return JSON.parse(output) as ReplayResult
}

function launch(job: ReplayJob): ChildProcess {
  return spawn(process.execPath, [PROCESS, JSON.stringify(job)], { stdio: ['ignore', 'pipe', 'inherit'] })
}
