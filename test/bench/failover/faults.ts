/** What is done to the network under a flow, and what came of it. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Lab } from '../../netlab/lab.ts'
import { monotonicMs } from '../flow/flow-talk.ts'
import type { Carriage, Carrier } from './carrier.ts'
import type { Window } from './flow-record.ts'
import { type Place, type WatchedFlow, endsOf, linkOf } from './watched-flow.ts'

export const FAULTS = ['first', 'last', 'middle', 'relay', 'brown-out', 'drain', 'near-gateway', 'far-gateway'] as const
export type Fault = (typeof FAULTS)[number]

/** What people call them. */
export const FAULT_NAMES: Readonly<Record<Fault, string>> = {
  first: 'first link cut',
  last: 'last link cut',
  middle: 'middle link cut',
  relay: 'relay killed',
  'brown-out': '20 % loss',
  drain: 'relay drained',
  'near-gateway': 'own gateway killed',
  'far-gateway': 'far gateway killed',
}

export interface FaultRun {
  readonly fault: Fault
  readonly window: Window
  readonly recovered: boolean
  /** Of a brown-out: how long until the flow had left the link. `null`: it has not. */
  readonly offMs?: number | null
}

export interface Scene {
  readonly lab: Lab
  readonly carrier: Carrier
  readonly carriage: Carriage
  readonly flow: WatchedFlow
}

/** A flow that is over it sooner is watched on for so long. */
const WATCH_MS = 3_000
const LOSS_PERCENT = 20
const BROWN_OUT_MS = 12_000
const SAMPLE_MS = 250
/** A flow is off a link that carries less than this share of what it did, in two samples one after the other. */
const OFF_SHARE = 0.35
/** What the healed flow needs until it has caught up, TCP's own timer included. */
const HEAL_MS_MAX = 60_000

/** Inflicts a fault, watches, and heals it. The network is as before, but not yet at rest. */
export async function inflict(fault: Fault, scene: Scene): Promise<FaultRun> {
  switch (fault) {
    case 'first':
    case 'middle':
    case 'last':
      return linkFalls(fault, scene)
    case 'relay':
    case 'near-gateway':
      return hostDies(fault, endsOf(await scene.flow.linkAt('first'))[1], scene)
    case 'far-gateway':
      return hostDies(fault, endsOf(await scene.flow.linkAt('last'))[0], scene)
    case 'brown-out':
      return brownOut(scene)
    case 'drain':
      return hubDrains(scene)
  }
}

async function linkFalls(place: Place, { lab, carrier, flow }: Scene): Promise<FaultRun> {
  const link = linkOf(await flow.linkAt(place))
  const swallowed = await lab.swallowed(link)
  const faultAt = monotonicMs()
  await lab.cut(link)
  const recovered = await watch(faultAt, { carrier, flow }, () => lab.heal(link))
  if ((await lab.swallowed(link)) === swallowed) throw new Error(`the cut of ${link} met no frame`)
  return { fault: place, ...recovered }
}

async function hostDies(fault: Fault, host: string, { lab, carrier, carriage, flow }: Scene): Promise<FaultRun> {
  const links = lab.neighbours(host).map((peer) => linkOf(`${host}:${peer}`))
  const kill = carriage.kill?.bind(carriage)
  const faultAt = monotonicMs()
  if (kill) await kill(host)
  else for (const link of links) await lab.cut(link)
  const recovered = await watch(faultAt, { carrier, flow }, async () => {
    if (kill) await carriage.revive?.(host)
    else for (const link of links) await lab.heal(link)
  })
  return { fault, ...recovered }
}

/** It has worked if the flow goes another way then. */
async function hubDrains({ carriage, carrier, flow }: Scene): Promise<FaultRun> {
  const before = await flow.linkAt('first')
  const [, hub] = endsOf(before)
  const faultAt = monotonicMs()
  await carriage.drain?.(hub, true)
  const recovered = (await flow.recovers(faultAt, carrier.patienceMs, WATCH_MS)) && (await flow.linkAt('first')) !== before
  const endAt = monotonicMs()
  await carriage.drain?.(hub, false)
  return { fault: 'drain', window: { faultAt, endAt }, recovered }
}

/** Who can only wait is healed after its patience, and has recovered if it then goes on. */
async function watch(
  faultAt: number,
  { carrier, flow }: Pick<Scene, 'carrier' | 'flow'>,
  heal: () => Promise<void>,
): Promise<Pick<FaultRun, 'window' | 'recovered'>> {
  if (carrier.waits) {
    await pause(carrier.patienceMs)
    await heal()
    const recovered = await flow.recovers(faultAt, HEAL_MS_MAX, carrier.patienceMs + WATCH_MS)
    return { recovered, window: { faultAt, endAt: monotonicMs() } }
  }
  const recovered = await flow.recovers(faultAt, carrier.patienceMs, WATCH_MS)
  const endAt = monotonicMs()
  await heal()
  return { recovered, window: { faultAt, endAt } }
}

async function brownOut({ lab, flow }: Scene): Promise<FaultRun> {
  const direction = await flow.linkAt('first')
  const usual = await bytesOver(lab, direction, 4 * SAMPLE_MS)
  const swallowed = await lab.swallowed(direction)
  const faultAt = monotonicMs()
  await lab.set(linkOf(direction), { loss: LOSS_PERCENT })
  let offMs: number | null = null
  for (let quiet: number | null = null; monotonicMs() < faultAt + BROWN_OUT_MS;) {
    const began = monotonicMs()
    const isOff = (await bytesOver(lab, direction, SAMPLE_MS)) < (OFF_SHARE * usual) / 4
    if (isOff && quiet !== null) offMs ??= quiet
    quiet = isOff ? (quiet ?? began - faultAt) : null
    await flow.look()
  }
  const endAt = monotonicMs()
  await lab.set(linkOf(direction), { loss: 0 })
  if ((await lab.swallowed(direction)) === swallowed) throw new Error(`the loss on ${direction} met no frame`)
  const recovered = await flow.recovers(endAt, HEAL_MS_MAX, 0)
  return { fault: 'brown-out', window: { faultAt, endAt }, recovered, offMs }
}

async function bytesOver(lab: Lab, direction: string, ms: number): Promise<number> {
  const before = (await lab.carried()).get(direction) ?? 0
  await pause(ms)
  return ((await lab.carried()).get(direction) ?? 0) - before
}
