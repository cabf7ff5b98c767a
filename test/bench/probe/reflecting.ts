/** What it costs a hub to be probed: a process that reflects for 1,000 links in use, five sealed probes a second each. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Measured, type Row, judge } from '../bench.ts'
import type { ProbeSettings } from './probe-bench.ts'
import type { CrowdAnswer, CrowdOrder, HubAnswer, HubCounts, HubOrder } from './reflecting-talk.ts'

const LINKS = 1_000
const PROBES_PER_SECOND = 5_000
/** Of one core, at that rate. */
const CPU_PERCENT_MAX = 25
const SETTLE_MS = 4_000
/** With fewer links alive, what is measured is a machine that is too slow for the crowd. */
const ALIVE_MIN = 0.95 * LINKS

interface Load {
  readonly alive: number | null
  readonly probesPerSecond: number
  readonly cpuPercent: number
}

export async function measureReflecting(settings: ProbeSettings): Promise<Measured> {
  const ms = settings['reflect-seconds'] * 1000
  const bare = await loadOf('bare', ms)
  const monitored = await loadOf('monitored', ms)
  return {
    columns: COLUMNS,
    rows: [rowOf('socket, seals and replies', bare), rowOf('… and a monitor for each link', monitored)],
    judgements: [
      judge(`CPU of reflecting, all threads, scaled to ${PROBES_PER_SECOND} probes/s`, scaled(bare), CPU_PERCENT_MAX, '% of a core'),
    ],
    notes: [
      `${LINKS} associations, all in use; the hub’s process has no mesh and no connections, so this is what probes alone cost it`,
      'scaled: CPU for 1,000 links in use (5 probes/s each); idle ones (1 probe/s) take a fifth of what depends on the rate',
    ],
    charts: [],
  }
}

async function loadOf(kind: 'bare' | 'monitored', ms: number): Promise<Load> {
  const [hub, crowd] = [start('reflecting-hub.ts', kind), start('probing-crowd.ts', kind)]
  try {
    await Promise.all([hub, crowd].map((child) => heard(child)))
    const prepared = await ask<Extract<CrowdAnswer, { type: 'prepared' }>>(crowd, { type: 'prepare', links: LINKS })
    const associated = await ask<Extract<HubAnswer, { type: 'associated' }>>(hub, { type: 'associate', remotes: prepared.keys })
    crowd.send({ type: 'probe', port: associated.port, keys: associated.keys } satisfies CrowdOrder)
    await pause(SETTLE_MS)
    const before = await count(hub)
    await pause(ms)
    const after = await count(hub)
    if (kind === 'monitored' && after.alive < ALIVE_MIN) throw new Error(`only ${after.alive} of ${LINKS} links were alive`)
    const tookMs = after.at - before.at
    return {
      alive: kind === 'monitored' ? after.alive : null,
      probesPerSecond: ((after.probes - before.probes) * 1000) / tookMs,
      cpuPercent: (100 * (after.cpuMs - before.cpuMs)) / tookMs,
    }
  } finally {
    await Promise.all([hub, crowd].map((child) => end(child)))
  }
}

function start(file: string, kind: string): ChildProcess {
  return fork(fileURLToPath(new URL(file, import.meta.url)), [kind], { serialization: 'advanced' })
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

async function ask<Answer>(child: ChildProcess, order: HubOrder | CrowdOrder): Promise<Answer> {
  const answered = heard(child)
  child.send(order)
  return (await answered) as Answer
}

/** The next message; fails if the process ends instead. */
function heard(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`a process of the bench ended with ${code}`))
    child.once('exit', ended)
    child.once('message', (message) => {
      child.off('exit', ended)
      resolve(message)
    })
  })
}

function count(hub: ChildProcess): Promise<HubCounts> {
  return ask<HubCounts>(hub, { type: 'count' })
}

/** `null` if far fewer probes came than were meant to: then what was measured is the crowd. */
function scaled({ probesPerSecond, cpuPercent }: Load): number | null {
  return probesPerSecond < 0.8 * PROBES_PER_SECOND ? null : (cpuPercent * PROBES_PER_SECOND) / probesPerSecond
}

function rowOf(what: string, load: Load): Row {
  const { probesPerSecond, cpuPercent } = load
  return {
    what,
    links: LINKS,
    alive: load.alive,
    probesPerSecond,
    cpuPercent,
    cpuPercentPer1000Links: scaled(load),
    cpuMicrosecondsPerProbe: (cpuPercent * 10_000) / probesPerSecond,
  }
}

const COLUMNS = [
  { key: 'what', head: 'WHAT' },
  { key: 'links', head: 'LINKS' },
  { key: 'alive', head: 'ALIVE' },
  { key: 'probesPerSecond', head: 'PROBES/s' },
  { key: 'cpuPercent', head: 'CPU % OF A CORE', digits: 1 },
  { key: 'cpuPercentPer1000Links', head: 'PER 1,000 LINKS', digits: 1 },
  { key: 'cpuMicrosecondsPerProbe', head: 'µs A PROBE', digits: 1 },
]
