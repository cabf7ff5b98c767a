import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Lab, type LabNode, type LabNodeOptions } from './replica-lab.ts'

const TASKS = 'tasks'
const SITE = 'hkg-1'

const keys = (node: LabNode): string[] => node.replica.list(TASKS, SITE).map(({ key, value }) => `${key}=${String(value)}`)
const token = (node: LabNode): string => node.replica.partitionToken(TASKS, SITE)

/** Two nodes that have told each other all; from then on the disk of `reader` is slow. */
function pair(options: LabNodeOptions = {}) {
  const lab = new Lab(4)
  const [writer, reader] = [lab.add('writer'), lab.add('reader', options)]
  lab.connect(writer, reader, 'mesh')
  lab.run(10_000)
  const arrive = (): void => {
    const persist = reader.persistNext.bind(reader)
    reader.persistNext = () => {}
    for (let steps = 0; steps < 100; steps++) lab.step()
    reader.persistNext = persist
  }
  return { lab, writer, reader, arrive }
}

describe('what others wrote', () => {
  it('is shown before it is on disk, and acknowledged after', () => {
    const { lab, writer, reader, arrive } = pair()
    writer.put(SITE, 'a', 1)
    arrive()
    expect(reader.unpersisted).toHaveLength(1)
    expect(keys(reader)).toEqual(['a=1'])
    expect([...reader.followed.keys()]).toEqual(['hkg-1|a'])
    expect(reader.replica.covers(token(writer))).toBe(true)
    expect(token(reader)).toBe(token(writer))
    expect(reader.replica.token()).toBe(writer.replica.token())
    lab.tick(5_000)
    arrive()
    expect(writer.replica.view(lab.now).pending).toBe(1)
    lab.run(5_000)
    expect(writer.replica.view(lab.now).pending).toBe(0)
  })

  it('comes back when it was shown and then lost in a crash', () => {
    const { lab, writer, reader, arrive } = pair()
    writer.put(SITE, 'a', 1)
    lab.run(10_000)
    writer.put(SITE, 'a', 2)
    arrive()
    const seen = token(reader)
    expect(keys(reader)).toEqual(['a=2'])
    reader.crash(0)
    expect(keys(reader)).toEqual(['a=1'])
    expect(reader.replica.covers(seen)).toBe(false)
    lab.connect(writer, reader, 'mesh')
    lab.run(10_000)
    expect(reader.replica.covers(seen)).toBe(true)
    expect(keys(reader)).toEqual(['a=2'])
    expect(writer.replica.view(lab.now).pending).toBe(0)
  })

  it('is on disk before what is written here in the knowledge of it', () => {
    const { lab, writer, reader, arrive } = pair()
    writer.put(SITE, 'a', 1)
    arrive()
    const { revision = '' } = reader.replica.get(TASKS, SITE, 'a') ?? {}
    const request = reader.write(SITE, 'a', { type: 'put', value: 2 }, revision)
    lab.tick(0)
    expect(reader.unpersisted).toHaveLength(2)
    for (const survives of [1, 2]) {
      const stored = new Map(reader.store)
      const entries = reader.unpersisted.slice(0, survives).flatMap((effect) => effect.entries)
      for (const { key, value } of entries) if (value) stored.set(key, value)
      const copy = new Lab(5).add('reader', {}, stored)
      expect(keys(copy)).toEqual([`a=${survives}`])
    }
    lab.run(10_000)
    expect(reader.answers.get(request)?.ok).toBe(true)
    expect(keys(writer)).toEqual(['a=2'])
  })
})

