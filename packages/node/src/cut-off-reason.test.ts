import { expect, test } from 'vitest'
import type { LinkView } from '@causeway/protocol'
import { instant, nodeId } from '@causeway/protocol'
import { SPARE, STOPS, cutOffReason } from './cut-off-reason.ts'

type Known = Parameters<typeof cutOffReason>[1]

function mesh(links: Readonly<Record<string, string>>, unreached: ReturnType<Known['unreached']> = []): Known {
  const isHub = (id: number): boolean => Object.keys(links).some((name) => nodeId(name) === id && name.startsWith('core'))
  return {
    linkViews: () => Object.entries(links).map(([to, reason]) => ({ to, reason }) as LinkView),
    link: (id) => ({ isHub: isHub(id) }) as ReturnType<Known['link']>,
    unreached: () => unreached,
  }
}

test('a site that is cut off says how its links with hubs ended, else why none came to be, else that none is known', () => {
  const refused = [1, 2, 3, 4, 5, 6].map((number) => ({ address: `h${number}:1`, reason: 'refused' }))
  const ended = mesh({ 'core-1': 'no answers', 'hkg-1-b': 'fine' }, refused)
  expect(cutOffReason(instant(0), ended, true)).toBe('core-1: no answers')
  expect(cutOffReason(instant(0), mesh({ 'hkg-1-b': 'fine' }, refused), true)).toBe(
    'h1:1: refused; h2:1: refused; h3:1: refused; h4:1: refused; and 2 more',
  )
  // What it let go itself it does not miss.
  expect(cutOffReason(instant(0), mesh({ 'core-1': SPARE, 'core-2': SPARE }, refused), true)).toContain('that hold its uplinks')
  expect(cutOffReason(instant(0), mesh({}), true)).toBe('none has answered since the start')
  expect(cutOffReason(instant(0), mesh({}), false)).toContain('name some under hubs')
  // Nothing is wrong with hubs that a node leaves since it stops.
  expect(cutOffReason(instant(0), mesh({ 'core-1': STOPS, 'core-2': 'no answers' }), true)).toBeUndefined()
})
