/**
 * Two faults under a running flow: the link in use is cut without a word, and the hub in use is killed. Both must
 * cost a few round trips and not one message.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { CausewayError } from '@causeway/protocol'
import type { DemoNetwork } from './demo-network.ts'
import { Flow, type FlowFigures, flowFigures, flowHeld, flowLine } from './flow.ts'
import type { NodeProcess } from './node-process.ts'
import type { Play, Stage } from './scene.ts'
import { routeDelayMs } from './topology.ts'

/** The flow runs this long before the fault. */
const SETTLE_MS = 2000

export interface CutFigures extends FlowFigures {
  readonly link: string
  /** Chunks and datagrams that met the cut: it did happen. */
  readonly swallowed: number
}

export interface HubKillFigures extends FlowFigures {
  readonly hub: string
}

export const playCut: Play<CutFigures> = async (stage) => {
  const { network, say } = stage
  const { flow, uplink, answered } = await settledFlow(stage)
  const swallowedBefore = await swallowed(network)
  await network.emulator.cut([uplink.pair])
  say(`link ${uplink.pair.join(' – ')} is cut, silently; messages go on`)
  await flow.done
  const met = (await swallowed(network)) - swallowedBefore
  const figures = {
    link: uplink.pair.join(' – '),
    swallowed: met,
    ...flowFigures(flow, answered, await paths(network, flow, uplink.path.hops)),
  }
  await network.emulator.heal([uplink.pair])
  return { held: flowHeld(figures) && met > 0, line: flowLine(figures), figures }
}

export const playHubKill: Play<HubKillFigures> = async (stage) => {
  const { network, say } = stage
  const { flow, uplink, answered } = await settledFlow(stage)
  const hub = network.node(uplink.hub)
  await hub.kill()
  say(`${hub.name} is killed (SIGKILL); messages go on`)
  await flow.done
  const figures = { hub: hub.name, ...flowFigures(flow, answered, await paths(network, flow, uplink.path.hops)) }
  say(`${hub.name} starts again`)
  await hub.start()
  await network.linked(hub)
  return { held: flowHeld(figures), line: flowLine(figures), figures }
}

/** A flow that has run for a while, and the uplink it uses now. */
async function settledFlow({ network, flowSeconds, say }: Stage): Promise<{
  flow: Flow
  uplink: NonNullable<Awaited<ReturnType<Flow['uplink']>>>
  answered: number
}> {
  const { sites } = network.topology
  const source = await gatewayOf(network, sites[1 % sites.length] ?? '')
  const target = await gatewayOf(network, sites.at(-2) === source.spec.site ? (sites[0] ?? '') : (sites.at(-2) ?? ''))
  say(`100 messages/s from ${source.name} to ${target.name}`)
  const flow = new Flow(source, target, flowSeconds)
  await Promise.race([sleep(SETTLE_MS), flow.done])
  const uplink = await flow.uplink(network)
  if (!uplink || flow.replies.length === 0) {
    const why = flow.fault instanceof Error ? `: ${flow.fault.message}` : ''
    throw new CausewayError(
      'unreachable',
      `no message from ${source.name} to ${target.name} was answered${why}`,
      'see "causeway paths" on it',
    )
  }
  return { flow, uplink, answered: flow.replies.length }
}

/** The path before and the path in use now, and how much longer that is. */
async function paths(
  { topology }: DemoNetwork,
  flow: Flow,
  pathBefore: readonly string[],
): Promise<Pick<FlowFigures, 'pathBefore' | 'pathAfter' | 'detourMs'>> {
  const pathAfter = (await flow.path())?.hops ?? []
  const [before, after] = [pathBefore, pathAfter].map((hops) => routeDelayMs(topology, flow.source.name, hops))
  return { pathBefore, pathAfter, detourMs: (after ?? 0) - (before ?? 0) }
}

async function gatewayOf(network: DemoNetwork, site: string): Promise<NodeProcess> {
  const members = network.nodesOf(site)
  const { gateway } = await (members[0] as NodeProcess).client.status()
  return members.find(({ name }) => name === gateway) ?? (members[0] as NodeProcess)
}

async function swallowed(network: DemoNetwork): Promise<number> {
  return (await network.emulator.traffic()).reduce((sum, link) => sum + link.swallowed, 0)
}
