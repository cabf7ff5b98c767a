import { expect, test } from 'vitest'
import { NAME_PATTERN, asNodeId, nodeId } from './node-id.ts'

test('is FNV-1a with 32 bits (test vectors of the draft)', () => {
  expect(nodeId('')).toBe(0x811c9dc5)
  expect(nodeId('a')).toBe(0xe40c292c)
  expect(nodeId('foobar')).toBe(0xbf9cf968)
})

test('the ids of the names of a large fleet do not collide', () => {
  const ids = new Set<number>()
  for (let site = 0; site < 500; site++) for (let node = 0; node < 10; node++) ids.add(nodeId(`site-${site}-${node}`))
  expect(ids.size).toBe(5000)
})

test.each(['a', '0', 'hkg-1', 'core.eu-1', 'x'.repeat(63)])('%s is a name', (name) => expect(name).toMatch(NAME_PATTERN))
test.each(['', '-a', 'a-', '.a', 'A', 'a b', 'a/b', 'ä', 'x'.repeat(64), 'a\n'])('%j is not', (name) =>
  expect(name).not.toMatch(NAME_PATTERN),
)

test('numbers from the wire are unsigned', () => expect(asNodeId(-1)).toBe(0xffff_ffff))
