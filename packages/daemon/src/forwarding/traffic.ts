/** What passed through a forward or a service, counted since the process started. */
export interface TrafficCounts {
  /** Connections, or flows of UDP, that are open now, and that there have ever been. */
  open: number
  opened: number
  /** Turned away by us: too many at once, or a peer that is not allowed. */
  refused: number
  /** Could not be connected to where they were to go. */
  failed: number
  /** Datagrams thrown away. */
  dropped: number
  /** From the network, and to it. */
  bytesIn: number
  bytesOut: number
}

export function noTraffic(): TrafficCounts {
  return { open: 0, opened: 0, refused: 0, failed: 0, dropped: 0, bytesIn: 0, bytesOut: 0 }
}
