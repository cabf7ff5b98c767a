/**
 * The floor: what any system must carry across a site's link if it sends whole values as they are written. The records in
 * MessagePack with their field names told once, one zstd stream for each site and direction, warmed with what both ends have already, and flushed as often
 * as somebody would wait for it. No framing, no acknowledgements, no headers.
 */
import { constants, createZstdCompress } from 'node:zlib'
import { Packr } from 'msgpackr'
import type { Change, Kind } from './trace.ts'

const LEVEL = 3

export interface Floor {
  readonly up: number
  readonly down: number
}

/** Bytes per site over the time of the trace, mean of the sites. */
export async function floorOf(changes: readonly Change[], kinds: readonly Kind[], sites: number, flushMs: number): Promise<Floor> {
  const sum = { up: 0, down: 0 }
  for (let site = 0; site < sites; site++) {
    const own = changes.filter((change) => kinds.includes(change.kind) && (change.site ?? site) === site)
    for (const direction of ['up', 'down'] as const) sum[direction] += await streamBytes(own, direction, flushMs)
  }
  return { up: sum.up / sites, down: sum.down / sites }
}

/** What must cross in that direction while the trace runs. */
export function crosses({ atMs, kind, node }: Change, direction: 'up' | 'down'): boolean {
  if (atMs < 0) return false
  return direction === 'up' ? node !== undefined : node === undefined && kind !== 'vital'
}

async function streamBytes(changes: readonly Change[], direction: 'up' | 'down', flushMs: number): Promise<number> {
  const packr = new Packr({ structures: [], maxSharedStructures: 64, useRecords: true })
  const encoded = (change: Change): Uint8Array => Buffer.from(packr.pack([change.kind, change.key, change.value]))
  const before = changes.filter(({ atMs, kind }) => atMs < 0 && (kind === 'vital') === (direction === 'up')).map(encoded)
  const batches = Map.groupBy(
    changes.filter((change) => crosses(change, direction)),
    ({ atMs }) => Math.floor(atMs / flushMs),
  )
  const stream = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: LEVEL } })
  let bytes = 0
  stream.on('data', (chunk: Buffer) => (bytes += chunk.length))
  const write = async (parts: readonly Uint8Array[]): Promise<void> => {
    stream.write(Buffer.concat(parts))
    await new Promise<void>((done) => stream.flush(constants.ZSTD_e_flush, done))
  }
  await write(before)
  const warm = bytes
  for (const batch of batches.values()) await write(batch.map(encoded))
  stream.destroy()
  return bytes - warm
}
