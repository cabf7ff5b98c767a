import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseSelector } from '@causeway/state'
import { LabelIndex } from './label-index.ts'
import { TaskParts } from './task-parts.ts'
import { AllBut, type ListPlace, type ListedTasks, TaskSet, TaskSets } from './task-set.ts'

const START: ListPlace = { site: '', id: '' }

function listed(set: ListedTasks, place: ListPlace = START, site?: string): string[] {
  return [...set.after(place, site)].flatMap(([tasks, from]) => tasks.slice(from).map((parts) => `${parts.site}/${parts.id}`))
}

function setOf(tasks: Iterable<TaskParts>): TaskSet {
  const set = new TaskSet()
  for (const parts of tasks) set.add(parts)
  return set
}

/** Enough that a complement is more than one chunk. */
const MANY = Array.from({ length: 600 }, (_, n) => new TaskParts(`t${(n * 7) % 600}`, `site-${n % 2}`))

describe('sets of tasks', () => {
  test('list by site and id from any place on, whatever came and went', () => {
    const tasks = ['a', 'b', 'c'].flatMap((site) => ['1', '2', '3', '4'].map((id) => new TaskParts(id, site)))
    const steps = fc.array(fc.tuple(fc.nat(tasks.length - 1), fc.boolean()), { maxLength: 60 })
    const places = fc.record({ site: fc.constantFrom('', 'a', 'b', 'bb', 'c'), id: fc.constantFrom('', '2', '4') })
    const property = fc.property(steps, places, fc.constantFrom(undefined, 'a', 'b', 'x'), (changes, place, site) => {
      const [set, plain] = [new TaskSet(), new Set<TaskParts>()]
      for (const [at, goes] of changes) {
        const parts = tasks[at] as TaskParts
        if (goes) {
          set.delete(parts)
          plain.delete(parts)
        } else {
          set.add(parts)
          plain.add(parts)
        }
      }
      expect(set.size).toBe(plain.size)
      const behind = [...plain].filter((parts) => parts.site > place.site || (parts.site === place.site && parts.id > place.id))
      const wanted = behind.filter((parts) => site === undefined || parts.site === site).map((parts) => `${parts.site}/${parts.id}`)
      expect(listed(set, place, site)).toEqual(wanted.toSorted())
    })
    fc.assert(property, { numRuns: 1_000 })
  })

  test('together, and all but some, list in the same order', () => {
    const [all, every] = [setOf(MANY), MANY.map((parts) => `${parts.site}/${parts.id}`).toSorted()]
    const third = (which: number): TaskParts[] => MANY.filter((_, n) => n % 3 === which)
    const some = new TaskSets([setOf(third(2)), setOf(third(0))])
    const rest = setOf(third(1))
    expect(listed(new AllBut(all, rest))).toEqual(listed(some))
    expect(listed(new AllBut(all, some), { site: 'site-0', id: 't3' })).toEqual(listed(rest, { site: 'site-0', id: 't3' }))
    expect(listed(new TaskSets([some, rest]))).toEqual(every)
    expect(listed(new AllBut(all, new TaskSet()))).toEqual(every)
    expect(new AllBut(all, some).size).toBe(200)
  })
})

describe('the index of labels', () => {
  test('leaves no task out that a selector wants, and none twice', () => {
    const labels = fc.dictionary(fc.constantFrom('kind', 'group'), fc.constantFrom('a', 'b', ''))
    const term = fc.constantFrom('kind', '!kind', 'kind=a', 'kind!=a', 'group in (a,b,a)', 'group notin (a,b)', 'group=', 'none!=x', 'none')
    const selectors = fc.array(term, { maxLength: 3 }).map((terms) => terms.join(','))
    const task = fc.record({ at: fc.nat(30), labels, phase: fc.constantFrom('allocated', 'initialised', undefined) })
    const property = fc.property(
      fc.array(task, { maxLength: 60 }),
      selectors,
      fc.constantFrom(undefined, 'allocated'),
      (said, selector, phase) => {
        const [index, now] = [new LabelIndex(), new Map<TaskParts, (typeof said)[number]>()]
        for (const each of said) {
          const parts = MANY[each.at] as TaskParts
          index.set(parts, each.labels, each.phase)
          now.set(parts, each)
        }
        const seen = [...now].filter(([, each]) => each.phase !== undefined && (phase === undefined || each.phase === phase))
        const wanted = seen.filter(([, each]) => parseSelector(selector)(each.labels)).map(([{ site, id }]) => `${site}/${id}`)
        const found = listed(index.narrowest(selector, phase))
        expect(found).toEqual([...new Set(found)].toSorted())
        expect(wanted.filter((each) => !found.includes(each))).toEqual([])
      },
    )
    fc.assert(property, { numRuns: 1_000 })
  })
})
