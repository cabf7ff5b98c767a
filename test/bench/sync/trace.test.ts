import { describe, expect, it } from 'vitest'
import { T64, makeTrace } from './trace.ts'

const SHAPE = { ...T64, sites: 4 }

describe('the trace', () => {
  const changes = makeTrace(SHAPE)
  const later = changes.filter(({ atMs }) => atMs >= 0)

  it('is the same from the same seed', () => {
    expect(makeTrace(SHAPE)).toEqual(changes)
    expect(makeTrace({ ...SHAPE, seed: 65 })).not.toEqual(changes)
  })

  it('has vitals of every node and one task change of every site each second, and a config push every ten', () => {
    const count = (kind: string): number => later.filter((change) => change.kind === kind).length
    expect([count('vital'), count('task'), count('config')]).toEqual([4 * 8 * 60, 4 * 60, 6])
    for (let site = 0; site < 4; site++) {
      const seconds = later.filter((change) => change.kind === 'task' && change.site === site).map(({ atMs }) => Math.floor(atMs / 1000))
      expect(seconds).toEqual(Array.from({ length: 60 }, (_, second) => second))
    }
  })

  it('has as many task changes from the core as from sites, about', () => {
    const tasks = makeTrace(T64).filter(({ kind, atMs }) => kind === 'task' && atMs >= 0)
    const fromCore = tasks.filter(({ node }) => node === undefined).length
    expect(fromCore / tasks.length).toBeGreaterThan(0.45)
    expect(fromCore / tasks.length).toBeLessThan(0.55)
  })

  it('changes what it says it changes, and a task at most every three seconds', () => {
    const before = new Map<string, { readonly value: Readonly<Record<string, unknown>>; readonly atMs: number }>()
    for (const { kind, site, key, value, changed, atMs } of changes) {
      const name = `${kind} ${site} ${key}`
      const last = before.get(name)
      if (last) expect(changed).toEqual(Object.keys(value).filter((field) => value[field] !== last.value[field]))
      if (last && last.atMs >= 0 && kind === 'task') expect(atMs - last.atMs).toBeGreaterThanOrEqual(3_000)
      before.set(name, { value, atMs })
    }
    expect(before.size).toBe(4 * 8 + 4 * 50 + 10)
  })

  it('has records of the sizes that it is known for', () => {
    const mean = (kind: string): number => {
      const sizes = later.filter((change) => change.kind === kind).map(({ value }) => JSON.stringify(value).length)
      return sizes.reduce((sum, size) => sum + size, 0) / sizes.length
    }
    expect(mean('vital')).toBeCloseTo(52, -1)
    expect(mean('task')).toBeCloseTo(142, -1)
    expect(mean('config')).toBeGreaterThan(950)
  })
})
