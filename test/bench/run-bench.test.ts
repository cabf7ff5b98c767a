import { describe, expect, test } from 'vitest'
import type { Bench, Measured } from './bench.ts'
import { runBench } from './run-bench.ts'

const nothing: Measured = { columns: [], rows: [], judgements: [], notes: [], charts: [] }

describe('a bench', () => {
  test('runs what was asked for; a part that throws or cannot run does not keep the others from it', async () => {
    const bench: Bench = {
      name: 'toy',
      what: 'a toy',
      flags: {},
      parts: [
        { name: 'broken', what: '', measure: () => Promise.reject(new Error('it broke', { cause: new Error('of age') })) },
        { name: 'absent', what: '', missing: () => 'needs root', measure: () => Promise.resolve(nothing) },
        { name: 'unwanted', what: '', measure: () => Promise.resolve(nothing) },
        { name: 'fine', what: '', measure: () => Promise.resolve(nothing) },
      ],
    }
    const heard: string[] = []
    const order = { parts: ['broken', 'absent', 'fine'], quick: true, settings: {} }
    const { parts } = await runBench(bench, order, ({ part }) => heard.push(part))
    expect(heard).toEqual(['broken', 'absent', 'fine'])
    expect(parts.map(({ result }) => result)).toEqual([
      { outcome: 'failed', why: 'it broke: of age' },
      { outcome: 'skipped', why: 'needs root' },
      { outcome: 'measured', measured: nothing },
    ])
  })

  test('a part gets the numbers and lists that were ordered, and the run tells both', async () => {
    const heard: unknown[] = []
    const measure: Bench['parts'][number]['measure'] = (settings, lists) => {
      heard.push(settings, lists)
      return Promise.resolve(nothing)
    }
    const bench: Bench = { name: 'toy', what: 'a toy', flags: {}, parts: [{ name: 'sizes', what: '', measure }] }
    const order = { parts: ['sizes'], quick: false, settings: { hubs: 3 }, lists: { sites: [8, 32] } }
    const { settings } = await runBench(bench, order, () => undefined)
    expect(heard).toEqual([{ hubs: 3 }, { sites: [8, 32] }])
    expect(settings).toEqual({ hubs: 3, sites: [8, 32] })
  })

  test('light neighbours run side by side, others alone', async () => {
    const running = new Set<string>()
    const company: Record<string, string[]> = {}
    const part = (name: string, light: boolean): Bench['parts'][number] => ({
      name,
      what: '',
      light,
      measure: async () => {
        running.add(name)
        await Promise.resolve()
        company[name] = [...running]
        running.delete(name)
        return nothing
      },
    })
    const bench: Bench = {
      name: 'toy',
      what: 'a toy',
      flags: {},
      parts: [part('a', false), part('b', true), part('c', true), part('d', false)],
    }
    await runBench(bench, { parts: ['a', 'b', 'c', 'd'], quick: true, settings: {} }, () => undefined)
    expect(company).toEqual({ a: ['a'], b: ['b', 'c'], c: ['c'], d: ['d'] })
  })
})
