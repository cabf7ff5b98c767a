/**
 * Every bound of the protocol, in one place, with the reason. All of them may be set in the config under
 * `limits:`, and all nodes of a network should agree on the first group.
 */
export interface Limits {
  /** A control message larger than this costs the link. The link state of a hub with 3,000 uplinks fits. */
  readonly controlMessageBytesMax: number
  /** A frame (header and body) larger than this costs the link. A segment leaves room for every header. */
  readonly frameBytesMax: number
  /** A channel cuts what it is given into segments of at most this size. */
  readonly segmentBytesMax: number
  /** One message of a channel. */
  readonly messageBytesMax: number
  /** The same of class `latest` or `twin`: it travels in fragments, and all must arrive. */
  readonly datagramMessageBytesMax: number
  /** Nodes in a route after the source. */
  readonly routeHopsMax: number
  /** Records larger than this are refused at the writer. */
  readonly recordBytesMax: number
  /** A document whose log is smaller is not worth folding. */
  readonly foldBytesMin: number
  /** A writer that no hub has heard of for so long is retired: what it has not sent by then it must write again. */
  readonly retireAfterMs: number
  /** Marks of deleted records, and entries that others outdo, are swept when there are so many of them. */
  readonly sweepEntriesMin: number
  /** What nobody wants any more is kept up to date for so long, in case somebody does after all. */
  readonly interestKeepMs: number
  /** What a node remembers of changes, so that watches can go on after a break: how long, how many, and about how many bytes. */
  readonly journalMs: number
  readonly journalChangesMax: number
  readonly journalBytesMax: number
  /** Bytes that wait in one lane of one link before frames are dropped (control: before the link is closed). */
  readonly laneQueueBytesMax: number
  /** Unacknowledged and unread bytes of one channel, each way; at the start. */
  readonly channelWindowBytes: number
  /** The window of a channel that is used up and read grows up to this. */
  readonly channelWindowBytesMax: number
  /** What the windows of all channels of a node may have grown by. */
  readonly nodeWindowBytesMax: number
  readonly channelsPerPeerMax: number
  /** A channel without any working path ends after this. */
  readonly channelDeadMs: number
  /** Links of an edge node with nodes of other sites; 0 is none. */
  readonly directLinksMax: number
  /** Two nodes that have had something to say to each other for so long without a pause may link … */
  readonly directAfterMs: number
  /** … and give that link up when they have had little to say for so long. */
  readonly directIdleMs: number
}

export const LIMITS: Limits = {
  controlMessageBytesMax: 256 * 1024,
  frameBytesMax: 64 * 1024,
  segmentBytesMax: 60 * 1024,
  messageBytesMax: 4 * 1024 * 1024,
  datagramMessageBytesMax: 64 * 1024,
  routeHopsMax: 8,
  recordBytesMax: 256 * 1024,
  foldBytesMin: 64 * 1024,
  retireAfterMs: 30 * 86_400_000,
  sweepEntriesMin: 64,
  interestKeepMs: 60_000,
  journalMs: 3_600_000,
  journalChangesMax: 100_000,
  journalBytesMax: 64 * 1024 * 1024,
  laneQueueBytesMax: 4 * 1024 * 1024,
  channelWindowBytes: 1024 * 1024,
  channelWindowBytesMax: 16 * 1024 * 1024,
  nodeWindowBytesMax: 256 * 1024 * 1024,
  channelsPerPeerMax: 10_000,
  channelDeadMs: 60_000,
  directLinksMax: 8,
  directAfterMs: 30_000,
  directIdleMs: 300_000,
}

/** A longer batch of records is refused: twice a gathering of writes that ends with one of the largest, since encodings differ in size. */
export function batchBytesMax({ recordBytesMax }: Pick<Limits, 'recordBytesMax'>): number {
  return 2 * recordBytesMax + 256 * 1024
}
