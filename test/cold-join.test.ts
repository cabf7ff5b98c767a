/** What it costs a site to join that needs ten thousand records: bytes as they leave the codec of the session, and round trips. */
import { zstdCompressSync } from 'node:zlib'
import { LIMITS, decodeRecord, encodeRecord } from '@causeway/protocol'
import { expect, test } from 'vitest'
import { SessionPacker } from '../packages/daemon/src/session-codec.ts'
import { Lab } from '../packages/state/src/replica-lab.ts'

const RECORDS = 10_000
const WRITERS = ['hkg-1-a', 'hkg-1-b', 'core-1', 'core-2']

/** Written at once: small batches, which their writers fold when they have been quiet. */
const TOGETHER = 10

function valueOf(n: number): unknown {
  const url = `rtmp://10.0.${n % 256}.7/${n * 65_537}`
  return { channel: `c${n % 977}`, phase: 'allocated', token: n * 7919, host: `hkg-1-${(n * 31) % 64}`, url }
}

test('a cold join of 10,000 records costs hardly more than their zstd, after one round trip', () => {
  const lab = new Lab(1)
  const hub = lab.add('core-3', { core: true })
  const writers = WRITERS.map((name) => lab.add(name))
  for (const writer of writers) lab.connect(writer, hub, 'up')
  lab.run(1_000)
  for (let from = 0; from < RECORDS; from += TOGETHER) {
    const changes = Array.from(
      { length: TOGETHER },
      (_, at) => ({ key: `rec-${from + at}`, operation: { type: 'put', value: valueOf(from + at) } }) as const,
    )
    writers[(from / TOGETHER) % writers.length]?.writeAll('hkg-1', changes)
    lab.run(20)
  }
  // Long enough for a quiet document to be folded, and for what that has replaced to go.
  lab.run(150_000)
  const late = lab.add('hkg-1-c', { interest: ['tasks/hkg-1'] })
  const codecs = new Map([hub, late].map((node) => [node, new SessionPacker(LIMITS.messageBytesMax)]))
  let bytes = 0
  const messages: { readonly from: string; readonly kinds: unknown[] }[] = []
  const send = lab.send.bind(lab)
  lab.send = (from, session, message) => {
    const codec = codecs.get(from)
    if (codec) {
      bytes += codec.pack(message).length
      messages.push({ from: from.name, kinds: (decodeRecord(message) as unknown[][]).map(([kind]) => kind) })
    }
    send(from, session, message)
  }
  lab.connect(late, hub, 'up')
  lab.run(5_000)
  const records = late.replica.list('tasks', 'hkg-1')
  expect(records).toHaveLength(RECORDS)
  const plain = zstdCompressSync(encodeRecord(records.map(({ key, value }) => [key, value]))).length
  expect(bytes / plain).toBeLessThan(1.3)
  // What each end says before it has heard from the other; then come the records.
  const greeting = messages.findIndex(({ kinds }) => kinds.includes(3))
  expect(messages.slice(0, greeting).map(({ from, kinds }) => `${from} ${kinds.join()}`)).toEqual(['hkg-1-c 1,2', 'core-3 1', 'core-3 2'])
})
