/**
 * What a node has acknowledged is on its disk. A site is cut off from all others; one of its nodes writes and is
 * killed right after the last acknowledgement, and so are its neighbours; it alone is started again, still cut off,
 * and must have every record, since nobody is there who could have told it.
 */
import type { NodeProcess } from './node-process.ts'
import type { Play } from './scene.ts'

const WRITES = 50

export interface RestartFigures {
  readonly node: string
  readonly acknowledged: number
  readonly recovered: number
  /** From the start of the process until its API answered. */
  readonly startMs: number
}

export const playRestart: Play<RestartFigures> = async ({ network, say }) => {
  const { sites } = network.topology
  const site = sites[Math.min(2, sites.length - 1)] ?? ''
  const members = network.nodesOf(site)
  const [victim, ...neighbours] = members as [NodeProcess, ...NodeProcess[]]
  await network.emulator.cut(network.pairsOf(site))
  say(`${victim.name} writes ${WRITES} records, then all of ${site} is killed (SIGKILL)`)
  let acknowledged = 0
  for (let i = 0; i < WRITES; i++) {
    await victim.client.collection('notes').put(`kept-${i}`, { i }, { partition: site })
    acknowledged++
  }
  await Promise.all([victim.kill(), ...neighbours.map((node) => node.kill())])

  say(`${victim.name} starts again, alone and cut off`)
  const started = performance.now()
  await victim.start()
  const startMs = performance.now() - started
  const { items } = await victim.client.collection<{ i: number }>('notes').list({ partition: site })
  const kept = new Map(items.map(({ key, value }) => [key, value]))
  const recovered = Array.from({ length: WRITES }, (_, i) => kept.get(`kept-${i}`)?.i === i).filter(Boolean).length

  say(`${site} comes back`)
  await network.emulator.heal(network.pairsOf(site))
  await Promise.all(neighbours.map((node) => node.start()))
  await Promise.all(members.map((node) => network.linked(node)))
  return {
    held: recovered === acknowledged,
    line: `${recovered} of ${acknowledged} acknowledged writes on its own disk, ${(startMs / 1000).toFixed(1)} s after its start`,
    figures: { node: victim.name, acknowledged, recovered, startMs },
  }
}
