import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Instant, frameHeaderBytes, instant, nodeId, readFrameHeader, readU32, writeFrameHeader, writeU32 } from '@causeway/protocol'
import { Egress, flowKey } from './egress.ts'

const HEADER = frameHeaderBytes(1)
const QUEUE_MAX = 1_000_000

function frame(number: number, bytes = 200): Uint8Array {
  const it = new Uint8Array(HEADER + bytes)
  writeFrameHeader(it, { source: nodeId('a'), route: [nodeId('b')] })
  writeU32(it, HEADER, number)
  return it
}

const numberOf = (it: Uint8Array | undefined): number => (it ? readU32(it, HEADER) : -1)

class Line {
  readonly drops: string[] = []
  readonly egress: Egress = new Egress(QUEUE_MAX, (reason) => this.drops.push(reason))
  now: Instant = instant(0)

  take(): number {
    return numberOf(this.egress.take(this.now))
  }
}

describe('Egress', () => {
  it('lets a short message pass the backlog of another flow', () => {
    const { egress, now, ...line } = new Line()
    for (let i = 0; i < 10; i++) egress.add(now, 1, frame(i, 40_000), true)
    egress.take(now)
    egress.take(now)
    egress.add(now, 2, frame(100), true)
    expect(numberOf(egress.take(now))).toBe(100)
    expect(line.drops).toEqual([])
  })

  it('divides the line evenly between flows, whatever the size of their frames', () => {
    const { egress, now } = new Line()
    const sizes = [1000, 5000, 20_000]
    for (const [key, size] of sizes.entries()) for (let i = 0; i < 300_000 / size; i++) egress.add(now, key, frame(key, size), true)
    const taken = [0, 0, 0]
    for (let bytes = 0; bytes < 600_000;) {
      const it = egress.take(now) as Uint8Array
      bytes += it.length
      taken[numberOf(it)] = (taken[numberOf(it)] ?? 0) + it.length
    }
    for (const bytes of taken) expect(Math.abs(bytes - 200_000)).toBeLessThan(90_000)
  })

  it('marks what waited for more than 20 ms, drops what waited for more than 100, but never its own', () => {
    const line = new Line()
    for (const own of [true, false]) line.egress.add(line.now, own ? 1 : 2, frame(own ? 1 : 2, 9_000), own)
    line.now = instant(21)
    const it = line.egress.take(line.now) as Uint8Array
    expect(readFrameHeader(it)?.marked).toBe(true)
    line.egress.add(line.now, 1, frame(3), true)
    line.now = instant(130)
    expect([line.take(), line.take()]).toEqual([3, -1])
    expect(line.drops).toEqual(['too-late'])
    line.egress.add(line.now, 1, frame(4), false)
    const fresh = line.egress.take(line.now) as Uint8Array
    expect(readFrameHeader(fresh)?.marked).toBe(false)
  })

  it('does not drop from a flow of which little waits, unless it has waited for a second', () => {
    const line = new Line()
    for (let i = 0; i < 5; i++) line.egress.add(line.now, 1, frame(i, 3_000), false)
    line.egress.add(line.now, 2, frame(9), false)
    line.now = instant(900)
    expect([line.take(), line.take(), line.take()]).toEqual([3, 4, 9])
    expect(line.drops).toEqual(['too-late', 'too-late', 'too-late'])
    line.egress.add(line.now, 2, frame(10), false)
    line.now = instant(2_000)
    expect(line.take()).toBe(-1)
  })

  it('drops from the longest flow when too much waits', () => {
    const line = new Line()
    line.egress.add(line.now, 2, frame(7), false)
    for (let i = 0; i < 200; i++) line.egress.add(line.now, 1, frame(i, 10_000), false)
    expect(line.egress.bytes).toBeLessThanOrEqual(QUEUE_MAX)
    expect(line.drops.length).toBeGreaterThan(90)
    const taken: number[] = []
    for (let number = line.take(); number >= 0; number = line.take()) taken.push(number)
    expect(taken).toContain(7)
    expect(line.egress.bytes).toBe(0)
  })

  it('keeps each flow in order and loses nothing within its bound', () => {
    const operation = fc.oneof(
      fc.record({ add: fc.nat(4), bytes: fc.integer({ min: 4, max: 70_000 }) }),
      fc.record({ take: fc.integer({ min: 1, max: 8 }) }),
    )
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const egress = new Egress(Number.POSITIVE_INFINITY, () => undefined)
        const now = instant(0)
        const out: number[] = []
        let added = 0
        for (const it of operations) {
          if ('add' in it) egress.add(now, it.add, frame(it.add * 1000 + added++, it.bytes), false)
          else for (let i = 0; i < it.take; i++) out.push(numberOf(egress.take(now)))
        }
        for (let it = egress.take(now); it; it = egress.take(now)) out.push(numberOf(it))
        const arrived = out.filter((number) => number >= 0)
        expect(arrived).toHaveLength(added)
        for (let key = 0; key <= 4; key++) {
          const ofFlow = arrived.filter((number) => Math.floor(number / 1000) === key)
          expect(ofFlow).toEqual(ofFlow.toSorted((a, b) => a - b))
        }
        expect(egress.bytes).toBe(0)
      }),
    )
  })
})

it('flows of different sources have different keys', () => {
  const keys = new Set<number>()
  for (let source = 0; source < 100; source++) for (let flow = 0; flow < 100; flow++) keys.add(flowKey(nodeId(`n${source}`), flow))
  expect(keys.size).toBeGreaterThan(9_990)
})
