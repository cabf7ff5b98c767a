/**
 * What a program's channel suffers when the network under it fails, in namespaces, with everything at its defaults:
 * nothing lost, nothing twice, nothing out of order. How long the silence is at most is asserted generously, because the
 * machine may be busy; `pnpm bench failover` measures it.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Outcome, runCarrier } from '../bench/failover/carrier-run.ts'
import { CAUSEWAY } from '../bench/failover/carriers/causeway.ts'
import { FAULT_NAMES, type Fault } from '../bench/failover/faults.ts'
import { Fleet } from './fleet.ts'
import { Lab, labMissing } from './lab.ts'
import { eventually } from '../e2e/eventually.ts'

const GAP_MS_MAX = 2_000
const RUN_MS_MAX = 300_000
const SITES = ['a', 'b', 'c']
const HUBS = ['h1', 'h2', 'h3', 'h4']
const PINGS = 20

const missing = labMissing()
if (missing !== undefined) say(`failover is not tested: ${missing}`)

describe.skipIf(missing !== undefined)('a channel of 100 messages a second', () => {
  async function suffers(...faults: readonly Fault[]): Promise<void> {
    const outcomes = await runCarrier(CAUSEWAY, 1, faults)
    for (const outcome of outcomes) say(lineOf(outcome))
    expect(outcomes).toHaveLength(faults.length)
    for (const { fault, recovered, lost, duplicated, reordered, gapMs, sent } of outcomes) {
      expect({ fault, recovered, lost, duplicated, reordered }).toEqual({ fault, recovered: true, lost: 0, duplicated: 0, reordered: 0 })
      expect(sent).toBeGreaterThan(200)
      expect(gapMs, `the silence after: ${FAULT_NAMES[fault]}`).toBeLessThan(GAP_MS_MAX)
    }
  }

  test(
    'survives silent cuts of its first and last link, and the end of its relay',
    () => suffers('first', 'last', 'relay', 'drain'),
    RUN_MS_MAX,
  )

  test('survives a silent cut between two hubs', () => suffers('middle'), RUN_MS_MAX)

  test('survives the death of the gateway at either end', () => suffers('near-gateway', 'far-gateway'), RUN_MS_MAX)
})

/** Every site has a link to each of four hubs. */
describe.skipIf(missing !== undefined)('three of four hubs dead', () => {
  let lab: Lab
  let fleet: Fleet

  beforeAll(async () => {
    const uplinks = SITES.flatMap((site) => HUBS.map((hub, index) => `link ${site} ${hub} delay=${5 + 5 * index}`))
    const mesh = HUBS.flatMap((hub, index) => HUBS.slice(index + 1).map((other) => `link ${hub} ${other} delay=5`))
    lab = await Lab.up([...uplinks, ...mesh])
    fleet = new Fleet(lab)
    await fleet.start()
  })

  afterAll(async () => {
    await fleet?.close()
    await lab?.down()
  })

  test('every pair of sites still talks', async () => {
    const pairs = SITES.flatMap((from) => SITES.filter((to) => to !== from).map((to) => [from, to] as const))
    await Promise.all(SITES.flatMap((site) => HUBS.map((hub) => fleet.linkIs(site, hub, 'up', 60_000))))
    for (const [from, to] of pairs) {
      await eventually(
        `${from} knows a way to ${to} over each hub`,
        async () => (await fleet.at(from).paths(to)).paths.length === HUBS.length,
      )
    }
    const flows = pairs.map(async ([from, to]) => {
      let replies = 0
      for await (const _reply of fleet.at(from).ping(to, { count: PINGS, intervalMs: 200 })) replies++
      return { from, to, replies }
    })
    for (const hub of HUBS.slice(0, 3)) await fleet.kill(hub)
    expect(await Promise.all(flows)).toEqual(pairs.map(([from, to]) => ({ from, to, replies: PINGS })))
    for (const [from, to] of pairs) {
      const hops = await eventually(`${from} goes to ${to} over the hub that is left`, async () => {
        const { hops, state } = await fleet.activePath(from, to)
        return state === 'up' && hops
      })
      expect(hops).toEqual([HUBS[3], to])
    }
  })
})

function lineOf({ fault, gapMs, rttMs, sent, lost, duplicated, reordered }: Outcome): string {
  const counts = `of ${sent}: ${lost} lost, ${duplicated} twice, ${reordered} out of order`
  return `${FAULT_NAMES[fault]}: silent for ${gapMs.toFixed(0)} ms at ${rttMs.toFixed(0)} ms round trip; ${counts}`
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
