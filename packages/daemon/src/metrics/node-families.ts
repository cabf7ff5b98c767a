/**
 * The metrics of the node as a whole: who it is, what it holds, who broke the protocol, and what its process takes.
 * Every label has few values that we choose ourselves: no peer can make this list longer.
 */
import { type MetricFamily, type Sample, ofNode, seconds } from './metric-family.ts'

/** One sample for each entry of a record. */
function entries(label: string, record: Readonly<Record<string, number>> | null): Sample[] {
  return Object.entries(record ?? {}).map(([key, value]): Sample => [{ [label]: key }, value])
}

const NODE: readonly MetricFamily[] = [
  {
    name: 'causeway_node_info',
    type: 'gauge',
    labels: ['node', 'network', 'site', 'region', 'role', 'version'],
    help: 'Always 1; the labels say which node this is.',
    read: ({ status: { node, network, site, region, role, version } }) => [[{ node, network, site, region, role, version }, 1]],
  },
  {
    name: 'causeway_node_uptime_seconds',
    type: 'gauge',
    labels: [],
    help: 'Since the node started.',
    read: ofNode(({ status }) => status.uptimeSeconds),
  },
  {
    name: 'causeway_node_credential_ends_timestamp_seconds',
    type: 'gauge',
    labels: [],
    help: 'When the credential of the node ends, since 1970.',
    read: ofNode(({ status }) => status.credentialEndsAt / 1000),
  },
  {
    name: 'causeway_node_cut_off',
    type: 'gauge',
    labels: [],
    help: '1 while no hub can be reached from here, directly or through the gateway.',
    read: ofNode(({ status }) => Number(status.cutOff)),
  },
  {
    name: 'causeway_node_gateway',
    type: 'gauge',
    labels: [],
    help: '1 if this node is the gateway of its site. Absent on a hub, and while the site has none.',
    read: ofNode(({ status }) => (status.gateway === null ? null : Number(status.gateway === status.node))),
  },
  {
    name: 'causeway_node_home_hub',
    type: 'gauge',
    labels: ['peer'],
    help: '1 for the hub that holds our state session, 0 for other hubs with a link.',
    read: ({ status }) => status.uplinks.map(({ hub, home }): Sample => [{ peer: hub }, Number(home)]),
  },
  {
    name: 'causeway_node_links',
    type: 'gauge',
    labels: [],
    help: 'Links that are up or degraded.',
    read: ofNode(({ status }) => status.links),
  },
  {
    name: 'causeway_node_channels',
    type: 'gauge',
    labels: [],
    help: 'Open channels that begin or end here.',
    read: ofNode(({ status }) => status.channels),
  },
]

const REPLICA: readonly MetricFamily[] = [
  {
    name: 'causeway_replica_documents',
    type: 'gauge',
    labels: [],
    help: 'Documents held.',
    read: ofNode(({ status }) => status.replica.documents),
  },
  {
    name: 'causeway_replica_records',
    type: 'gauge',
    labels: [],
    help: 'Records held.',
    read: ofNode(({ status }) => status.replica.records),
  },
  {
    name: 'causeway_replica_writable',
    type: 'gauge',
    labels: [],
    help: '0 while the disk takes no writes.',
    read: ofNode(({ takesWrites }) => Number(takesWrites)),
  },
  {
    name: 'causeway_replica_pending_batches',
    type: 'gauge',
    labels: [],
    help: 'Batches of ours that nobody towards the core has acknowledged yet; 0 at a hub that has never met another.',
    read: ofNode(({ status }) => status.replica.pending),
  },
  {
    name: 'causeway_replica_lag_seconds',
    type: 'gauge',
    labels: [],
    help: 'Age of the oldest pending batch; 0 if there is none.',
    read: ofNode(({ status }) => seconds(status.replica.lagMs)),
  },
  {
    name: 'causeway_replica_sessions',
    type: 'gauge',
    labels: [],
    help: 'Open state sessions.',
    read: ofNode(({ status }) => status.replica.sessions.length),
  },
]