describe('what waits for the disk', () => {
  it('is what we write ourselves, with all that came for the same record', () => {
    const { lab, writer, reader, arrive } = pair()
    writer.put(SITE, 'a', 1)
    lab.run(10_000)
    reader.writeAll(SITE, [
      { key: 'a', operation: { type: 'put', value: 7 } },
      { key: 'own', operation: { type: 'put', value: 1 } },
    ])
    lab.tick(1)
    writer.writeAll(SITE, [
      { key: 'a', operation: { type: 'put', value: 2 } },
      { key: 'b', operation: { type: 'put', value: 2 } },
    ])
    arrive()
    writer.put(SITE, 'c', 3)
    arrive()
    // All of a batch or nothing; and of a log nothing before what was earlier in it.
    expect(keys(reader)).toEqual(['a=1'])
    expect(reader.replica.covers(token(writer))).toBe(false)
    const told = token(reader)
    reader.persistNext()
    expect(keys(reader)).toEqual(['a=7', 'own=1'])
    reader.persistNext()
    expect(keys(reader)).toEqual(['a=2', 'b=2', 'own=1'])
    while (reader.unpersisted.length > 0) reader.persistNext()
    expect(keys(reader)).toEqual(['a=2', 'b=2', 'c=3', 'own=1'])
    const missed = reader.replica.changedSince(TASKS, SITE, told)?.map(({ record }) => record.key)
    expect(missed?.toSorted()).toEqual(['a', 'b', 'c', 'own'])
  })

  it('does not hold up what is about something else', () => {
    const { lab, writer, reader, arrive } = pair()
    reader.put(SITE, 'own', 1)
    lab.tick(0)
    writer.put(SITE, 'a', 1)
    arrive()
    expect(keys(reader)).toEqual(['a=1'])
    lab.run(10_000)
    expect(keys(reader)).toEqual(['a=1', 'own=1'])
  })
})

it('a reader that goes on by its token, here after a crash or elsewhere, misses nothing', () => {
  const action = fc.oneof(
    { weight: 4, arbitrary: fc.record({ type: fc.constant('put' as const), node: fc.nat(2), key: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('delete' as const), node: fc.nat(2), key: fc.nat(3) }) },
    { weight: 6, arbitrary: fc.record({ type: fc.constant('steps' as const), node: fc.nat(12), key: fc.constant(0) }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('crash' as const), node: fc.nat(2), key: fc.nat(2) }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('move' as const), node: fc.nat(2), key: fc.constant(0) }) },
  )
  fc.assert(
    fc.property(fc.integer(), fc.array(action, { maxLength: 60 }), (seed, actions) => {
      const lab = new Lab(seed)
      const nodes = ['a', 'b', 'c'].map((name) => lab.add(name, { limits: { foldBytesMin: 500 } }))
      const link = (): void => {
        for (const [one, other] of [[0, 1] as const, [1, 2] as const, [0, 2] as const]) {
          const [a, b] = [nodes[one] as LabNode, nodes[other] as LabNode]
          if (!lab.connected(a, b)) lab.connect(a, b, 'mesh')
        }
      }
      link()
      const seen = new Map<string, string>()
      let told = token(nodes[0] as LabNode)
      /** Listens to a node for a moment, once that has what the token names. */
      const look = (node: LabNode): void => {
        if (!node.replica.covers(told)) return
        const missed = node.replica.changedSince(TASKS, SITE, told)
        if (missed === undefined) {
          seen.clear()
          for (const { key, revision } of node.replica.list(TASKS, SITE)) seen.set(key, revision)
        }
        for (const { change, record } of missed ?? [])
          if (change === 'DELETED') seen.delete(record.key)
          else seen.set(record.key, record.revision)
        told = token(node)
      }
      for (const [index, { type, node, key }] of actions.entries()) {
        const at = nodes[node % 3] as LabNode
        if (type === 'put') at.put(SITE, `k${key}`, index)
        else if (type === 'delete') at.write(SITE, `k${key}`, { type: 'delete' })
        else if (type === 'crash') at.crash(key)
        else if (type === 'move') look(at)
        else for (let step = 0; step < node; step++) lab.step()
        if (type === 'crash') link()
      }
      lab.run(120_000)
      look(nodes[1] as LabNode)
      const there = nodes[1]?.replica.list(TASKS, SITE).map((record) => [record.key, record.revision] as const)
      expect(seen).toEqual(new Map(there))
    }),
    { numRuns: 300 },
  )
})
