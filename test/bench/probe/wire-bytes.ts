/**
 * What a site pays for being connected: all bytes on its wide-area interfaces, with all headers from Ethernet's up, while
 * it has nothing to say; and by how much its probes grow once one uplink carries data. The site has two nodes, each
 * with a link to each of four hubs; the hubs are linked with each other.
 */
import { spawnSync } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import type { Fleet } from '../../netlab/fleet.ts'
import type { Lab } from '../../netlab/lab.ts'
import { type Measured, type Row, judge } from '../bench.ts'
import { sumOf } from '../statistics.ts'
import { inFleet } from './in-lab.ts'
import { PacketCapture, type Share } from './packet-capture.ts'
import type { ProbeSettings } from './probe-bench.ts'
import { keepBusy } from './traffic.ts'

const NODES = ['s1', 's2'] as const
const HUBS = ['h1', 'h2', 'h3', 'h4'] as const
const DELAY_MS = 20
const UP_MS_MAX = 30_000
const SETTLE_MS = 15_000
/** Until the probes of a link keep the pace of one in use. */
const IN_USE_MS = 5_000

const IDLE_KBPS_MAX = 4
const ADDED_KBPS_MAX = 6

interface Bytes {
  readonly out: number
  readonly in: number
}

/** All bytes of the site, and of them the UDP ones, which are probes and their replies. */
interface Reading {
  readonly at: number
  readonly all: Bytes
  readonly udp: Bytes
}

interface Rates {
  readonly seconds: number
  readonly all: Bytes
  readonly udp: Bytes
}

export function measureWireBytes(settings: ProbeSettings): Promise<Measured> {
  const links = [...NODES.flatMap((node) => HUBS.map((hub) => `link ${node} ${hub} delay=${DELAY_MS}`)), 'link s1 s2', ...hubMesh()]
  return inFleet(
    links,
    (lab, fleet) => measureSite(lab, fleet, settings),
    (host) => (host.startsWith('s') ? 's' : host),
  )
}

async function measureSite(lab: Lab, fleet: Fleet, settings: ProbeSettings): Promise<Measured> {
  await Promise.all(NODES.flatMap((node) => HUBS.map((hub) => fleet.linkIs(node, hub, 'up', UP_MS_MAX))))
  await fleet.linkIs('s1', 's2', 'up', UP_MS_MAX)
  await pause(SETTLE_MS)
  const capture = captureMissing() ? undefined : new PacketCapture(lab, NODES, HUBS)
  const idle = await ratesOver(lab, settings['wire-seconds'])
  const shares = (await capture?.stop()) ?? []
  const { gateway } = await fleet.at('s1').status()
  using _traffic = keepBusy(fleet, 's1', HUBS[0])
  await pause(IN_USE_MS)
  const busy = await ratesOver(lab, settings['busy-seconds'])
  return reportOf(idle, busy, shares, `the gateway is ${gateway ?? 'not elected'}`)
}

function hubMesh(): string[] {
  return HUBS.flatMap((hub, index) => HUBS.slice(index + 1).map((other) => `link ${hub} ${other} delay=${DELAY_MS}`))
}

function captureMissing(): boolean {
  return spawnSync('tcpdump', ['--version']).status !== 0
}

/** kbit/s over so many seconds. */
async function ratesOver(lab: Lab, seconds: number): Promise<Rates> {
  const before = await read(lab)
  await pause(seconds * 1000)
  const after = await read(lab)
  const rate = (of: (reading: Reading) => number): number => ((of(after) - of(before)) * 8) / (after.at - before.at)
  return {
    seconds: (after.at - before.at) / 1000,
    all: { out: rate(({ all }) => all.out), in: rate(({ all }) => all.in) },
    udp: { out: rate(({ udp }) => udp.out), in: rate(({ udp }) => udp.in) },
  }
}

