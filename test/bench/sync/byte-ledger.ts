/**
 * Where the bytes of a site go: the trace T64 played to one site of real machines and their hub in the simulator, with the codec
 * and the records of the daemon around what they say. Unlike `sync` it needs no quiet machine, and every run is the same; it
 * knows nothing of what TCP adds.
 */
import { SessionPacker } from '../../../packages/daemon/src/session-codec.ts'
import { Hub } from '../../../packages/hub/src/index.ts'
import { EdgeNode, type NodeConfig, type NodeInput, type NodeMachine, type SessionCodec } from '../../../packages/node/src/index.ts'
import { SHORT_TAG_BYTES, LIMITS, leb128Bytes } from '@causeway/protocol'
import {
  PERFECT_WIRE,
  SIMULATED_AUTHORITY,
  type WireConditions,
  World,
  simulatorCredential,
  simulatorCrypto,
  simulatorKeyPair,
} from '@causeway/simulator'
import { T64, makeTrace } from './trace.ts'

const DELAY_MS = 20
const LAN_DELAY_MS = 0.1
const SETTLE_MS = 30_000
const HUB = 'core'
const GATEWAY = 's0n0'
const MESSAGE_BYTES_MAX = 1024 * 1024

interface Sums {
  /** On the lane: records and their own bytes; messages, and their bytes. */
  records: number
  recordBytes: number
  laneMessages: number
  laneBytes: number
  /** Of the messages on the lane, by their first byte. */
  readonly byKind: Record<string, { count: number; bytes: number }>
}

/** What one end of a session said, from its beginning, and as it was packed; `from`: the first while the trace ran. */
export interface Tape {
  readonly said: Uint8Array[]
  readonly packed: Uint8Array[]
  from: number
}

/** What crossed in one direction while the trace ran. */
export interface Account extends Readonly<Sums> {
  /** Of the session. */
  readonly messages: number
  readonly saidBytes: number
  readonly packedBytes: number
  readonly tape: Tape
}

export interface Ledger {
  readonly up: Account
  readonly down: Account
}

export function keepLedger(seconds: number): Ledger {
  const changes = makeTrace({ ...T64, sites: 1, seconds })
  const names = Array.from({ length: T64.nodes }, (_, node) => `s0n${node}`)
  const world = new World<NodeMachine>(1, {
    laneQueueBytesMax: LIMITS.laneQueueBytesMax,
    conditions: (from, to) => conditionsOf(from.address, to.address),
  })
  const ledger = { up: noSums(), down: noSums() }
  let counting = false
  const wide: { up?: Tape; down?: Tape } = {}
  const tapes: Record<'up' | 'down', Tape[]> = { up: [], down: [] }
  const codecFor = (name: string) => (): SessionCodec => {
    const codec = new SessionPacker(MESSAGE_BYTES_MAX, () => world.now)
    const tape: Tape = { said: [], packed: [], from: 0 }
    if (name === HUB || name === GATEWAY) tapes[name === HUB ? 'down' : 'up'].push(tape)
    return {
      ...{ unpack: (packed) => codec.unpack(packed), close: () => codec.close() },
      pack: (message) => {
        const packed = codec.pack(message)
        tape.said.push(message.slice())
        tape.packed.push(packed)
        return packed
      },
    }
  }
  const connections = new Map<string, string>()
  let open: { at: number; to: string; entries: number } | undefined
  const closeRecord = (): void => {
    if (!open) return
    const sum = open.to === HUB ? ledger.up : ledger.down
    const bytes = leb128Bytes(open.entries) + SHORT_TAG_BYTES
    sum.records++
    sum.recordBytes += bytes
    open = undefined
  }
  world.observe((node, input: NodeInput) => {
    if (input.type === 'connected') connections.set(`${node.name} ${input.connection}`, nameOf(input.peerKey, names))
    if (input.type !== 'received' || input.lane !== 'stream' || !counting) return
    const peer = connections.get(`${node.name} ${input.connection}`) ?? ''
    if (![node.name, peer].includes(HUB) || ![node.name, peer].includes(GATEWAY)) return
    if (open && (open.at !== world.now || open.to !== node.name)) closeRecord()
    open ??= { at: world.now, to: node.name, entries: 0 }
    const sum = node.name === HUB ? ledger.up : ledger.down
    for (const message of input.messages) {
      open.entries += leb128Bytes(2 * message.length) + message.length
      sum.laneMessages++
      sum.laneBytes += message.length
      sum.recordBytes += leb128Bytes(2 * message.length)
      const kind = (sum.byKind[(message[0] ?? 0).toString(16)] ??= { count: 0, bytes: 0 })
      kind.count++
      kind.bytes += message.length
      const direction = node.name === HUB ? 'up' : 'down'
      for (const tape of tapes[direction]) if (endsWith(message, tape.packed.at(-1))) wide[direction] = tape
    }
  })
  add(world, HUB, 0, [], [], codecFor(HUB))
  for (const [index, name] of names.entries())
    add(
      world,
      name,
      index + 1,
      index === 0 ? [addressOf(0)] : [],
      names.filter((other) => other !== name).map((other) => addressOf(names.indexOf(other) + 1)),
      codecFor(name),
    )
  world.run(5_000)
  for (const change of changes.filter(({ atMs }) => atMs < 0)) play(world, change)
  world.run(SETTLE_MS)
  counting = true
  for (const tape of [...tapes.up, ...tapes.down]) tape.from = tape.said.length
  const startMs = world.now
  for (const change of changes.filter(({ atMs }) => atMs >= 0)) {
    world.run(startMs + change.atMs - world.now)
    play(world, change)
  }
  world.run(startMs + 1000 * seconds - world.now)
  closeRecord()
  return { up: balanced(ledger.up, wide.up), down: balanced(ledger.down, wide.down) }
}