const VITALS: readonly MetricFamily[] = [
  {
    name: 'causeway_vitals_nodes',
    type: 'gauge',
    labels: ['heard'],
    help: 'Nodes whose vitals this node knows, itself included, by whether they spoke of late.',
    read: ({ vitals }) => entries('heard', { ...vitals.nodes }),
  },
  {
    name: 'causeway_vitals_received_bytes_total',
    type: 'counter',
    labels: [],
    help: 'Bytes of vitals that peers told, before compression.',
    read: ofNode(({ vitals }) => vitals.counts.bytesIn),
  },
  {
    name: 'causeway_vitals_sent_bytes_total',
    type: 'counter',
    labels: [],
    help: 'Bytes of vitals told to peers, before compression.',
    read: ofNode(({ vitals }) => vitals.counts.bytesOut),
  },
  {
    name: 'causeway_vitals_ignored_total',
    type: 'counter',
    labels: ['reason'],
    help: 'What peers told of a node and was not taken.',
    read: ({ vitals: { counts } }) => entries('reason', { stale: counts.stale, full: counts.refused }),
  },
]

const FAULTS: readonly MetricFamily[] = [
  {
    name: 'causeway_violations_total',
    type: 'counter',
    labels: ['code'],
    help: 'How often a peer or a stranger broke the protocol, by kind.',
    read: ({ violations }) => entries('code', violations),
  },
  {
    name: 'causeway_frames_relayed_total',
    type: 'counter',
    labels: [],
    help: 'Frames of others that were passed on.',
    read: ofNode(({ frames }) => frames.relayed),
  },
  {
    name: 'causeway_frames_dropped_total',
    type: 'counter',
    labels: ['reason'],
    help: 'Frames that were not passed on.',
    read: ({ frames }) => entries('reason', frames.dropped),
  },
  {
    name: 'causeway_packets_dropped_total',
    type: 'counter',
    labels: ['reason'],
    help: 'Packets for this node that it could not open, or did not want.',
    read: ({ frames }) => entries('reason', frames.packetsDropped),
  },
  {
    name: 'causeway_callers_total',
    type: 'counter',
    labels: ['kind'],
    help: 'Connections that others opened, by what they said first.',
    read: ({ callers }) => entries('kind', callers),
  },
  {
    name: 'causeway_stream_sockets_dropped_total',
    type: 'counter',
    labels: ['reason'],
    help: 'Sockets of the stream lane that were dropped. Absent on a node without such sockets.',
    read: ({ streamDrops }) => entries('reason', streamDrops),
  },
  {
    name: 'causeway_datagrams_dropped_total',
    type: 'counter',
    labels: ['reason'],
    help: 'Datagrams thrown away. Absent on a node without datagrams.',
    read: ({ datagramDrops }) => entries('reason', datagramDrops),
  },
  {
    name: 'causeway_stamp_packets_total',
    type: 'counter',
    labels: ['outcome'],
    help: 'STAMP test packets by what became of them. Absent on a node that reflects none.',
    read: ({ stampPackets }) => entries('outcome', stampPackets),
  },
]

const PROCESS: readonly MetricFamily[] = [
  {
    name: 'causeway_event_loop_lag_seconds',
    type: 'histogram',
    labels: [],
    help: 'How late the event loop ran its tick, ten times a second.',
    read: ({ loopLag }) => [[{}, loopLag]],
  },
  {
    name: 'causeway_process_cpu_seconds_total',
    type: 'counter',
    labels: ['mode'],
    help: 'CPU time of the process, in user mode and in the system.',
    read: ({ process }) => entries('mode', process.cpuSeconds),
  },
  {
    name: 'causeway_process_resident_memory_bytes',
    type: 'gauge',
    labels: [],
    help: 'Memory of the process that is resident.',
    read: ofNode(({ process }) => process.residentBytes),
  },
  {
    name: 'causeway_process_heap_used_bytes',
    type: 'gauge',
    labels: [],
    help: 'Of the heap of the main thread: what objects take.',
    read: ofNode(({ process }) => process.heapUsedBytes),
  },
  {
    name: 'causeway_process_open_fds',
    type: 'gauge',
    labels: [],
    help: 'Open files and sockets. Absent where the host does not tell.',
    read: ofNode(({ process }) => process.openFiles),
  },
  {
    name: 'causeway_process_start_time_seconds',
    type: 'gauge',
    labels: [],
    help: 'When the process started, seconds since 1970.',
    read: ofNode(({ process }) => process.startSeconds),
  },
]

export const NODE_FAMILIES: readonly MetricFamily[] = [...NODE, ...REPLICA, ...VITALS, ...FAULTS, ...PROCESS]
