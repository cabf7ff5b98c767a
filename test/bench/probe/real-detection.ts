/**
 * The same as the simulated detection with real daemons, sockets and clocks: edges in namespaces, each with one link to
 * one hub, cut in rounds; from the cut to the `link-down` event at either end.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { eventually } from '../../e2e/eventually.ts'
import type { Fleet } from '../../netlab/fleet.ts'
import type { Lab } from '../../netlab/lab.ts'
import { type Judgement, type Measured, type Row, judge } from '../bench.ts'
import { maxOf, quantileOf } from '../statistics.ts'
import { inFleet } from './in-lab.ts'
import type { ProbeSettings } from './probe-bench.ts'
import { detectionBoundMs } from './simulated-detection.ts'
import { WAYS, type Way } from './simulated-link.ts'
import { keepBusy } from './traffic.ts'

const EDGES = 6
const HUB = 'h1'
const DELAY_MS = 10
const SETTLE_MS = 6_000
const UP_MS_MAX = 40_000
/** After this the last event has been reported. */
const WATCH_MS = 3_500
/** Cuts of one round are so far apart on average, that the hub does not meet them all at once. */
const APART_MS = 150

interface Case {
  readonly inUse: boolean
  readonly way: Way
}

interface Fall {
  readonly nearMs: number | null
  readonly farMs: number | null
}

const CASES: readonly Case[] = [true, false].flatMap((inUse) => WAYS.map((way) => ({ inUse, way })))

export function measureRealDetection({ repetitions }: ProbeSettings): Promise<Measured> {
  const edges = Array.from({ length: EDGES }, (_, index) => `e${index + 1}`)
  const links = edges.map((edge) => `link ${edge} ${HUB} delay=${DELAY_MS}`)
  return inFleet(links, async (lab, fleet) => reportOf(await cutInRounds(lab, fleet, edges, repetitions)))
}

type Falls = ReadonlyMap<Case, readonly Fall[]>

async function cutInRounds(lab: Lab, fleet: Fleet, edges: readonly string[], repetitions: number): Promise<Falls> {
  const falls = new Map<Case, Fall[]>(CASES.map((each) => [each, []]))
  for (let round = 0; round < repetitions; round++) {
    // Each edge has another case in each round, lest one edge stand for one case.
    const cuts = edges.map((edge, index) => ({ edge, kind: CASES[(index + round) % CASES.length] as Case }))
    for (const { edge, fall } of await cutAll(lab, fleet, cuts)) falls.get(edge.kind)?.push(fall)
  }
  return falls
}

interface Cut {
  readonly edge: string
  readonly kind: Case
}

async function cutAll(lab: Lab, fleet: Fleet, cuts: readonly Cut[]): Promise<{ edge: Cut; fall: Fall }[]> {
  await Promise.all(cuts.map(({ edge }) => bothUp(fleet, edge)))
  const traffic = cuts.filter(({ kind }) => kind.inUse).map(({ edge }) => keepBusy(fleet, edge, HUB))
  try {
    await pause(SETTLE_MS)
    const cutAt = new Map<Cut, number>()
    for (const cut of cuts) {
      await pause(2 * APART_MS * Math.random())
      cutAt.set(cut, await silence(lab, cut))
    }
    await pause(WATCH_MS)
    const fallen: { edge: Cut; fall: Fall }[] = []
    for (const [cut, at] of cutAt) {
      const fall = { nearMs: await fallOf(fleet, cut.edge, HUB, at), farMs: await fallOf(fleet, HUB, cut.edge, at) }
      fallen.push({ edge: cut, fall })
    }
    return fallen
  } finally {
    for (const flow of traffic) flow[Symbol.dispose]()
    await lab.heal('all')
  }
}

async function bothUp(fleet: Fleet, edge: string): Promise<void> {
  await fleet.linkIs(edge, HUB, 'up', UP_MS_MAX)
  await fleet.linkIs(HUB, edge, 'up', UP_MS_MAX)
  await eventually(`${edge} is answered over UDP`, async () => (await fleet.link(edge, HUB))?.evidence === 'both')
}

/** Cuts, and returns the wall clock of it. */
async function silence(lab: Lab, { edge, kind }: Cut): Promise<number> {
  const names = { both: `${edge}-${HUB}`, forward: `${edge}:${HUB}`, backward: `${HUB}:${edge}` }
  await lab.cut(names[kind.way])
  return Date.now()
}

/** How long after `cutAt` the node found its link down, ms. */
async function fallOf(fleet: Fleet, host: string, peer: string, cutAt: number): Promise<number | null> {
  const events = await fleet.events(host, cutAt)
  const fall = events.find(({ name, data }) => name === 'link-down' && data['peer'] === peer)
  return fall ? fall.at - cutAt : null
}

function reportOf(falls: Falls): Measured {
  const rows: Row[] = []
  const judgements: Judgement[] = []
  for (const [{ inUse, way }, times] of falls) {
    const use = inUse ? 'in use' : 'idle'
    const bound = detectionBoundMs({ inUse, rttMs: 2 * DELAY_MS })
    const near = times.flatMap(({ nearMs }) => nearMs ?? [])
    const far = times.flatMap(({ farMs }) => farMs ?? [])
    const missed = 2 * times.length - near.length - far.length
    for (const [end, own] of Object.entries({ near, far })) {
      judgements.push(judge(`${use}, cut ${way}, ${end} end, p50`, quantileOf(own, 0.5), bound.p50, 'ms'))
    }
    judgements.push(judge(`${use}, cut ${way}, cuts not noticed`, missed, 0, 'cuts'))
    rows.push({
      use,
      rttMs: 2 * DELAY_MS,
      cut: way,
      cuts: times.length,
      nearMsP50: quantileOf(near, 0.5),
      nearMsMax: maxOf(near),
      farMsP50: quantileOf(far, 0.5),
      farMsMax: maxOf(far),
      missed,
      boundMsP50: bound.p50,
      boundMsP99: bound.p99,
    })
  }
  const values = (key: string): (number | null)[] => rows.map((row) => row[key] as number | null)
  const chart = {
    title: 'Silent cut to down, real daemons in namespaces, round trip 20 ms',
    unit: 'ms',
    categories: rows.map((row) => `${String(row['use'])} ${String(row['cut'])}`),
    bars: ['near', 'far'].flatMap((end) =>
      ['P50', 'Max'].map((at) => ({ name: `${end} ${at.toLowerCase()}`, values: values(`${end}Ms${at}`) })),
    ),
    marks: [{ name: 'bound p99', values: values('boundMsP99') }],
  }
  const notes = ['near is the edge, which probes; the clock stops at the link-down event of the node’s log of events']
  return { columns: COLUMNS, rows, judgements, notes, charts: [chart] }
}

const COLUMNS = [
  { key: 'use', head: 'USE' },
  { key: 'rttMs', head: 'RTT ms' },
  { key: 'cut', head: 'CUT' },
  { key: 'cuts', head: 'CUTS' },
  { key: 'nearMsP50', head: 'NEAR p50 ms' },
  { key: 'nearMsMax', head: 'max' },
  { key: 'farMsP50', head: 'FAR p50 ms' },
  { key: 'farMsMax', head: 'max' },
  { key: 'missed', head: 'NOT NOTICED' },
  { key: 'boundMsP50', head: 'BOUND p50' },
  { key: 'boundMsP99', head: 'p99' },
]