async function read(lab: Lab): Promise<Reading> {
  const interfaces = NODES.flatMap((node) => interfaceBytes(lab.exec(node, ['cat', '/proc/net/dev']).output))
  const links = NODES.flatMap((node) => HUBS.map((hub) => [node, hub] as const))
  const there = await Promise.all(links.map(([node, hub]) => lab.udpFrames(`${node}:${hub}`)))
  const back = await Promise.all(links.map(([node, hub]) => lab.udpFrames(`${hub}:${node}`)))
  return {
    at: performance.now(),
    all: { out: sumOf(interfaces.map((bytes) => bytes.out)), in: sumOf(interfaces.map((bytes) => bytes.in)) },
    udp: { out: sumOf(there.map(({ bytes }) => bytes)), in: sumOf(back.map(({ bytes }) => bytes)) },
  }
}

/** Of the interfaces to hubs. A line is `name: received-bytes and 7 more, sent-bytes and 7 more`. */
function interfaceBytes(table: string): Bytes[] {
  return table.split('\n').flatMap((line) => {
    const [name = '', ...words] = line.trim().split(/[:\s]+/)
    return (HUBS as readonly string[]).includes(name) ? [{ in: Number(words[0]), out: Number(words[8]) }] : []
  })
}

function reportOf(idle: Rates, busy: Rates, shares: readonly Share[], who: string): Measured {
  const row = (what: string, { seconds, all, udp }: Rates): Row => ({
    what,
    seconds,
    kbpsOut: all.out,
    kbpsIn: all.in,
    kbpsOutProbes: udp.out,
    kbpsInProbes: udp.in,
  })
  const rows = [row('idle', idle), row('one uplink carries data', busy)]
  for (const { what, bytesOut, bytesIn } of shares) {
    const kbps = (bytes: number): number => (bytes * 8) / (idle.seconds * 1000)
    rows.push({
      what: `  idle, of that ${what}`,
      seconds: idle.seconds,
      kbpsOut: kbps(bytesOut),
      kbpsIn: kbps(bytesIn),
      kbpsOutProbes: null,
      kbpsInProbes: null,
    })
  }
  const chart = {
    title: 'A site of 2 nodes with 4 hubs, on the wire',
    unit: 'kbit/s',
    categories: ['idle out', 'idle in', 'busy out, probes', 'busy in, probes'],
    bars: [{ name: 'measured', values: [idle.all.out, idle.all.in, busy.udp.out, busy.udp.in] }],
    marks: [{ name: 'bound of idle', values: [IDLE_KBPS_MAX, IDLE_KBPS_MAX, null, null] }],
  }
  return {
    columns: COLUMNS,
    rows,
    judgements: [
      judge('idle site, out', idle.all.out, IDLE_KBPS_MAX, 'kbit/s'),
      judge('idle site, in', idle.all.in, IDLE_KBPS_MAX, 'kbit/s'),
      judge('what probes add with traffic, out', busy.udp.out - idle.udp.out, ADDED_KBPS_MAX, 'kbit/s'),
      judge('what probes add with traffic, in', busy.udp.in - idle.udp.in, ADDED_KBPS_MAX, 'kbit/s'),
    ],
    notes: [
      `by the interface counters of both nodes, 14 bytes of Ethernet header a frame included; ${who}`,
      'probes: UDP; those in-band are in the rest',
      ...(shares.length > 0 ? [] : ['what makes it up is not known: on Debian, apt-get install tcpdump']),
    ],
    charts: [chart],
  }
}

const COLUMNS = [
  { key: 'what', head: 'WHAT' },
  { key: 'seconds', head: 'SECONDS' },
  { key: 'kbpsOut', head: 'OUT kbit/s', digits: 2 },
  { key: 'kbpsIn', head: 'IN', digits: 2 },
  { key: 'kbpsOutProbes', head: 'OF THAT PROBES OUT', digits: 2 },
  { key: 'kbpsInProbes', head: 'IN', digits: 2 },
]
