import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { matchesInterest } from './interest.ts'
import { PatternTree } from './pattern-tree.ts'

const name = fc.constantFrom('a', 'b', 'c')
const pattern = fc
  .tuple(name, fc.array(fc.oneof(name, fc.constant('*')), { maxLength: 3 }), fc.boolean())
  .map(([first, more, open]) => [first, ...more, ...(open ? ['**'] : [])].join('/'))
const path = fc.tuple(
  name,
  fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/')),
)

describe('a tree of patterns', () => {
  it('finds exactly those whose patterns match, whoever came and went', () => {
    const changes = fc.array(fc.record({ pattern, member: fc.nat(5), goes: fc.boolean() }), { maxLength: 40 })
    const property = fc.property(changes, fc.array(path, { minLength: 1, maxLength: 20 }), (list, paths) => {
      const [tree, plain] = [new PatternTree<number>(), new Set<string>()]
      for (const change of list) {
        const entry = JSON.stringify([change.pattern, change.member])
        if (change.goes) {
          tree.delete(change.pattern, change.member)
          plain.delete(entry)
        } else {
          tree.add(change.pattern, change.member)
          plain.add(entry)
        }
      }
      const held = [...plain].map((entry) => JSON.parse(entry) as [string, number])
      for (const [collection, partition] of paths) {
        const wanted = new Set(held.filter(([one]) => matchesInterest(one, collection, partition)).map(([, member]) => member))
        expect(tree.find(collection, partition)).toEqual(wanted)
        expect(tree.has(collection, partition)).toBe(wanted.size > 0)
      }
    })
    fc.assert(property, { numRuns: 2_000 })
  })

  it('takes `**` alone for everything', () => {
    const tree = new PatternTree<string>()
    tree.add('**', 'all')
    expect([...tree.find('tasks', 'hkg-1')]).toEqual(['all'])
    tree.delete('**', 'all')
    expect(tree.has('tasks', 'hkg-1')).toBe(false)
  })
})
