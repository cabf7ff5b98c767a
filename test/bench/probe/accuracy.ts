/**
 * How exact the figures are, on real sockets over a link of which everything is known (`known-link.ts`): as a daemon
 * tells them of its link, at either end, and as the probe tool does. Loss is compared with the packets that the
 * emulator really dropped. Delays are compared with those of the kernel's own ping at the same time, because on a busy
 * machine the emulator is late; without ping, with what follows from the emulator's settings.
 */
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { LinkView } from '@causeway/protocol'
import { mainPath } from '../../e2e/command-line.ts'
import { eventually } from '../../e2e/eventually.ts'
import type { Fleet } from '../../netlab/fleet.ts'
import type { Lab, UdpFrames } from '../../netlab/lab.ts'
import { type Judgement, type Measured, type Row, judge } from '../bench.ts'
import { meanOf } from '../statistics.ts'
import { inFleet, inLab } from './in-lab.ts'
import { ByPing, type Delays } from './kernel-ping.ts'
import { KNOWN_LINK, LOSS, TRUTH } from './known-link.ts'
import type { ProbeSettings } from './probe-bench.ts'
import { keepBusy } from './traffic.ts'

const LOOK_MS = 1_000
/** The windows of a link: its loss is that of the last 60 s. */
const WINDOW_MS = 60_000
const SETTLE_MS = 3_000
const TOOL_INTERVAL_MS = 50
const TOOL_PORT = 862

const BOUNDS = { rttMs: 0.5, lossPoints: 0.5, jitterPercent: 20 } as const

/** What somebody says of the link, and what is true of it. */
interface Claim {
  readonly who: string
  readonly samples: number
  readonly rttMsP50: number | null
  readonly rttMsP99: number | null
  /** Mean over many readings: a single one of RFC 3550 scatters by 13 % here. */
  readonly jitterMs: number | null
  readonly delaysTrue: Delays
  /** What `jitterMs` is of, as a share of the jitter of round trips. */
  readonly jitterShare: number
  readonly loss: ByWay
  /** Of the packets that the emulator was given, those it dropped. */
  readonly lossTrue: ByWay
}

interface ByWay {
  readonly forward: number | null
  readonly backward: number | null
}

export async function measureAccuracy(settings: ProbeSettings): Promise<Measured> {
  const ms = settings['accuracy-seconds'] * 1000
  const [ofLink, ofTool] = await Promise.all([
    inFleet([`link a h1 ${KNOWN_LINK}`], (lab, fleet) => askDaemons(lab, fleet, Math.max(ms, WINDOW_MS))),
    inLab([`link a b ${KNOWN_LINK}`], (lab) => askTool(lab, ms)),
  ])
  const claims = [...ofLink, ofTool]
  return {
    columns: COLUMNS,
    rows: claims.map(rowOf),
    judgements: claims.flatMap(judgementsOf),
    notes: [
      `link: 25 ms ± 3 ms each way, ${LOSS * 100} % loss forward: by that p50 is ${TRUTH.rttMsP50}, p99 ${TRUTH.rttMsP99.toFixed(2)}, jitter ${TRUTH.jitterMsRoundTrip} (one way ${TRUTH.jitterMsOneWay}) ms`,
      `true: ${ofLink[0]?.delaysTrue.source ?? ''}; of loss: what the emulator has dropped of these packets`,
      'jitter is RFC 3550’s, mean over a reading a second: one way for a link (the worse one; 5/7 of that of round trips), of round trips for the tool',
      'percentiles of a link come from a histogram whose buckets are 1 % wide: up to 0.25 ms off at 50 ms',
    ],
    charts: [],
  }
}

// ---- a daemon's link, in use

async function askDaemons(lab: Lab, fleet: Fleet, ms: number): Promise<readonly Claim[]> {
  await fleet.linkIs('a', 'h1', 'up', 30_000)
  await lab.set('a:h1', { loss: 100 * LOSS })
  using _traffic = keepBusy(fleet, 'a', 'h1')
  await pause(SETTLE_MS)
  const ping = new ByPing(lab, 'a', 'h1')
  const frames: { at: number; there: UdpFrames; back: UdpFrames }[] = []
  const views: Record<'a' | 'h1', LinkView[]> = { a: [], h1: [] }
  const until = performance.now() + ms + LOOK_MS
  for (let at = performance.now(); at < until; at += LOOK_MS) {
    await pause(Math.max(0, at - performance.now()))
    frames.push({ at, there: await lab.udpFrames('a:h1'), back: await lab.udpFrames('h1:a') })
    for (const [host, peer] of [
      ['a', 'h1'],
      ['h1', 'a'],
    ] as const) {
      const view = await fleet.link(host, peer)
      if (view) views[host].push(view)
    }
  }
  const last = frames.at(-1)
  const first = frames.findLast(({ at }) => last !== undefined && last.at - at > WINDOW_MS - LOOK_MS / 2)
  if (!first || !last) throw new Error('the link was not watched for a whole window')
  const there = droppedShare(first.there, last.there)
  const back = droppedShare(first.back, last.back)
  const facts = { samples: last.there.given - first.there.given, delaysTrue: await ping.stop() }
  return [
    { who: 'link, at the end that probes', ...facts, ...linkClaim(views.a), lossTrue: { forward: there, backward: back } },
    { who: 'link, at the other end', ...facts, ...linkClaim(views.h1), lossTrue: { forward: back, backward: there } },
  ]
}

