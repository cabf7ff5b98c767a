/**
 * A node with two lines. Its hubs are reached over either, and it dials each from an address of one line (`bind`), so that
 * a line which is cut takes half of its uplinks, and no more.
 *
 *         ┌── 10 ms ── p1 ──┬── h1 ── b
 *     a ──┤                 ╳    │    │        p1 and p2 are routers; the hubs have addresses of their own behind them
 *         └── 10 ms ── p2 ──┴── h2 ───┘
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../e2e/eventually.ts'
import { Fleet } from './fleet.ts'
import { Lab, labMissing } from './lab.ts'
import { SteadyFlow } from './steady-flow.ts'

const ROUTERS = ['p1', 'p2'] as const
const HUBS = ['h1', 'h2'] as const
const LINKS = [
  ...ROUTERS.flatMap((router) => [`link a ${router} delay=10`, ...HUBS.map((hub) => `link ${router} ${hub} delay=1`)]),
  ...['h1 h2', 'b h1', 'b h2'].map((pair) => `link ${pair} delay=1`),
]
const HUB_PORT = 7400
/** Where the hubs are for who does not share a link with them. */
const BEHIND: Readonly<Record<string, string>> = { h1: '10.99.0.1', h2: '10.99.0.2' }
const UP_MS_MAX = 60_000
/** A hub is tried from its own line again after 15–45 s. */
const RETURN_MS_MAX = 75_000
const FLOW_SECONDS = 6
const SETTLED = 150
/** Promised: a fault costs a flow less than this. */
const GAP_MS_MAX = 1_000

const missing = labMissing()
if (missing !== undefined) say(`several local addresses are not tested: ${missing}`)

describe.skipIf(missing !== undefined)('a node with two lines', () => {
  let lab: Lab
  let fleet: Fleet

  beforeAll(async () => {
    lab = await Lab.up(LINKS)
    layRoutes(lab)
    fleet = new Fleet(lab)
    await fleet.prepare()
    const config = JSON.parse(readFileSync(fleet.configPath('a'), 'utf8')) as object
    const hubs = HUBS.map((hub) => `${BEHIND[hub]}:${HUB_PORT}`)
    const bind = ROUTERS.map((router) => lab.address('a', router))
    writeFileSync(fleet.configPath('a'), JSON.stringify({ ...config, hubs, peers: [], bind }))
    // A hub that is not there yet is tried from the other line.
    for (const hosts of [HUBS, ['a', 'b']]) await Promise.all(hosts.map((host) => fleet.launch(host)))
    await Promise.all(HUBS.map((hub) => fleet.linkIs('a', hub, 'up', UP_MS_MAX)))
  })

  afterAll(async () => {
    await fleet?.close()
    await lab?.down()
  })

  /** Whether, for each hub, all connections that `a` has with it are over that line. */
  function linesAre(expected: Readonly<Record<string, string>>): boolean {
    const { output } = lab.exec('a', ['ss', '-Htn', 'state', 'established'])
    for (const hub of HUBS) {
      const sockets = output.split('\n').filter((socket) => socket.includes(` ${BEHIND[hub]}:`))
      const used = ROUTERS.filter((router) => sockets.some((socket) => socket.includes(` ${lab.address('a', router)}:`)))
      expect({ hub, used }).toEqual({ hub, used: [expected[hub]] })
    }
    return true
  }

  test('each line has its own hubs; a cut line takes no more with it, and has them again afterwards', { timeout: 180_000 }, async () => {
    const spread = { h1: 'p1', h2: 'p2' }
    await eventually('all lanes are over the line of their hub', () => linesAre(spread))
    // Datagrams too.
    const before = await Promise.all(ROUTERS.map((router) => lab.udpFrames(`a:${router}`)))
    await eventually('probes take both lines', async () => {
      const now = await Promise.all(ROUTERS.map((router) => lab.udpFrames(`a:${router}`)))
      for (const [index, { given }] of now.entries()) expect(given).toBeGreaterThan((before[index]?.given ?? 0) + 2)
      return true
    })
    for (const link of await fleet.at('a').links()) expect(link.evidence).toBe('both')

    const flow = new SteadyFlow(fleet.at('a'), 'b', FLOW_SECONDS)
    await flow.answered(SETTLED)
    const { hops } = await fleet.activePath('a', 'b')
    const line = hops[0] === 'h1' ? 'p1' : 'p2'
    flow.faultComes()
    await lab.cut(`a-${line}`)
    const { sent, lost, duplicated, misplaced, gapMs, rttMs } = await flow.figures()
    say(
      `two lines, that of ${hops[0]} is cut: ${sent} messages, ${lost} lost; longest gap ${gapMs.toFixed(0)} ms at a round trip of ${rttMs.toFixed(0)}`,
    )
    expect({ lost, duplicated, misplaced }).toEqual({ lost: 0, duplicated: 0, misplaced: 0 })
    expect(gapMs).toBeLessThan(GAP_MS_MAX)

    const other = line === 'p1' ? 'p2' : 'p1'
    const overMs = await Promise.all(HUBS.map((hub) => fleet.linkIs('a', hub, 'up', UP_MS_MAX)))
    expect(await lab.swallowed(`a-${line}`)).toBeGreaterThan(0)
    await eventually('both hubs are reached over the line that is left', () => linesAre({ h1: other, h2: other }))
    await lab.heal(`a-${line}`)
    const began = performance.now()
    await eventually('each line has its hub again', () => linesAre(spread), RETURN_MS_MAX)
    say(
      `over the other line after ${Math.max(...overMs).toFixed(0)} ms more; back ${(performance.now() - began).toFixed(0)} ms after the heal`,
    )
    await Promise.all(HUBS.map((hub) => fleet.linkIs('a', hub, 'up', UP_MS_MAX)))
  })
})

/** Both routers know the way to the hubs and to `a`; what leaves `a` from an address leaves over its line. */
function layRoutes(lab: Lab): void {
  const run = (host: string, command: string): void => {
    const { code, output } = lab.exec(host, command.split(' '))
    if (code !== 0) throw new Error(`${host}: ${command}: ${output}`)
  }
  for (const hub of HUBS) run(hub, `ip address add ${BEHIND[hub]}/32 dev lo`)
  for (const [index, router] of ROUTERS.entries()) {
    const own = lab.address('a', router)
    run(router, 'sysctl -q net.ipv4.ip_forward=1')
    run('a', `ip route add default via ${lab.address(router, 'a')} metric ${index + 1}`)
    run('a', `ip route add default via ${lab.address(router, 'a')} table ${100 + index}`)
    run('a', `ip rule add from ${own} table ${100 + index}`)
    for (const hub of HUBS) {
      run(router, `ip route add ${BEHIND[hub]} via ${lab.address(hub, router)}`)
      run(hub, `ip route add ${own} via ${lab.address(router, hub)}`)
    }
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
