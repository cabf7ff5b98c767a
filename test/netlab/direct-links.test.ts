/**
 * Two sites that are near each other and far from the hub: what they have to say to each other goes over the hub until they
 * have linked directly, and again while that link is cut.
 *
 *     a ── 5 ms ── b        h is 20 ms from either; only b says where it can be dialled
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../e2e/eventually.ts'
import { Fleet } from './fleet.ts'
import { Lab, labMissing } from './lab.ts'
import { SteadyFlow } from './steady-flow.ts'

const LINKS = ['link a h delay=20', 'link b h delay=20', 'link a b delay=5']
const SETTINGS = { limits: { directAfterMs: 1_000 } }
const FLOW_SECONDS = 40
const UP_MS_MAX = 30_000
/** A window of 10 s, the link, and 3 s of being better. */
const DIRECT_MS_MAX = 40_000
/** A dial into the cut may be under way, and another pause follows. */
const RETURN_MS_MAX = 30_000
/** Generous, since the machine may be busy. */
const GAP_MS_MAX = 2_000

const missing = labMissing()
if (missing !== undefined) say(`direct links are not tested: ${missing}`)

describe.skipIf(missing !== undefined)('two sites near each other and far from the hub', () => {
  let lab: Lab
  let fleet: Fleet

  beforeAll(async () => {
    lab = await Lab.up(LINKS)
    fleet = new Fleet(lab, undefined, SETTINGS)
    await fleet.prepare()
    const config = JSON.parse(readFileSync(fleet.configPath('b'), 'utf8')) as object
    writeFileSync(fleet.configPath('b'), JSON.stringify({ ...config, announce: [`${lab.address('b', 'a')}:7400`] }))
    for (const host of ['h', 'a', 'b']) await fleet.launch(host)
    await Promise.all(['a', 'b'].map((host) => fleet.linkIs(host, 'h', 'up', UP_MS_MAX)))
  })

  afterAll(async () => {
    await fleet?.close()
    await lab?.down()
  })

  async function pathIs(from: string, ...hops: readonly string[]): Promise<void> {
    const to = hops.at(-1) ?? ''
    const is = async (): Promise<boolean> => (await fleet.activePath(from, to)).hops.join() === hops.join()
    await eventually(`${from} goes over ${hops.join(' > ')}`, is, DIRECT_MS_MAX + RETURN_MS_MAX)
  }

  test('a steady flow moves to the link between them, off it when that is cut, and back', { timeout: 180_000 }, async () => {
    const flow = new SteadyFlow(fleet.at('a'), 'b', FLOW_SECONDS)
    await pathIs('a', 'h', 'b')
    await pathIs('a', 'b')
    await pathIs('b', 'a')
    expect((await fleet.at('a').status()).uplinks.map(({ hub }) => hub)).toEqual(['h'])
    const { use, candidates } = await fleet.at('a').why('a', 'b')
    expect([use?.paths.find(({ active }) => active)?.hops, candidates.map(({ hops }) => hops)]).toEqual([['b'], [['h', 'b']]])
    flow.faultComes()
    const swallowed = await lab.swallowed('a-b')
    await lab.cut('a-b')
    await pathIs('a', 'h', 'b')
    await fleet.linkIs('a', 'b', 'down', RETURN_MS_MAX)
    expect(await lab.swallowed('a-b')).toBeGreaterThan(swallowed)
    await lab.heal('a-b')
    await pathIs('a', 'b')
    const { lost, duplicated, misplaced, gapMs, rttMs } = await flow.figures()
    say(`direct link cut: silent for ${gapMs.toFixed(0)} ms at ${rttMs.toFixed(0)} ms round trip`)
    expect({ lost, duplicated, misplaced }).toEqual({ lost: 0, duplicated: 0, misplaced: 0 })
    expect(gapMs).toBeLessThan(GAP_MS_MAX)
  })
})

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
