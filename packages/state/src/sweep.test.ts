import { describe, expect, it } from 'vitest'
import { Lab, type LabNode, type LabNodeOptions } from './replica-lab.ts'

const MIN = 10
const LIMITED: LabNodeOptions = { limits: { sweepEntriesMin: MIN, retireAfterMs: 3_600_000 } }
const SETTLE_MS = 600_000

function hash(node: LabNode): string {
  return node.replica.contentHash('tasks', 'hkg-1')
}

function bytes(node: LabNode, writer = ''): number {
  return [...node.store].reduce((sum, [key, value]) => sum + (key.startsWith(`state/batch|tasks|hkg-1|${writer}`) ? value.length : 0), 0)
}

function world(seed = 1): { lab: Lab; hub: LabNode; a: LabNode; b: LabNode } {
  const lab = new Lab(seed)
  const [hub, a, b] = [lab.add('core-1', { ...LIMITED, core: true }), lab.add('a', LIMITED), lab.add('b', LIMITED)]
  lab.connect(a, hub, 'up')
  lab.connect(b, hub, 'up')
  a.put('hkg-1', 'stays-a', 1)
  b.put('hkg-1', 'stays-b', 1)
  lab.run(1_000)
  return { lab, hub, a, b }
}

function fill(lab: Lab, by: LabNode, count: number): void {
  for (let n = 0; n < count; n++) by.put('hkg-1', `k${n}`, { n })
  lab.run(1_000)
}

function empty(lab: Lab, by: LabNode, count: number): void {
  for (let n = 0; n < count; n++) by.write('hkg-1', `k${n}`, { type: 'delete' })
  lab.run(1_000)
}

describe('marks', () => {
  it('go when all writers have acknowledged them, everywhere, and take the outdone with them', () => {
    for (const deleter of ['a', 'b'] as const) {
      const { lab, hub, a, b } = world()
      const before = bytes(hub)
      fill(lab, a, 100)
      empty(lab, deleter === 'a' ? a : b, 100)
      expect(bytes(hub)).toBeGreaterThan(before + 3_000)
      const shown = hash(hub)
      lab.run(SETTLE_MS)
      for (const node of lab.nodes) {
        expect(
          node.replica.list('tasks', 'hkg-1').map(({ key }) => key),
          node.name,
        ).toEqual(['stays-a', 'stays-b'])
        expect(node.violations()).toEqual([])
        expect(hash(node)).toBe(hash(hub))
        expect(hash(node)).not.toBe(shown)
        expect(bytes(node)).toBeLessThan(before + 1_500)
        expect([...node.followed.keys()].toSorted()).toEqual(['hkg-1|stays-a', 'hkg-1|stays-b'])
      }
      const now = hash(hub)
      for (const node of lab.nodes) {
        node.restart()
        expect(hash(node), node.name).toBe(now)
      }
      const late = lab.add('late', LIMITED)
      lab.connect(late, hub, 'up')
      lab.run(10_000)
      expect(hash(late)).toBe(now)
    }
  })

  it('stay while one writer has not, whatever time passes, and nothing comes back when it does', () => {
    const { lab, hub, a, b } = world()
    fill(lab, b, 50)
    lab.cutAll(b)
    // Written without having seen the deletes to come.
    b.write('hkg-1', 'k7', { type: 'patch', value: { m: 1 } })
    lab.run(1_000)
    empty(lab, a, 50)
    lab.run(SETTLE_MS)
    const marked = bytes(hub, 'a|')
    lab.connect(b, hub, 'up')
    lab.run(SETTLE_MS)
    expect(bytes(hub, 'a|')).toBeLessThan(marked / 2)
    for (const node of lab.nodes) {
      expect(node.replica.list('tasks', 'hkg-1').map(({ key }) => key)).toEqual(['stays-a', 'stays-b'])
      expect(hash(node)).toBe(hash(hub))
    }
  })

  it('never come back at a reader that was away', () => {
    const { lab, hub, a, b } = world()
    const reader = lab.add('reader', { ...LIMITED, write: [] })
    lab.connect(reader, hub, 'up')
    fill(lab, b, 50)
    lab.run(10_000)
    lab.cutAll(reader)
    const backup = new Map(reader.store)
    for (let n = 0; n < 50; n++) a.put('hkg-1', `k${n}`, { n, again: true })
    lab.run(1_000)
    empty(lab, b, 50)
    lab.run(SETTLE_MS)
    reader.restart(backup)
    expect(reader.replica.list('tasks', 'hkg-1')).toHaveLength(52)
    lab.connect(reader, hub, 'up')
    let fewest = 52
    while (lab.step()) {
      const { length } = reader.replica.list('tasks', 'hkg-1')
      expect(length).toBeLessThanOrEqual(52)
      fewest = Math.min(fewest, length)
      expect(length - fewest).toBe(0)
    }
    lab.run(10_000)
    expect(hash(reader)).toBe(hash(hub))
  })

  it('go when the one who has not acknowledged them is retired', () => {
    const { lab, hub, a, b } = world()
    fill(lab, a, 50)
    lab.cutAll(b)
    empty(lab, a, 50)
    const marked = bytes(hub, 'a|')
    for (let n = 0; n < 20; n++) {
      a.put('elsewhere', 'alive', n)
      lab.run(SETTLE_MS)
    }
    expect(hub.told('writer-retired')).toHaveLength(1)
    expect(bytes(hub, 'a|')).toBeLessThan(marked / 2)
    expect(hash(a)).toBe(hash(hub))
    lab.connect(b, hub, 'up')
    lab.run(10_000)
    expect(hash(b)).toBe(hash(hub))
    expect(b.replica.list('tasks', 'hkg-1').map(({ key }) => key)).toEqual(['stays-a', 'stays-b'])
  })
})
