/** One of the processes of a replay: its argument says which, its output is what was measured, or that it is ready. */
import { readFileSync } from 'node:fs'
import { type Socket, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { LmdbStore } from '@causeway/daemon'
import { COLLECTION, HUB, SITE, WRITER, replicaOf } from './driven-replica.ts'
import type { ReplayJob, ReplayResult } from './replay.ts'
import { ReplicaDriver } from './replica-driver.ts'

const LENGTH_BYTES = 4
const LOOK_MS = 100

const job = JSON.parse(process.argv[2] ?? '') as ReplayJob
const address = join(job.directory, 'replay.sock')
if (job.role === 'source') await serve()
else {
  const result = await hold()
  process.stdout.write(`${JSON.stringify(result)}\n`)
  process.exit(0)
}

/** A hub that has written each batch by itself, and folds none; its disk takes no time. */
async function serve(): Promise<void> {
  const hub: ReplicaDriver = new ReplicaDriver(replicaOf(job.directory, HUB, ['**'], [], Number.MAX_SAFE_INTEGER), ({ ticket }) =>
    queueMicrotask(() => hub.handle({ type: 'persisted', ticket })),
  )
  for (let n = 0; n < job.batches; n++)
    await hub.write(COLLECTION, SITE, [{ key: `task-${n % job.keys}`, operation: { type: 'put', value: { gen: n, phase: 'running' } } }])
  const server = createServer((socket) => talk(hub, WRITER, 'down', socket))
  server.listen(address, () => process.stdout.write('ready\n'))
}

async function hold(): Promise<ReplayResult> {
  const bareMb = residentMb()
  const began = performance.now()
  const store = await LmdbStore.open({
    dataDir: join(job.directory, 'data'),
    onPersisted: (ticket) => node.handle({ type: 'persisted', ticket }),
    onFailure: (error) => {
      throw error
    },
  })
  const node: ReplicaDriver = new ReplicaDriver(replicaOf(job.directory, WRITER, [`*/${SITE}`], store.load()), (effect) =>
    store.persist(effect),
  )
  if (job.role === 'join') {
    talk(node, HUB, 'up', connect(address))
    while (durable(node) < job.batches) await pause(LOOK_MS)
  }
  const seconds = (performance.now() - began) / 1000
  const userSeconds = process.cpuUsage().user / 1e6
  const newest = Array.from({ length: job.keys }, (_, at) => at + job.keys * Math.floor((job.batches - 1 - at) / job.keys))
  const found = newest.filter((gen, at) => {
    const value = node.replica.get(COLLECTION, SITE, `task-${at}`)?.value as { readonly gen?: number } | undefined
    return value?.gen === gen
  }).length
  await node.stop()
  await store.close()
  return { seconds, userSeconds, bareMb, residentMb: residentMb(), found }
}

function durable({ replica }: ReplicaDriver): number {
  return replica.heads().reduce((sum, { logs }) => sum + logs.reduce((part, { seq }) => part + seq, 0), 0)
}

/** A session over a socket: each message behind its length. */
function talk(driver: ReplicaDriver, peer: string, relation: 'up' | 'down', socket: Socket): void {
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    for (let end = endOf(rest); end !== undefined; end = endOf(rest)) {
      driver.hear(Uint8Array.prototype.slice.call(rest, LENGTH_BYTES, end))
      rest = rest.subarray(end)
    }
  })
  socket.on('drain', () => driver.blocked(false))
  driver.meet(peer, relation, (message) => {
    const length = Buffer.alloc(LENGTH_BYTES)
    length.writeUInt32BE(message.length)
    socket.write(length)
    if (!socket.write(message)) driver.blocked(true)
  })
}

/** Where the first message ends; `undefined` if not all of it is there. */
function endOf(bytes: Buffer): number | undefined {
  if (bytes.length < LENGTH_BYTES) return undefined
  const end = LENGTH_BYTES + bytes.readUInt32BE()
  return bytes.length < end ? undefined : end
}

/** The most that this process has had in memory, in megabytes. */
function residentMb(): number {
  const [, kilobytes = '0'] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
  return (Number(kilobytes) * 1024) / 1e6
}
