/**
 * What is measured is what is there: daemons and the probe tool on links that are known, in network namespaces.
 *
 *     a ── 25 ± 3 ms ── h1        a ── 15 ms ── h2, h3, h4        a loses 3 % of what h1 sends it, h1 nothing
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mainPath } from '../e2e/command-line.ts'
import { eventually } from '../e2e/eventually.ts'
import { Fleet } from './fleet.ts'
import { Lab, labMissing } from './lab.ts'

const HUBS = ['h1', 'h2', 'h3', 'h4'] as const
const JITTERY = { delayMs: 25, jitterMs: 3, lossPercent: 3 }
const LINKS = [
  `link a h1 delay=${JITTERY.delayMs} jitter=${JITTERY.jitterMs}`,
  ...['h2', 'h3', 'h4'].map((hub) => `link a ${hub} delay=15`),
  ...['h1 h2', 'h1 h3', 'h1 h4', 'h2 h3', 'h2 h4', 'h3 h4'].map((pair) => `link ${pair} delay=5`),
]
const CAUSEWAY = [process.execPath, mainPath()]
const STAMP_PORT = 18_862
/** E|D| of RFC 3550 where delays are uniform between ± j: the mean distance of two of them is 2j/3. */
const EXPECTED_JITTER_MS = (2 * JITTERY.jitterMs) / 3
const PROBES = 600
const PROBE_SECONDS = '0.02'
/** A stopped process must be missed, but its links must not be given up. */
const STOPPED_MS = 2_000

const missing = labMissing()
if (missing !== undefined) say(`measuring in network namespaces is not tested: ${missing}`)

describe.skipIf(missing !== undefined)('measuring', () => {
  let lab: Lab
  let fleet: Fleet

  beforeAll(async () => {
    lab = await Lab.up(LINKS)
    fleet = new Fleet(lab)
    await fleet.start()
    await eventually('all links of a are up', async () => (await fleet.at('a').status()).links === HUBS.length)
  })

  afterAll(async () => {
    await fleet?.close()
    await lab?.down()
  })

  test('the probe tool tells round trip, jitter, and loss in its direction', async () => {
    const log = join(fleet.directory, 'reflect.log')
    const reflector = lab.spawn('h1', [...CAUSEWAY, 'reflect', '--listen', `0.0.0.0:${STAMP_PORT}`], log)
    // What is sent before it listens is lost, and rightly told as lost on its way there.
    await eventually('the reflector listens', () => readFileSync(log, 'utf8').includes('reflecting STAMP'))
    await lab.set('h1:a', { loss: JITTERY.lossPercent })
    const before = await lab.udpFrames('h1:a')
    const target = `stamp://${lab.address('h1', 'a')}:${STAMP_PORT}`
    const output = join(fleet.directory, 'probe.json')
    const probe = lab.spawn('a', [...CAUSEWAY, 'probe', target, '-c', `${PROBES}`, '-i', PROBE_SECONDS, '-o', 'json'], output)
    const [code] = (await once(probe, 'exit')) as [number | null]
    const after = await lab.udpFrames('h1:a')
    await lab.set('h1:a', { loss: 0 })
    const reflected = once(reflector, 'exit')
    reflector.kill('SIGINT')
    await reflected
    const [, arrived] = /(\d+) packets? received/.exec(readFileSync(log, 'utf8')) ?? []
    expect(code).toBe(0)
    const [report] = (JSON.parse(readFileSync(output, 'utf8')) as { targets: ProbeReport[] }).targets
    if (!report) throw new Error('no report')
    const { rttMs, jitterMs, lost, lossRatio } = report
    say(
      `probe tool: rtt p50 ${rttMs.p50.toFixed(2)} ms at ${2 * JITTERY.delayMs}; jitter ${jitterMs.rfc3550.toFixed(2)} ms, ` +
        `lost ${lost.forward} forward (${arrived} of ${PROBES} arrived), ${lost.backward} backward (${(100 * lossRatio.backward).toFixed(1)} %) of ${report.sent}; ` +
        `the link lost ${after.lost - before.lost} of ${after.given - before.given} frames`,
    )
    expect(report.sent).toBe(PROBES)
    // How exact delays are told is the bench's business: a busy machine adds its own.
    expect(rttMs.p50).toBeGreaterThan(2 * (JITTERY.delayMs - JITTERY.jitterMs))
    expect(jitterMs.rfc3550).toBeGreaterThan(0.6 * EXPECTED_JITTER_MS)
    expect(Number(arrived)).toBe(PROBES)
    expect(lost.forward).toBe(0)
    expect(lost.backward).toBeGreaterThan(0)
    // Some of what the link has lost were datagrams of the nodes.
    expect(lost.backward).toBeLessThanOrEqual(after.lost - before.lost)
  })

  test('a process that is stopped for 2 s blames nobody; its peers fall at most once, and come back', async () => {
    const since = Date.now()
    const falls = async (host: string): Promise<string[]> =>
      (await fleet.events(host, since)).filter(({ name }) => name === 'link-down').map(({ data }) => String(data['peer']))
    fleet.signal('h2', 'SIGSTOP')
    await new Promise((resolve) => setTimeout(resolve, STOPPED_MS))
    fleet.signal('h2', 'SIGCONT')
    // What was lost while it stood still may make a link a degraded one for a minute; it carries all the same.
    await eventually('all links carry again', async () => {
      for (const host of ['a', ...HUBS]) for (const link of await fleet.at(host).links()) expect(['up', 'degraded']).toContain(link.state)
      return true
    })
    expect(await falls('h2')).toEqual([])
    const peers = await Promise.all(['a', 'h1', 'h3', 'h4'].map(falls))
    expect(peers.flat().filter((peer) => peer !== 'h2')).toEqual([])
    for (const each of peers) expect(each.length).toBeLessThanOrEqual(1)
    expect(peers.flat().length).toBeGreaterThan(0)
  })
})

interface ProbeReport {
  readonly sent: number
  readonly lost: { readonly forward: number; readonly backward: number }
  readonly lossRatio: { readonly forward: number; readonly backward: number }
  readonly rttMs: { readonly p50: number }
  readonly jitterMs: { readonly rfc3550: number }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
