/**
 * A whole site cut off: it says so, goes on reading and writing, and so does everybody else, some of them the same
 * records. After the heal all must agree, nothing that only one side wrote may be missing, and of two writes to one
 * record the later must have won.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { milliseconds } from '../quantity.ts'
import type { NodeProcess } from './node-process.ts'
import type { Play } from './scene.ts'

const OWN_WRITES = 10
const SHARED_WRITES = 6
const CUT_OFF_MS_MAX = 15_000
const CONVERGE_MS_MAX = 30_000

export interface HealFigures {
  readonly site: string
  /** From the cut until the site's own nodes said that it is cut off; `null` if they never did. */
  readonly cutOffSeenMs: number | null
  readonly writesInside: number
  readonly writesOutside: number
  /** Records that were written on both sides. */
  readonly contested: number
  /** From the heal until all looked at agreed; `null` if they did not in 30 s. */
  readonly convergedMs: number | null
  /** Records on which the sides disagree, that are missing, or whose winner is not the later write. */
  readonly conflictsLost: number
}

/** A record's place and the value that it must have in the end. */
type Expected = Map<string, { readonly collection: string; readonly partition: string; readonly key: string; readonly value: string }>

export const playHeal: Play<HealFigures> = async ({ network, say }) => {
  const { sites, hubs } = network.topology
  const site = sites.at(-1) ?? ''
  const inside = network.nodesOf(site)
  const outside = network.nodesOf(sites[0] ?? '')
  const watchedNodes = [...inside, ...outside, ...hubs.map(({ name }) => network.node(name))]

  const cutAt = performance.now()
  await network.emulator.cut(network.pairsOf(site))
  say(`${site} is cut off from every hub`)
  const noticed = await Promise.all(inside.map((node) => node.when(({ cutOff }) => cutOff, CUT_OFF_MS_MAX)))
  const cutOffSeenMs = noticed.every(Boolean) ? performance.now() - cutAt : null

  say(`${site} and the others write on, some of it the same records`)
  const expected = await writeOnBothSides(inside[0] as NodeProcess, outside[0] as NodeProcess)
  const healedAt = performance.now()
  await network.emulator.heal(network.pairsOf(site))
  say(`${site} is back; waiting for all to agree`)
  let wrong = await disagreements(watchedNodes, expected)
  while (wrong > 0 && performance.now() - healedAt < CONVERGE_MS_MAX) {
    await sleep(50)
    wrong = await disagreements(watchedNodes, expected)
  }
  const figures: HealFigures = {
    site,
    cutOffSeenMs,
    writesInside: OWN_WRITES + SHARED_WRITES,
    writesOutside: OWN_WRITES + SHARED_WRITES,
    contested: SHARED_WRITES,
    convergedMs: wrong === 0 ? performance.now() - healedAt : null,
    conflictsLost: wrong,
  }
  return {
    held: figures.convergedMs !== null && wrong === 0 && cutOffSeenMs !== null,
    line: `knew it after ${milliseconds(cutOffSeenMs)} ms; wrote on; all equal ${milliseconds(figures.convergedMs)} ms after the heal; ${wrong} records wrong`,
    figures,
  }
}

/** Each side its own records, and both the same ones: the side that writes later takes turns. */
async function writeOnBothSides(inside: NodeProcess, outside: NodeProcess): Promise<Expected> {
  const expected: Expected = new Map()
  const write = async (node: NodeProcess, collection: string, partition: string, key: string): Promise<void> => {
    const value = `by ${node.name}`
    await node.client.collection(collection).put(key, value, { partition })
    expected.set(`${collection}/${partition}/${key}`, { collection, partition, key, value })
  }
  for (let i = 0; i < OWN_WRITES; i++) {
    await Promise.all([inside, outside].map((node) => write(node, 'notes', node.spec.site, `own-${i}`)))
  }
  for (let i = 0; i < SHARED_WRITES; i++) {
    const [earlier, later] = i % 2 === 0 ? [inside, outside] : [outside, inside]
    await write(earlier, 'config', 'global', `demo/both-${i}`)
    // The two stamps come from one wall clock here; a few milliseconds put them in order beyond doubt.
    await sleep(5)
    await write(later, 'config', 'global', `demo/both-${i}`)
  }
  return expected
}

/** Records that are not, at every node, what they must be, or of different revisions. */
async function disagreements(nodes: readonly NodeProcess[], expected: Expected): Promise<number> {
  const wanted = [...expected.values()]
  const collections = [...new Set(wanted.map(({ collection }) => collection))]
  const partitions = [...new Set(wanted.map(({ collection, partition }) => `${collection}/${partition}`))]
  const views = await Promise.all(
    nodes.map(async (node) => {
      const records = new Map<string, { readonly value: unknown; readonly revision: string }>()
      for (const collection of collections) {
        for (const partition of partitions.filter((place) => place.startsWith(`${collection}/`))) {
          const list = await node.client
            .collection(collection)
            .list({ partition: partition.slice(collection.length + 1) })
            .catch(() => undefined)
          for (const record of list?.items ?? []) records.set(`${partition}/${record.key}`, record)
        }
      }
      return records
    }),
  )
  return [...expected].filter(([place, { value }]) => {
    const records = views.map((view) => view.get(place))
    return records.some((record) => record?.value !== value || record.revision !== records[0]?.revision)
  }).length
}
