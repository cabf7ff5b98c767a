/**
 * One system under the trace: it is started in a lab, given what was there before, left alone for a while, which tells what
 * it costs to be connected, and then written to. Counted is what crosses the links of the sites meanwhile.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Lab } from '../../netlab/lab.ts'
import { monotonicMs } from '../flow/flow-talk.ts'
import { sumOf } from '../statistics.ts'
import { cpuSecondsOf } from '../throughput/cpu-time.ts'
import { crosses } from './floor.ts'
import type { Diary, Participant } from './participant.ts'
import { CORE, DELAY_MS, type FleetShape, type SyncSystem, siteHost } from './system.ts'
import { type Change, type Kind, identityOf } from './trace.ts'
import { type Traffic, WideArea, type WideAreaReading, less, times } from './wide-area.ts'

const READY_MS_MAX = 60_000
const LOOK_MS = 200
const SETTLE_MS = 8_000
/** Participants are told when to begin a moment before. */
const LEAD_MS = 500
/** What was written last gets as long to arrive. */
const ARRIVE_MS = 3_000

export interface SyncOrder extends FleetShape {
  readonly kinds: readonly Kind[]
  readonly changes: readonly Change[]
  readonly seconds: number
  readonly idleSeconds: number
}

/** Bytes are per site and minute. */
export interface SyncOutcome {
  readonly system: string
  readonly kinds: readonly Kind[]
  readonly shape: FleetShape
  readonly busy: WideAreaReading
  /** With nothing written. */
  readonly idle: WideAreaReading
  /** Milliseconds from the write to where it is shown, at another place than the writer's site. */
  readonly delaysUp: readonly number[]
  readonly delaysDown: readonly number[]
  /** Of the deliveries that the trace asks for. */
  readonly deliveredRatio: number
  readonly cpuSecondsCore: number
  readonly cpuSecondsPerSite: number
  readonly faults: readonly string[]
  readonly lateMs: number
}

export async function runSystem(system: SyncSystem, order: SyncOrder): Promise<SyncOutcome> {
  const directory = mkdtempSync(join(tmpdir(), 'cw-sync-'))
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(() => rmSync(directory, { recursive: true, force: true }))
  const links = Array.from({ length: order.sites }, (_, site) => `link ${siteHost(site)} ${CORE} delay=${DELAY_MS}`)
  const lab = cleanup.use(await Lab.up([...links, ...(system.links?.(order) ?? [])]))
  const { participants, stop } = await system.start(lab, directory, order)
  cleanup.defer(stop)
  await prepare(participants, order)
  await pause(SETTLE_MS)
  const wideArea = cleanup.use(new WideArea(lab, order.sites, system.statePort))
  const idle = await measure(wideArea, order, order.idleSeconds, () => Promise.resolve())
  const cpuBefore = cpuOf(lab)
  for (const participant of participants) await participant.take()
  const busy = await measure(wideArea, order, order.seconds, (startMs) => playAll(participants, order, startMs))
  const cpu = cpuOf(lab)
  await pause(ARRIVE_MS)
  const diaries = await Promise.all(participants.map((participant) => participant.take()))
  const cpuSites = sumOf(lab.hosts.filter((host) => host !== CORE).map((host) => (cpu.get(host) ?? 0) - (cpuBefore.get(host) ?? 0)))
  return {
    system: system.name,
    kinds: order.kinds,
    shape: { sites: order.sites, nodes: order.nodes },
    busy,
    idle,
    ...deliveriesIn(participants, diaries, order),
    cpuSecondsCore: (cpu.get(CORE) ?? 0) - (cpuBefore.get(CORE) ?? 0),
    cpuSecondsPerSite: cpuSites / order.sites,
    faults: diaries.flatMap(({ faults }) => faults),
    lateMs: Math.max(...diaries.map(({ lateMs }) => lateMs)),
  }
}