function endsWith(message: Uint8Array, end: Uint8Array | undefined): boolean {
  return end !== undefined && end.length > 0 && Buffer.from(message.subarray(-end.length)).equals(end)
}

function balanced(sums: Sums, tape: Tape | undefined): Account {
  if (!tape) throw new Error('nothing was said on the wide-area session')
  const [said, packed] = [tape.said.slice(tape.from), tape.packed.slice(tape.from)]
  const bytesOf = (list: readonly Uint8Array[]): number => list.reduce((sum, { length }) => sum + length, 0)
  return { ...sums, messages: said.length, saidBytes: bytesOf(said), packedBytes: bytesOf(packed), tape }
}

/** Only the gateway has a way to the hub. */
function conditionsOf(from: string, to: string): WireConditions {
  const ends = [from, to]
  if (!ends.includes(addressOf(0))) return { ...PERFECT_WIRE, delayMs: LAN_DELAY_MS }
  return { ...PERFECT_WIRE, delayMs: DELAY_MS, lossRatio: ends.includes(addressOf(1)) ? 0 : 1 }
}

function noSums(): Sums {
  return { records: 0, recordBytes: 0, laneMessages: 0, laneBytes: 0, byKind: {} }
}

function addressOf(index: number): string {
  return `10.0.0.${index + 1}:7400`
}

function nameOf(key: Uint8Array, names: readonly string[]): string {
  return [HUB, ...names].find((name) => Buffer.from(simulatorKeyPair(name).publicKey).equals(key)) ?? ''
}

function play(world: World<NodeMachine>, { kind, site, node, key, value }: ReturnType<typeof makeTrace>[number]): void {
  const name = node === undefined ? HUB : `s${site ?? 0}n${node}`
  if (kind === 'vital') {
    if (node !== undefined) world.request(name, { type: 'vitals', values: value as Readonly<Record<string, number>> })
    return
  }
  const collection = kind === 'task' ? 'tasks' : 'config'
  const partition = site === undefined ? 'global' : `s${site}`
  const request = world.node(name).nextRequest()
  world.request(name, { type: 'write', request, collection, partition, changes: [{ key, operation: { type: 'put', value } }] })
}

function add(
  world: World<NodeMachine>,
  name: string,
  index: number,
  hubs: readonly string[],
  peers: readonly string[],
  sessionCodec: () => SessionCodec,
): void {
  const keys = simulatorKeyPair(name)
  const isHub = name === HUB
  const config: NodeConfig = {
    credential: simulatorCredential({ name, site: isHub ? HUB : 's0', role: isHub ? 'hub' : 'edge', ...(isHub && { write: ['**'] }) }),
    authorityKey: SIMULATED_AUTHORITY.publicKey,
    hubs,
    peers,
    uplinks: 4,
    announce: [],
    ...(!isHub && { nearby: [addressOf(index)] }),
    interest: isHub ? ['**'] : ['config/**', '*/s0'],
    limits: LIMITS,
    vitalThresholds: { cpu: 0, mem: 0, gpu: 0, disk: 0, bw: 0 },
    version: 'simulated',
  }
  const Machine = isHub ? Hub : EdgeNode
  world.add({
    name,
    address: addressOf(index),
    key: keys.publicKey,
    listens: true,
    start: ({ stored, ...boot }) => new Machine(config, { ...boot, crypto: simulatorCrypto(boot.random, keys), sessionCodec }, stored),
  })
}
