/**
 * The demo from start to end: a network, the scenes, the figures, and whatever happens everything ended again.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ANSWER_NO, DONE } from '../fault.ts'
import { type Format, isTable, print, renderDocument } from '../output.ts'
import { bytes, milliseconds } from '../quantity.ts'
import { DemoNetwork } from './demo-network.ts'
import { planetLabDelays } from './planetlab-delays.ts'
import { playCut, playHubKill } from './scene-flow.ts'
import { playHeal } from './scene-heal.ts'
import { playReplicate } from './scene-replicate.ts'
import { playRestart } from './scene-restart.ts'
import type { Play, Stage } from './scene.ts'
import { planTopology, type Topology } from './topology.ts'
import { DemoView } from './view.ts'

/** How long the network is left alone to see what it costs when nothing happens. */
const REST_MS = 5000
export const INTERRUPTED = 130

export interface DemoOptions {
  readonly hubs: number
  readonly sites: number
  readonly nodes: number
  /** How long each flow of messages runs. */
  readonly seconds: number
  readonly seed: number
  readonly stay?: boolean
  readonly output: Format
}

export async function runDemo(options: DemoOptions): Promise<number> {
  const topology = planTopology(options, planetLabDelays(options))
  const view = new DemoView(isTable(options.output) ? process.stdout : process.stderr)
  const network = new DemoNetwork(topology)
  const interrupted = new Promise<'interrupted'>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve('interrupted'))
  })
  try {
    introduce(view, options, topology)
    const playing = play(network, view, options)
    const outcome = await Promise.race([playing, interrupted])
    if (outcome === 'interrupted') {
      // What is half done fails when its nodes go; nobody waits for it.
      view.line('')
      view.line('Interrupted: ending every process.')
      view.silence()
      playing.catch(() => undefined)
      return INTERRUPTED
    }
    view.end()
    if (!isTable(options.output)) print(await renderDocument(options.output, rounded(outcome)))
    if (options.stay) {
      stayTuned(view, network)
      await interrupted
    }
    return outcome.ok ? DONE : ANSWER_NO
  } finally {
    view.say('ending every process')
    await network.close()
    view.end()
  }
}

/** All scenes in turn; the figures as they are printed with `-o json`. */
async function play(network: DemoNetwork, view: DemoView, options: DemoOptions): Promise<{ readonly ok: boolean }> {
  const started = performance.now()
  const count = network.topology.nodes.length
  await network.start((done, what) => view.say(`${done} of ${count} nodes ${what}`))
  const startSeconds = (performance.now() - started) / 1000
  view.result({ title: 'network up', held: true, line: `${count} processes, started and linked in ${startSeconds.toFixed(1)} s` })

  const measuredFrom = performance.now()
  const bytesAtStart = await network.siteBytes()
  const stage: Stage = { network, flowSeconds: options.seconds, say: (what) => view.say(what) }
  let ok = true
  /** A scene that breaks has not held; the others are still worth seeing. */
  const show = async <Figures>(title: string, scene: Play<Figures>): Promise<Figures | { readonly error: string }> => {
    try {
      const { figures, held, line, details } = await scene(stage)
      ok &&= held
      view.result({ title, held, line })
      if (details) view.details(details)
      view.say('waiting until every link is up again')
      await network.whole()
      return figures
    } catch (error) {
      ok = false
      const reason = error instanceof Error ? error.message : String(error)
      view.result({ title, held: false, line: reason })
      await network.healAll()
      return { error: reason }
    }
  }
  const replicate = await show('config to every node', playReplicate)
  const atRest = await bytesOver(network, () => {
    view.say('leaving the network alone, to see what it costs at rest')
    return sleep(REST_MS)
  })
  const cut = await show('link in use cut', playCut)
  const hubKill = await show('hub in use killed', playHubKill)
  const heal = await show('site cut off, healed', playHeal)
  const restart = await show('node killed, restarted', playRestart)

  const minutes = (performance.now() - measuredFrom) / 60_000
  const sitesBytes = difference(await network.siteBytes(), bytesAtStart)
  const bytesPerSite = Math.round(mean(sitesBytes))
  const bytesPerSitePerMinute = { atRest: Math.round((mean(atRest) * 60_000) / REST_MS), overall: Math.round(bytesPerSite / minutes) }
  view.fact(
    'cloud–edge traffic',
    `per site and minute: ${bytes(bytesPerSitePerMinute.atRest)} at rest, ${bytes(bytesPerSitePerMinute.overall)} over all of this`,
  )
  const seconds = (performance.now() - started) / 1000
  view.line('')
  view.line(ok ? `All of it held. ${seconds.toFixed(0)} s.` : `Not all of it held: see ✗ above. ${seconds.toFixed(0)} s.`)
  const { hubs, sites, nodes, seed } = options
  const traffic = { bytesPerSite, bytesPerSitePerMinute, sitesBytes }
  return {
    hubs,
    sites,
    nodes,
    seed,
    seconds,
    startSeconds,
    replicate,
    cut,
    hubKill,
    heal,
    restart,
    ...traffic,
    delays: 'emulated',
    ok,
  } as { ok: boolean }
}

function introduce(view: DemoView, options: DemoOptions, { sites, hubs, delayMs }: Topology): void {
  const { length: count } = hubs
  const delays = sites.flatMap((site) => hubs.map(({ name }) => delayMs(site, name)))
  const [least, most] = [Math.min(...delays), Math.max(...delays)].map(milliseconds)
  view.line(
    `Causeway demo: ${count} hubs, ${sites.length} sites of ${options.nodes} nodes; ${count + sites.length * options.nodes} processes on this machine.`,
  )
  view.line(`Between them delays from the PlanetLab matrix, ${least} to ${most} ms one way from site to hub.`)
  view.line('They are emulated on loopback: these are not real links.')
  view.line('')
}

function stayTuned(view: DemoView, network: DemoNetwork): void {
  const [first, second] = network.topology.sites.map((site) => network.nodesOf(site)[0])
  const api = `--api ${first?.api}`
  view.line('')
  view.line('The network stays up until Ctrl-C. Try, in another terminal:')
  view.line('')
  view.line(`  alias causeway='${process.execPath} ${process.argv[1] ?? ''}'`)
  view.line(`  causeway status ${api}`)
  view.line(`  causeway links -w ${api}`)
  view.line(`  causeway paths ${second?.name} ${api}`)
  view.line(`  causeway ping ${second?.name} -c 500 -i 0.01 ${api}`)
  view.line(`  causeway kv watch config --partition global --api ${second?.api}`)
  view.line(`  causeway kv put config/audio/bitrate 48000 --partition global ${api}`)
  view.line('')
  view.line(`Sockets, configs and logs are in ${network.directory}`)
}

/** To a hundredth: more digits of a millisecond mean nothing here. */
function rounded(figures: unknown): unknown {
  const round = (_key: string, value: unknown): unknown => (typeof value === 'number' ? Math.round(value * 100) / 100 : value)
  return JSON.parse(JSON.stringify(figures, round))
}

type SiteBytes = Readonly<Record<string, number>>

async function bytesOver(network: DemoNetwork, during: () => Promise<unknown>): Promise<SiteBytes> {
  const before = await network.siteBytes()
  await during()
  return difference(await network.siteBytes(), before)
}

function difference(after: SiteBytes, before: SiteBytes): SiteBytes {
  return Object.fromEntries(Object.entries(after).map(([site, count]) => [site, count - (before[site] ?? 0)]))
}

function mean(counts: SiteBytes): number {
  const values = Object.values(counts)
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}