/** The core writes what was there before; all sites show it. */
async function prepare(participants: readonly Participant[], { changes, kinds, sites }: SyncOrder): Promise<void> {
  const before = changes.filter(({ atMs, kind, site }) => atMs < 0 && kinds.includes(kind) && (site ?? 0) < sites)
  await participants[0]?.prepare(before)
  const lacking = new Map(
    participants
      .filter(({ site }) => site !== undefined)
      .map((participant) => {
        const wanted = before.filter(({ kind, site }) => kind !== 'vital' && (site ?? participant.site) === participant.site)
        return [participant, new Set(wanted.map(({ kind, site, key, value }) => identityOf(kind, site, key, value)))]
      }),
  )
  for (const until = performance.now() + READY_MS_MAX; performance.now() < until; await pause(LOOK_MS)) {
    for (const [participant, identities] of lacking) {
      for (const [identity] of (await participant.take()).saw) identities.delete(identity)
      if (identities.size === 0) lacking.delete(participant)
    }
    if (lacking.size === 0) return
  }
  throw new Error(`${lacking.size} places do not show what was there before, after ${READY_MS_MAX / 1000} s`)
}

/** Bytes per site and minute while `action` runs, but for so many seconds. */
async function measure(
  wideArea: WideArea,
  { sites }: FleetShape,
  seconds: number,
  action: (startMs: number) => Promise<unknown>,
): Promise<WideAreaReading> {
  const startMs = monotonicMs() + LEAD_MS
  const done = action(startMs)
  await pause(LEAD_MS)
  const [before, beganMs] = [await wideArea.read(), monotonicMs()]
  await pause(seconds * 1000)
  const [after, endedMs] = [await wideArea.read(), monotonicMs()]
  await done
  const rate = 60_000 / (endedMs - beganMs) / sites
  const between = (a: Traffic, b: Traffic): Traffic => ({
    wire: times(less(a.wire, b.wire), rate),
    payload: times(less(a.payload, b.payload), rate),
  })
  // The rate is that of one site of all.
  const bySite = after.bySite.map((bytes, site) => (bytes - (before.bySite[site] ?? 0)) * rate * sites)
  return { all: between(after.all, before.all), state: between(after.state, before.state), bySite }
}

async function playAll(participants: readonly Participant[], { changes, kinds, seconds }: SyncOrder, startMs: number): Promise<void> {
  const live = changes.filter(({ atMs, kind }) => atMs >= 0 && atMs < seconds * 1000 && kinds.includes(kind))
  await Promise.all(
    participants.map((participant) =>
      participant.play(
        live.filter((change) => writes(participants, participant, change)),
        startMs,
      ),
    ),
  )
}

/** A node that is no process of its own is spoken for by one that is. */
function writes(participants: readonly Participant[], { site, node }: Participant, change: Change): boolean {
  if (change.node === undefined) return site === undefined
  if (site === undefined || site !== change.site) return false
  const processes = participants.filter((other) => other.site === site).length
  return change.node % processes === node
}

function deliveriesIn(
  participants: readonly Participant[],
  diaries: readonly Diary[],
  { changes, kinds, seconds, sites }: SyncOrder,
): Pick<SyncOutcome, 'delaysUp' | 'delaysDown' | 'deliveredRatio'> {
  const wroteAt = new Map(diaries.flatMap(({ wrote }) => [...wrote]))
  const [delaysUp, delaysDown]: [number[], number[]] = [[], []]
  let [wanted, arrived] = [0, 0]
  const live = changes.filter(({ atMs, kind, site }) => atMs >= 0 && atMs < seconds * 1000 && kinds.includes(kind) && (site ?? 0) < sites)
  for (const [index, { site: place }] of participants.entries()) {
    const direction = place === undefined ? 'up' : 'down'
    const sawAt = new Map(diaries[index]?.saw)
    for (const change of live) {
      if (change.kind === 'vital' || !crosses(change, direction) || (change.site ?? place) !== (place ?? change.site)) continue
      const identity = identityOf(change.kind, change.site, change.key, change.value)
      const [from, to] = [wroteAt.get(identity), sawAt.get(identity)]
      wanted++
      if (from === undefined || to === undefined) continue
      arrived++
      ;(direction === 'up' ? delaysUp : delaysDown).push(to - from)
    }
  }
  const vitals = live.filter(({ kind }) => kind === 'vital').length
  const came = Math.min(vitals, diaries[0]?.vitals ?? 0)
  return { delaysUp, delaysDown, deliveredRatio: (arrived + came) / (wanted + vitals) }
}

function cpuOf(lab: Lab): ReadonlyMap<string, number> {
  return new Map(lab.hosts.map((host) => [host, cpuSecondsOf(lab, host)]))
}
