import { expect, test } from 'vitest'
import { nodeId } from '@causeway/protocol'
import { publisherOf } from './verdict-publisher.ts'

const HUBS = ['core-1', 'core-2', 'core-3', 'core-4'].map((name) => nodeId(name))
const SITES = Array.from({ length: 400 }, (_, index) => `site-${index}`)

test('sites are spread over hubs, whatever the order in which these are known', () => {
  const publishers = SITES.map((site) => publisherOf(site, HUBS))
  expect(SITES.map((site) => publisherOf(site, HUBS.toReversed()))).toEqual(publishers)
  for (const hub of HUBS) expect(publishers.filter((each) => each === hub).length).toBeGreaterThan(50)
  expect(publisherOf('site-1', [])).toBeUndefined()
})

test('when a hub goes, only its own sites move', () => {
  const [gone, ...left] = HUBS
  for (const site of SITES) {
    const before = publisherOf(site, HUBS)
    if (before !== gone) expect(publisherOf(site, left)).toBe(before)
  }
})
