/** One of everything that nodes of this version say to each other, for the recording; see `recorded-frames.test.ts`. */
import {
  type ControlMessage,
  PROTOCOL_VERSION,
  type TaskQuestion,
  decodeControl,
  decodeTaskMessage,
  encodeControl,
  encodeTaskMessage,
  frameHeaderBytes,
  nodeId,
  readFrameHeader,
  writeFrameHeader,
} from '@causeway/protocol'
import { decodeBatch, signBatch } from '../../packages/state/src/batch.ts'
import { type SyncPart, decodeSync, encodeSync } from '../../packages/state/src/sync-message.ts'
import { createNodeCrypto, createTestAuthority, generateKeyPair } from '../contract/real-crypto.ts'

/** What is said, and how those bytes are read. */
export const READERS: Readonly<Record<string, (bytes: Uint8Array) => unknown>> = {
  control: decodeControl,
  frame: readFrameHeader,
  sync: decodeSync,
  batch: (bytes) => decodeBatch(bytes),
  task: decodeTaskMessage,
}

export interface Sample {
  readonly name: string
  readonly reader: string
  readonly bytes: Uint8Array
}

const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, at) => at)
const [hkg, core, nrt] = ['hkg-1-a', 'core-1', 'nrt-2-a'].map(nodeId) as [
  ReturnType<typeof nodeId>,
  ReturnType<typeof nodeId>,
  ReturnType<typeof nodeId>,
]
const keys = generateKeyPair()
const credential = createTestAuthority().issue('hkg-1-a', keys.publicKey, 2_000_000_000_000)
const advert = {
  ...{ origin: core, name: 'core-1', incarnation: 7, sequence: 42, ageMs: 10, draining: false, domains: ['dc=fra-2'] },
  links: [
    {
      ...{ to: hkg, name: 'hkg-1-a', site: 'hkg-1', role: 'edge' as const, costMs: 20.5, costBackMs: 21, impaired: false, domains: [] },
      behind: [{ id: nrt, name: 'hkg-1-b', costMs: 0.4 }],
    },
  ],
}
const seen = [
  { node: 'hkg-1-a', state: 'alive' as const, how: null, forMs: 0 },
  { node: 'hkg-1-b', state: 'lost' as const, how: 'silent' as const, forMs: 3_000 },
]

const CONTROL: readonly ControlMessage[] = [
  {
    ...{ type: 'hello', version: PROTOCOL_VERSION, credential, incarnation: 7, alone: false },
    ...{ datagram: { index: 5, key: bytes(32) }, stream: { port: 7401, token: bytes(16), key: bytes(32) }, addresses: ['192.0.2.1:7400'] },
  },
  { type: 'bye', reason: 'the node stops', stops: true },
  { type: 'linkState', adverts: [advert] },
  { type: 'linkStateDigest', known: [{ origin: core, incarnation: 7, sequence: 42 }], answer: true },
  { type: 'attached', nodes: [{ id: nrt, name: 'hkg-1-b', costMs: 0.4 }] },
  { type: 'drain', draining: true },
  { type: 'planRequest', to: nrt },
  { type: 'planCancel', to: nrt },
  { type: 'plan', to: nrt, paths: [{ route: [core, nrt], costMs: 41.5, impaired: false }], names: [{ id: core, name: 'core-1' }] },
  { type: 'returned' },
  { type: 'site', hubs: [core], hears: [nrt], term: 3 },
  {
    type: 'testimony',
    testimonies: [
      {
        ...{ witness: 'hkg-1-a', incarnation: 7, sequence: 9, site: 'hkg-1', region: 'apac', lan: true, gateway: true, term: 3, ageMs: 5 },
        seen,
      },
    ],
  },
  {
    ...{ type: 'probe', sequence: 500, sent: 123_456, urgent: true, alone: false, degraded: false },
    ...{ rttMs: 20, queueMs: 1, replies: 77, nextMs: 1_000 },
  },
  { type: 'reply', sequence: 500, sent: 123_456, received: 654_321, reflectorSequence: 78, residenceMs: 0.25, ageMs: 3 },
]

const SYNC: readonly SyncPart[] = [
  { type: 'interest', version: 2, id: 1, patterns: ['config/**', 'tasks/hkg-1'], core: false },
  {
    type: 'heads',
    processed: 4,
    last: true,
    points: [{ log: { collection: 'config', partition: 'global', writer: 'hkg-1-a', epoch: 1_700_000_000 }, seq: 12, link: bytes(8) }],
  },
  { type: 'batches', urgent: true, batches: [bytes(20)] },
  { type: 'served', id: 1 },
  { type: 'ack', processed: 5, durable: [{ log: 1, seq: 12 }], atHub: [{ log: -1, seq: 11 }] },
  { type: 'vitals', bytes: bytes(9) },
  { type: 'digest', arrived: 6, digest: [1, 2] },
  { type: 'differ' },
]

const TASKS: readonly TaskQuestion[] = [
  {
    type: 'order',
    number: 1,
    order: { type: 'submit', spec: { channel: 'c7' }, labels: { kind: 'record' }, convergeKey: 'one', near: 'hkg-1' },
  },
  { type: 'renew', number: 2, leases: [{ task: 'rec-42', token: 9 }], ended: [], wanted: ['rec-43'] },
]

export function samples(): Sample[] {
  const frame = new Uint8Array(frameHeaderBytes(2) + 3)
  writeFrameHeader(frame, { source: hkg, route: [core, nrt], class: 'twin', flow: 1_000 })
  const place = { collection: 'config', partition: 'global', writer: 'hkg-1-a', epoch: 1_700_000_000 }
  const head = { base: [], parts: 0, credential }
  const { batch, link } = signBatch(createNodeCrypto(keys.seed), { ...place, seq: 1, head, update: bytes(30) }, new Uint8Array(0))
  const next = signBatch(createNodeCrypto(keys.seed), { ...place, seq: 2, head: undefined, update: bytes(12) }, link).batch
  return [
    ...CONTROL.map((message) => ({ name: message.type, reader: 'control', bytes: encodeControl(message) })),
    { name: 'frame', reader: 'frame', bytes: frame },
    ...SYNC.map((part) => ({ name: part.type, reader: 'sync', bytes: encodeSync([part]) })),
    { name: 'first', reader: 'batch', bytes: batch.encoded },
    { name: 'next', reader: 'batch', bytes: next.encoded },
    ...TASKS.map((question) => ({ name: question.type, reader: 'task', bytes: encodeTaskMessage(question) })),
  ]
}
