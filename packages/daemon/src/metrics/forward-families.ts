/**
 * The metrics of services and forwards: what passed, and what could not. Their labels are as many as this node's config and
 * programs have made: no peer can make this list longer.
 */
import type { TrafficView } from '@causeway/protocol'
import type { MetricFamily, Sample } from './metric-family.ts'
import type { NodeMetrics } from './node-metrics.ts'

type Labelled = (node: NodeMetrics) => readonly (readonly [label: Readonly<Record<string, string>>, traffic: TrafficView])[]

const ofForwards: Labelled = ({ forwards }) => forwards.map((forward) => [{ forward: forward.id }, forward] as const)
const ofServices: Labelled = ({ services }) =>
  services.map((service) => [{ service: `${service.protocol}/${service.service}` }, service] as const)

/** The same of forwards as of services. */
function families(
  kind: 'forward' | 'service',
  traffic: Labelled,
  words: { readonly refused: string; readonly failed: string },
): MetricFamily[] {
  const read =
    (value: (each: TrafficView) => number): ((node: NodeMetrics) => Iterable<Sample>) =>
    (node) =>
      traffic(node).map(([labels, each]): Sample => [labels, value(each)])
  const counter = (name: string, help: string, value: (each: TrafficView) => number): MetricFamily => {
    return { name: `causeway_${kind}_${name}_total`, type: 'counter', labels: [kind], help, read: read(value) }
  }
  return [
    {
      name: `causeway_${kind}_open_connections`,
      type: 'gauge',
      labels: [kind],
      help: 'Connections, or flows of UDP, that are open.',
      read: read(({ open }) => open),
    },
    counter('connections', 'Connections, or flows of UDP, that were begun.', ({ opened }) => opened),
    counter('refused', words.refused, ({ refused }) => refused),
    counter('failures', words.failed, ({ failed }) => failed),
    counter('datagrams_dropped', 'Datagrams that were thrown away.', ({ dropped }) => dropped),
    counter('received_bytes', 'Bytes that came from the network.', ({ bytesIn }) => bytesIn),
    counter('sent_bytes', 'Bytes that went to the network.', ({ bytesOut }) => bytesOut),
  ]
}

export const FORWARD_FAMILIES: readonly MetricFamily[] = [
  ...families('forward', ofForwards, {
    refused: 'Clients that were turned away: too many at once, or a request that SOCKS does not allow.',
    failed: 'Connections that could not be made to any node that offers the service.',
  }),
  ...families('service', ofServices, {
    refused: 'Channels of peers that were turned away: not allowed, or too many at once.',
    failed: 'Connections that could not be made to the server behind the service.',
  }),
]
