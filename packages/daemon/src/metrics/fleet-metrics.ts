/** A node with any number of links, all figures made up: for tests of the exporter, and to measure what a scrape costs. */
import { DelayBuckets } from '@causeway/probe'
import type { LinkMetrics, LinkView, StatusView, WayMetrics } from '@causeway/protocol'
import type { NodeMetrics } from './node-metrics.ts'

const STATUS: StatusView = {
  node: 'core-1',
  network: 'lab',
  site: 'core',
  region: 'eu',
  role: 'hub',
  version: '1.2.3',
  uptimeSeconds: 61,
  credentialEndsAt: 2e12,
  unreached: [],
  gateway: null,
  cutOff: false,
  uplinks: [],
  links: 1,
  relay: { draining: false, frames: 0, framesPerSecond: null },
  channels: 2,
  replica: { documents: 3, records: 4, pending: 5, lagMs: 250, sessions: ['hkg-1-a'] },
}

export function linkView(to: string): LinkView {
  return {
    from: 'core-1',
    to,
    state: 'up',
    rttMs: { last: 42, smoothed: 41.5, min: 40.25, p50: 41, p95: 44, p99: 47 },
    jitterMs: 0.75,
    lossRatio: { forward: 0.01, backward: 0 },
    queueMs: { forward: 0.5, backward: null },
    oneWayMs: { forward: 20.5, backward: null, uncertainty: 20 },
    costMs: 21.5,
    epoch: 2,
    evidence: 'both',
    bytesIn: 1_000,
    bytesOut: 2_000,
    since: 1_790_000_000_500,
    reason: 'answers over udp and control',
  }
}

export function linkMetrics(to: string): LinkMetrics {
  return {
    view: linkView(to),
    transitions: { probing: 2, up: 2, degraded: 0, down: 1 },
    ways: { udp: wayMetrics([41, 41, 45, 90_000]), control: wayMetrics([43]) },
  }
}

export function wayMetrics(rttMs: readonly number[]): WayMetrics {
  const buckets = new DelayBuckets()
  for (const ms of rttMs) buckets.add(ms)
  return { sent: rttMs.length + 1, received: rttMs.length, duplicated: 0, reordered: 1, stray: 0, rtt: buckets.snapshot() }
}

export function fleetMetrics(links: readonly LinkMetrics[]): NodeMetrics {
  const traffic = { open: 2, opened: 5, refused: 1, failed: 0, dropped: 3, bytesIn: 700, bytesOut: 800 }
  return {
    status: STATUS,
    takesWrites: false,
    links,
    violations: { malformed: 3, oversized: 0, unexpected: 0, 'bad-credential': 1, 'bad-batch': 0, 'out-of-scope': 0, overflow: 0 },
    frames: { relayed: 9, dropped: { 'too-late': 1 }, packetsDropped: { replayed: 2 } },
    callers: { member: 400, stranger: 0, crowded: 0, other: 0, silent: 0 },
    streamDrops: { unknown: 0, forged: 0, malformed: 0 },
    stampPackets: { reflected: 3, malformed: 0, refused: 0, unsent: 0 },
    datagramDrops: { short: 0, unknown: 7, forged: 0, replayed: 0, malformed: 0, unread: 0, unsent: 0 },
    vitals: { nodes: { fresh: 4, silent: 1 }, counts: { bytesIn: 5_000, bytesOut: 6_000, stale: 2, refused: 0 } },
    forwards: [
      {
        ...{ id: 'tcp:127.0.0.1:7001', listen: '127.0.0.1:7001', to: 'signal@nrt-2', protocol: 'tcp', class: 'ordered' },
        ...{ idleSeconds: null, origin: 'config', lastFailure: null },
        ...traffic,
      },
    ],
    services: [
      {
        service: 'media',
        protocol: 'udp',
        address: '127.0.0.1:9001',
        allow: null,
        bytesPerSecondMax: null,
        proxyProtocol: false,
        ...traffic,
      },
    ],
    tasks: {
      phases: { pending: 0, initialised: 1, allocated: 6, tombstone: 2, deleting: 0, gone: 0 },
      ...{ workers: 1, slots: 8, held: 6, given: 9, taken: 1, refusedReports: 0, allocator: null },
    },
    loopLag: wayMetrics([0.1, 0.2, 35]).rtt,
    process: { cpuSeconds: { user: 1.5, system: 0.5 }, residentBytes: 2e8, heapUsedBytes: 5e7, openFiles: 42, startSeconds: 1_790_000_000 },
  }
}