function linkClaim(views: readonly LinkView[]): Pick<Claim, 'rttMsP50' | 'rttMsP99' | 'jitterMs' | 'jitterShare' | 'loss'> {
  const last = views.at(-1)
  return {
    rttMsP50: last?.rttMs.p50 ?? null,
    rttMsP99: last?.rttMs.p99 ?? null,
    jitterMs: meanOf(views.flatMap(({ jitterMs }) => jitterMs ?? [])),
    jitterShare: TRUTH.jitterMsOneWay / TRUTH.jitterMsRoundTrip,
    loss: last?.lossRatio ?? { forward: null, backward: null },
  }
}

// ---- the probe tool

interface ToolReport {
  readonly final: boolean
  readonly sent: number
  readonly lossRatio: ByWay
  readonly rttMs: { readonly p50: number | null; readonly p99: number | null }
  readonly jitterMs: { readonly rfc3550: number | null }
}

async function askTool(lab: Lab, ms: number): Promise<Claim> {
  const directory = mkdtempSync(join(tmpdir(), 'cw-bench-'))
  await lab.set('a:b', { loss: 100 * LOSS })
  try {
    const reflected = join(directory, 'reflect')
    lab.spawn('b', [process.execPath, mainPath(), 'reflect', '--listen', `0.0.0.0:${TOOL_PORT}`], reflected)
    await eventually('the reflector listens', () => readFileSync(reflected, 'utf8').includes('reflecting'))
    const [thereBefore, backBefore] = [await lab.udpFrames('a:b'), await lab.udpFrames('b:a')]
    const ping = new ByPing(lab, 'a', 'b')
    const printed = join(directory, 'probe')
    const words = ['-c', String(Math.round(ms / TOOL_INTERVAL_MS)), '-i', String(TOOL_INTERVAL_MS / 1000), '-o', 'ndjson']
    const target = `stamp://${lab.address('b', 'a')}:${TOOL_PORT}`
    await once(lab.spawn('a', [process.execPath, mainPath(), 'probe', target, ...words], printed), 'exit')
    const [there, back] = [await lab.udpFrames('a:b'), await lab.udpFrames('b:a')]
    const reports = reportsIn(readFileSync(printed, 'utf8'))
    const last = reports.findLast(({ final }) => final)
    if (!last) throw new Error(`the probe tool ended without a report: ${readFileSync(printed, 'utf8').slice(0, 300)}`)
    return {
      who: 'probe stamp://, 20 a second',
      samples: last.sent,
      rttMsP50: last.rttMs.p50,
      rttMsP99: last.rttMs.p99,
      jitterMs: meanOf(reports.flatMap(({ jitterMs }) => jitterMs.rfc3550 ?? [])),
      delaysTrue: await ping.stop(),
      jitterShare: 1,
      loss: last.lossRatio,
      lossTrue: { forward: droppedShare(thereBefore, there), backward: droppedShare(backBefore, back) },
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function reportsIn(text: string): ToolReport[] {
  return text.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as ToolReport] : []))
}

// ---- claims and truth

function droppedShare(before: UdpFrames, after: UdpFrames): number | null {
  const given = after.given - before.given
  return given === 0 ? null : (after.lost - before.lost) / given
}

function rowOf({ who, samples, rttMsP50, rttMsP99, jitterMs, delaysTrue, jitterShare, loss, lossTrue }: Claim): Row {
  return {
    who,
    samples,
    rttMsP50,
    rttMsP50True: delaysTrue.rttMsP50,
    rttMsP99,
    rttMsP99True: delaysTrue.rttMsP99,
    jitterMs,
    jitterMsTrue: delaysTrue.jitterMs * jitterShare,
    lossPercentForward: percent(loss.forward),
    lossPercentForwardTrue: percent(lossTrue.forward),
    lossPercentBackward: percent(loss.backward),
    lossPercentBackwardTrue: percent(lossTrue.backward),
  }
}

function judgementsOf({ who, rttMsP50, jitterMs, delaysTrue, jitterShare, loss, lossTrue }: Claim): Judgement[] {
  const jitterMsTrue = delaysTrue.jitterMs * jitterShare
  const jitterOff = jitterMs === null ? null : (100 * Math.abs(jitterMs - jitterMsTrue)) / jitterMsTrue
  return [
    judge(`${who}: error of the median round trip`, distance(rttMsP50, delaysTrue.rttMsP50), BOUNDS.rttMs, 'ms'),
    judge(`${who}: error of jitter`, jitterOff, BOUNDS.jitterPercent, '%'),
    judge(`${who}: error of loss forward`, distance(percent(loss.forward), percent(lossTrue.forward)), BOUNDS.lossPoints, 'points'),
    judge(`${who}: error of loss backward`, distance(percent(loss.backward), percent(lossTrue.backward)), BOUNDS.lossPoints, 'points'),
  ]
}

function percent(ratio: number | null): number | null {
  return ratio === null ? null : 100 * ratio
}

function distance(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : Math.abs(a - b)
}

const COLUMNS = [
  { key: 'who', head: 'WHO SAYS' },
  { key: 'samples', head: 'PACKETS' },
  { key: 'rttMsP50', head: 'RTT p50 ms', digits: 2 },
  { key: 'rttMsP50True', head: 'true', digits: 2 },
  { key: 'rttMsP99', head: 'p99', digits: 2 },
  { key: 'rttMsP99True', head: 'true', digits: 2 },
  { key: 'jitterMs', head: 'JITTER ms', digits: 2 },
  { key: 'jitterMsTrue', head: 'true', digits: 2 },
  { key: 'lossPercentForward', head: 'LOSS → %', digits: 2 },
  { key: 'lossPercentForwardTrue', head: 'true', digits: 2 },
  { key: 'lossPercentBackward', head: 'LOSS ← %', digits: 2 },
  { key: 'lossPercentBackwardTrue', head: 'true', digits: 2 },
]
