/**
 * A node without anything joins a hub that holds many small batches of one log: both are processes of their own, and a session
 * over a socket between them. Then it is started again from its disk.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { FRUGAL } from '../../../packages/cli/src/frugal-memory.ts'

const LOOK_MS = 20
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

/** The most that was seen from outside: its own memory, and pages of files, which the system takes back where it needs room. */
interface Resident {
  anonMb: number
  fileMb: number
}

export type Replayed = ReplayResult & Readonly<Resident>

export async function replay(order: ReplayOrder): Promise<{ readonly joined: Replayed; readonly started: Replayed }> {
  const source = launch({ ...order, role: 'source' })
  try {
    const [ready] = (await Promise.race([once(source.stdout!, 'data'), once(source, 'close')])) as [unknown]
    if (!(ready instanceof Buffer)) throw new Error('the hub ended before it was ready')
    return { joined: await run({ ...order, role: 'join' }), started: await run({ ...order, role: 'start' }) }
  } finally {
    source.kill('SIGKILL')
  }
}

async function run(job: ReplayJob): Promise<Replayed> {
  const child = launch(job)
  const resident: Resident = { anonMb: 0, fileMb: 0 }
  // From outside: a process that reads its disk has no time to look at itself.
  const watch = setInterval(() => look(child, resident), LOOK_MS)
  const [output, [code, signal]] = await Promise.all([text(child.stdout!), once(child, 'close') as Promise<[number | null, string | null]>])
  clearInterval(watch)
  if (code !== 0) throw new Error(`a node that should ${job.role} ended with ${signal ?? code}`)
  return { ...(JSON.parse(output) as ReplayResult), ...resident }
}

function look({ pid }: ChildProcess, resident: Resident): void {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const megabytes = (name: string): number => (Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1024) / 1e6
    resident.anonMb = Math.max(resident.anonMb, megabytes('RssAnon'))
    resident.fileMb = Math.max(resident.fileMb, megabytes('RssFile'))
  } catch {
    // It has ended.
  }
}

/** As the program starts itself. */
function launch(job: ReplayJob): ChildProcess {
  const env = { ...process.env, ...FRUGAL.env }
  return spawn(process.execPath, [...FRUGAL.execArgv, PROCESS, JSON.stringify(job)], { env, stdio: ['ignore', 'pipe', 'inherit'] })
}
