/**
 * The metrics of links, one set of samples per peer. Delays and losses are those of `causeway links`; the histogram
 * and the counters are since the start of the process, so that percentiles and rates over any time can be computed.
 */
import type { BothDirections, Evidence, LinkMetrics, LinkState, ProbeWay, WayMetrics } from '@causeway/protocol'
import { type DelaySample, type MetricFamily, type Sample, seconds } from './metric-family.ts'
import type { NodeMetrics } from './node-metrics.ts'

const STATES: readonly LinkState[] = ['probing', 'up', 'degraded', 'down']
const EVIDENCE: readonly Evidence[] = ['udp', 'control', 'both', 'none']
const WAYS: readonly ProbeWay[] = ['udp', 'control']
const DIRECTIONS = ['forward', 'backward'] as const

type Read<Each> = (node: NodeMetrics) => Iterable<Each>

function perLink(read: (link: LinkMetrics) => number | null): Read<Sample> {
  return ({ links }) => links.map((link) => [{ peer: link.view.to }, read(link)])
}

function perDirection(read: (link: LinkMetrics) => BothDirections): Read<Sample> {
  return ({ links }) =>
    links.flatMap((link) => DIRECTIONS.map((direction): Sample => [{ peer: link.view.to, direction }, read(link)[direction]]))
}

function perWay(read: (way: WayMetrics) => number): Read<Sample> {
  return ({ links }) =>
    links.flatMap(({ view, ways }) => WAYS.map((way): Sample => [{ peer: view.to, way }, ways[way] ? read(ways[way]) : null]))
}

function inSeconds({ forward, backward }: BothDirections): BothDirections {
  return { forward: seconds(forward), backward: seconds(backward) }
}

function roundTrips({ links }: NodeMetrics): DelaySample[] {
  return links.flatMap(({ view, ways }) =>
    WAYS.flatMap((way): DelaySample[] => (ways[way] ? [[{ peer: view.to, way }, ways[way].rtt]] : [])),
  )
}

const VERDICTS: readonly MetricFamily[] = [
  {
    name: 'causeway_link_state',
    type: 'gauge',
    labels: ['peer', 'state'],
    help: '1 for the state that the link is in, 0 for the others.',
    read: ({ links }) =>
      links.flatMap(({ view }) => STATES.map((state): Sample => [{ peer: view.to, state }, Number(view.state === state)])),
  },
  {
    name: 'causeway_link_state_since_timestamp_seconds',
    type: 'gauge',
    labels: ['peer'],
    help: 'When the link took its present state, seconds since 1970.',
    read: perLink(({ view }) => seconds(view.since)),
  },
  {
    name: 'causeway_link_transitions_total',
    type: 'counter',
    labels: ['peer', 'state'],
    help: 'How often the link took that state.',
    read: ({ links }) =>
      links.flatMap(({ view, transitions }) => STATES.map((state): Sample => [{ peer: view.to, state }, transitions[state] ?? null])),
  },
  {
    name: 'causeway_link_epochs_total',
    type: 'counter',
    labels: ['peer'],
    help: 'Connections that the link has had.',
    read: perLink(({ view }) => view.epoch),
  },
  {
    name: 'causeway_link_evidence',
    type: 'gauge',
    labels: ['peer', 'evidence'],
    help: '1 for what the state of the link rests on: replies over udp, control or both; 0 for the others.',
    read: ({ links }) =>
      links.flatMap(({ view }) => EVIDENCE.map((evidence): Sample => [{ peer: view.to, evidence }, Number(view.evidence === evidence)])),
  },
]

const FIGURES: readonly MetricFamily[] = [
  {
    name: 'causeway_link_rtt_seconds',
    type: 'histogram',
    labels: ['peer', 'way'],
    help: 'Round trips of probes, without the time that the peer took to answer.',
    read: roundTrips,
  },
  {
    name: 'causeway_link_smoothed_rtt_seconds',
    type: 'gauge',
    labels: ['peer'],
    help: 'Smoothed round trip (RFC 6298).',
    read: perLink(({ view }) => seconds(view.rttMs.smoothed)),
  },
  {
    name: 'causeway_link_min_rtt_seconds',
    type: 'gauge',
    labels: ['peer'],
    help: 'Lowest round trip of late: the path without queues.',
    read: perLink(({ view }) => seconds(view.rttMs.min)),
  },
  {
    name: 'causeway_link_jitter_seconds',
    type: 'gauge',
    labels: ['peer'],
    help: 'Mean change of the transit time from packet to packet (RFC 3550).',
    read: perLink(({ view }) => seconds(view.jitterMs)),
  },
  {
    name: 'causeway_link_loss_ratio',
    type: 'gauge',
    labels: ['peer', 'direction'],
    help: 'Share of probes lost in the last 60 s, forward (to the peer) and backward.',
    read: perDirection(({ view }) => view.lossRatio),
  },
  {
    name: 'causeway_link_queue_seconds',
    type: 'gauge',
    labels: ['peer', 'direction'],
    help: 'What packets usually wait on their way, above the quickest passage.',
    read: perDirection(({ view }) => inSeconds(view.queueMs)),
  },
  {
    name: 'causeway_link_one_way_delay_seconds',
    type: 'gauge',
    labels: ['peer', 'direction'],
    help: 'Half of the lowest round trip plus the queue; off by half of the lowest round trip at most.',
    read: perDirection(({ view }) => inSeconds(view.oneWayMs)),
  },
  {
    name: 'causeway_link_cost_seconds',
    type: 'gauge',
    labels: ['peer'],
    help: 'Cost of sending over the link: what routing compares. Absent while the link is not up.',
    read: perLink(({ view }) => seconds(view.costMs)),
  },
]

const COUNTERS: readonly MetricFamily[] = [
  {
    name: 'causeway_link_probes_sent_total',
    type: 'counter',
    labels: ['peer', 'way'],
    help: 'Probes that we sent.',
    read: perWay(({ sent }) => sent),
  },
  {
    name: 'causeway_link_probes_answered_total',
    type: 'counter',
    labels: ['peer', 'way'],
    help: 'Probes of ours that were answered in time.',
    read: perWay(({ received }) => received),
  },
  {
    name: 'causeway_link_replies_duplicated_total',
    type: 'counter',
    labels: ['peer', 'way'],
    help: 'Further replies to a probe that was answered already.',
    read: perWay(({ duplicated }) => duplicated),
  },
  {
    name: 'causeway_link_replies_reordered_total',
    type: 'counter',
    labels: ['peer', 'way'],
    help: 'Replies that came after the reply to a later probe.',
    read: perWay(({ reordered }) => reordered),
  },
  {
    name: 'causeway_link_replies_stray_total',
    type: 'counter',
    labels: ['peer', 'way'],
    help: 'Replies that came too late, or to no probe of ours.',
    read: perWay(({ stray }) => stray),
  },
  {
    name: 'causeway_link_received_bytes_total',
    type: 'counter',
    labels: ['peer'],
    help: 'Bytes of frames that came over the link.',
    read: perLink(({ view }) => view.bytesIn),
  },
  {
    name: 'causeway_link_sent_bytes_total',
    type: 'counter',
    labels: ['peer'],
    help: 'Bytes of frames that left over the link.',
    read: perLink(({ view }) => view.bytesOut),
  },
]

export const LINK_FAMILIES: readonly MetricFamily[] = [...VERDICTS, ...FIGURES, ...COUNTERS]
