import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SHORT_TAG_BYTES, type NodeId, frameHeaderBytes, writeFrameHeader } from '@causeway/protocol'
import { createNodeCrypto } from './node-crypto.ts'
import { RecordReader, RecordSealer } from './stream-record.ts'

const MESSAGE_BYTES_MAX = 65_536
const crypto = createNodeCrypto(new Uint8Array(32).fill(1))
const KEY = new Uint8Array(32).fill(2)

function pair(): { sealer: RecordSealer; reader: RecordReader } {
  return {
    sealer: new RecordSealer(crypto.aead(KEY, SHORT_TAG_BYTES)),
    reader: new RecordReader(crypto.aead(KEY, SHORT_TAG_BYTES), MESSAGE_BYTES_MAX),
  }
}

function frameOf(bytes: number, fill = 7): Uint8Array {
  const frame = new Uint8Array(bytes).fill(fill)
  writeFrameHeader(frame, { source: 1 as NodeId, route: [2 as NodeId, 3 as NodeId] })
  return frame
}

function messagesOf(read: ReturnType<RecordReader['push']>): Uint8Array[] {
  if (typeof read === 'string') throw new Error(read)
  return read.map((message) => new Uint8Array(message))
}

describe('stream records', () => {
  it('carry any messages in order, however they are cut, and though what was read is overwritten', () => {
    const frame = fc.tuple(fc.integer({ min: 20, max: 6_000 }), fc.nat(255)).map(([bytes, fill]) => frameOf(bytes, fill))
    const message = fc.oneof(fc.uint8Array({ maxLength: 300 }), frame)
    const records = fc.array(fc.array(message, { maxLength: 6 }), { maxLength: 4 })
    fc.assert(
      fc.property(records, fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1 }), (sent, cuts) => {
        const { sealer, reader } = pair()
        const bytes = Buffer.concat(sent.flatMap((messages) => sealer.seal(messages)))
        const got: Uint8Array[] = []
        for (let at = 0, cut = 0; at < bytes.length; cut++) {
          const end = at + (cuts[cut % cuts.length] ?? 1)
          const chunk = Buffer.from(bytes.subarray(at, end))
          const complete = reader.push(chunk)
          if (typeof complete === 'string') throw new Error(complete)
          chunk.fill(0xee)
          got.push(...complete)
          at = end
        }
        expect(got.map((bytesOf) => new Uint8Array(bytesOf))).toEqual(sent.flat())
        expect(reader.records).toBe(sent.length)
      }),
      { numRuns: 50 },
    )
  })

  it('leave the bodies of frames where they are, unsealed, and hide everything else', () => {
    const { sealer } = pair()
    const frame = frameOf(40_000)
    const note = new TextEncoder().encode('a message that is not a frame')
    const [head, body, ...more] = sealer.seal([note, frame])
    expect(more).toEqual([])
    expect(body?.buffer).toBe(frame.buffer)
    expect(body).toEqual(frame.subarray(frameHeaderBytes(2)))
    const hidden = [note, frame.subarray(0, frameHeaderBytes(2))].map((bytes) => Buffer.from(bytes))
    expect(hidden.map((bytes) => Buffer.from(head ?? []).includes(bytes))).toEqual([false, false])
  })

  it('are forged if any byte of the head was changed, or a record left out or repeated', () => {
    const { sealer } = pair()
    const first = Buffer.concat(sealer.seal([frameOf(3_000)]))
    const second = Buffer.concat(sealer.seal([frameOf(3_000)]))
    const headBytes = first.length - (3_000 - frameHeaderBytes(2))
    // A length that grew makes the reader wait for more than there is.
    const later = Buffer.alloc(2 * MESSAGE_BYTES_MAX * 3)
    for (let at = 0; at < headBytes; at++) {
      const changed = Buffer.from(first)
      changed[at] = (changed[at] ?? 0) ^ 1
      const { reader } = pair()
      expect(reader.push(Buffer.concat([changed, later])), `byte ${at}`).toBe('forged')
    }
    expect(pair().reader.push(second), 'left out').toBe('forged')
    expect(pair().reader.push(Buffer.concat([first, first])), 'repeated').toBe('forged')
    expect(messagesOf(pair().reader.push(Buffer.concat([first, second])))).toHaveLength(2)
  })

  it('take 18 bytes besides a small message', () => {
    const [record = new Uint8Array(0), ...more] = pair().sealer.seal([new Uint8Array(60)])
    expect(more).toEqual([])
    expect(record.length).toBe(60 + 1 + 1 + SHORT_TAG_BYTES)
  })

  it('are malformed if the peer seals too long a message, or cuts an entry short', () => {
    const small = new RecordReader(crypto.aead(KEY, SHORT_TAG_BYTES), 1_000)
    expect(small.push(Buffer.concat(pair().sealer.seal([frameOf(3_000)])))).toBe('malformed')
    for (const entry of [Buffer.from([128]), Buffer.from([18, 1]), Buffer.from([3, 200])]) {
      const record = Buffer.alloc(1 + entry.length + SHORT_TAG_BYTES)
      record[0] = entry.length
      entry.copy(record, 1)
      crypto.aead(KEY, SHORT_TAG_BYTES).seal(0, new Uint8Array(0), record, 1, 1 + entry.length)
      expect(pair().reader.push(record)).toBe('malformed')
    }
  })
})
