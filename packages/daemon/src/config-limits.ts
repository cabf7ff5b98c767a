/**
 * What each limit bounds and when to change it, for the reference of the config; and what they must leave each other. The bounds
 * themselves are in the protocol.
 */
import { LIMITS, type Limits, batchBytesMax } from '@causeway/protocol'

const KIB = 1024
/** Header of the longest route, seals, and the head of a segment. */
const FRAME_ROOM_BYTES = KIB
/** Less would stop what every node has to say: link state, a session, a segment. Of the others it is 1: nobody can do without. */
export const LIMIT_LEAST: Partial<Limits> = {
  controlMessageBytesMax: 64 * KIB,
  segmentBytesMax: 4 * KIB,
  datagramMessageBytesMax: 1_200,
  routeHopsMax: 3,
  recordBytesMax: KIB,
  laneQueueBytesMax: 128 * KIB,
  channelWindowBytes: 64 * KIB,
  channelDeadMs: 1_000,
  directLinksMax: 0,
}

/** With the defaults of what is not given. */
export function limitsOf(given: { readonly [Key in keyof Limits]?: number | undefined }): Limits {
  return { ...LIMITS, ...(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Partial<Limits>) }
}

/** The first limit that is too small for what others allow, and why; `undefined` if they fit. */
export function limitFault(limits: Limits): { readonly key: keyof Limits; readonly message: string } | undefined {
  const { segmentBytesMax, recordBytesMax } = limits
  const needs = [
    ['frameBytesMax', segmentBytesMax + FRAME_ROOM_BYTES, `a segment of ${segmentBytesMax} (segmentBytesMax) and its header`],
    ['messageBytesMax', batchBytesMax(limits), `a batch of records of ${recordBytesMax} (recordBytesMax)`],
    ['channelWindowBytesMax', limits.channelWindowBytes, 'channelWindowBytes, with which a channel begins'],
    ['nodeWindowBytesMax', limits.channelWindowBytesMax, 'channelWindowBytesMax, to which one channel may grow'],
  ] as const
  const short = needs.find(([key, least]) => limits[key] < least)
  return short && { key: short[0], message: `expected at least ${short[1]}, got ${limits[short[0]]}: it must hold ${short[2]}` }
}

export const LIMIT_MEANINGS: Readonly<Record<keyof Limits, string>> = {
  controlMessageBytesMax: 'a longer control message costs the link. A hub with 3,000 uplinks needs the default',
  frameBytesMax: 'a longer frame costs the link',
  segmentBytesMax: 'channels cut messages into segments of at most this; it must leave room in a frame',
  messageBytesMax: 'one message of a channel',
  datagramMessageBytesMax:
    'one message of class `latest` or `twin`. Above about 1,150 bytes it travels in pieces, all of which must arrive',
  routeHopsMax: 'nodes of a route after its source',
  recordBytesMax: 'one record with its labels. What is larger belongs elsewhere, with a reference here',
  foldBytesMin: 'a document whose log is shorter is not folded. Smaller: less disk and quicker joins, more work',
  retireAfterMs: 'a writer that no hub has heard of for so long is retired: what it had not sent by then it must write again',
  sweepEntriesMin: 'marks of deleted records are swept when there are so many',
  interestKeepMs: 'what nobody wants any more is kept up to date for so long, in case somebody comes back',
  journalMs: 'for how long a watch can be resumed, and `kv history` looks back',
  journalChangesMax: 'the same in changes',
  journalBytesMax: 'the same in bytes of memory. Less on small machines: watches that were away for long then list again',
  laneQueueBytesMax: 'bytes that wait in one lane of one link before frames are dropped. It is memory of a hub, per link',
  channelWindowBytes: 'bytes of one channel under way at its start, each way',
  channelWindowBytesMax: 'what that may grow to. Bandwidth · round trip: 16 MiB fill 1 Gbit/s at 130 ms',
  nodeWindowBytesMax: 'what the windows of all channels of a node may have grown by: memory at the worst',
  channelsPerPeerMax: 'channels with one other node; each open connection of a forward is one',
  channelDeadMs: 'a channel without any way that works ends after this. Longer: programs survive longer outages, and hang longer',
  directLinksMax:
    'nodes of other sites that this one links with directly, where one of the two can be dialled; 0: none. Each costs a probe a second while nothing goes over it',
  directAfterMs: 'so long two nodes must have had something to say to each other, a message a second or more, before they link directly',
  directIdleMs: 'a direct link goes when there was less than that for so long. Shorter: fewer idle links, more dialling',
}
