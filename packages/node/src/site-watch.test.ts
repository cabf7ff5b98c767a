import { describe, expect, test } from 'vitest'
import { type Instant, type NodeId, instant, nodeId } from '@causeway/protocol'
import { SiteWatch } from './site-watch.ts'
import { verdictOfSighting } from './verdict.ts'

const [A, B, C] = ['a', 'b', 'c'].map((name) => nodeId(name)) as [NodeId, NodeId, NodeId]
const SELF = nodeId('self')

function at(ms: number): Instant {
  return instant(ms)
}

/** We hear a, b and c, and they hear each other and us. */
function watching(): SiteWatch {
  const watch = new SiteWatch()
  for (const [id, name] of [
    [A, 'a'],
    [B, 'b'],
    [C, 'c'],
  ] as const) {
    watch.linkUp(at(0), id, name)
  }
  for (const id of [A, B, C]) watch.told(at(0), id, [SELF, ...[A, B, C].filter((other) => other !== id)])
  return watch
}

function states(watch: SiteWatch, now: number): string {
  return watch
    .sightings(at(now))
    .map(({ node, state, how }) => `${node} ${state}${how === null ? '' : ` ${how}`}`)
    .join(', ')
}

describe('SiteWatch', () => {
  test('one bad link is no death: a neighbour still hears it', () => {
    const watch = watching()
    watch.linkDown(at(100), C, 'silent')
    expect(states(watch, 5_000)).toBe('a alive, b alive, c alive')
    expect(watch.nextWake(at(100))).toBeUndefined()
    expect(watch.hears()).toEqual([A, B])
  })

  test('whom nobody hears is suspect, and lost 1.6 s after the last one lost it', () => {
    const watch = watching()
    watch.linkDown(at(100), C, 'reset')
    watch.told(at(150), A, [SELF, B])
    watch.told(at(300), B, [SELF, A])
    expect(states(watch, 1_899)).toBe('a alive, b alive, c suspect reset')
    expect(watch.nextWake(at(300))).toBe(1_900)
    expect(states(watch, 1_900)).toBe('a alive, b alive, c lost reset')
    expect(watch.sightings(at(2_300))[2]?.forMs).toBe(2_000)
    watch.linkUp(at(2_400), C, 'c')
    expect(states(watch, 2_400)).toBe('a alive, b alive, c alive')
  })

  test('what a neighbour that we do not hear has said counts no more', () => {
    const watch = watching()
    watch.linkDown(at(100), C, 'silent')
    watch.told(at(100), A, [SELF])
    watch.linkDown(at(200), B, 'silent')
    expect(states(watch, 300)).toBe('a alive, b suspect silent, c suspect silent')
    const seen = watch.sightings(at(2_000))
    expect(seen.map((each) => verdictOfSighting(each, seen))).toEqual(['alive', 'cut-off', 'cut-off'])
  })

  test('who said that it stops is lost at once, and has not crashed', () => {
    const watch = watching()
    for (const id of [A, B]) watch.told(at(90), id, [SELF])
    watch.saidGoodbye(C)
    watch.linkDown(at(100), C, 'reset')
    expect(states(watch, 100)).toBe('a alive, b alive, c lost stopped')
    const seen = watch.sightings(at(100))
    expect(seen.map((each) => verdictOfSighting(each, seen))).toEqual(['alive', 'alive', 'unknown'])
  })

  test('after we stood still, what was reset is only silent, and gets more time', () => {
    const watch = watching()
    for (const id of [A, B, C]) watch.linkDown(at(8_000), id, 'reset')
    watch.lagged(at(8_001), 7_000)
    const seen = watch.sightings(at(16_000))
    expect(states(watch, 16_000)).toBe('a suspect silent, b suspect silent, c suspect silent')
    expect(states(watch, 18_001)).toBe('a lost silent, b lost silent, c lost silent')
    expect(seen.map((each) => verdictOfSighting({ ...each, state: 'lost' }, seen))).toEqual(['cut-off', 'cut-off', 'cut-off'])
  })

  test('no more nodes are known than a site may have', () => {
    const watch = watching()
    watch.linkDown(at(10), C, 'silent')
    for (const id of [A, B]) watch.told(at(10), id, [SELF])
    for (let index = 0; index < 100; index++) watch.linkUp(at(20), nodeId(`n${index}`), `n${index}`)
    const seen = watch.sightings(at(20))
    expect(seen).toHaveLength(63)
    expect(seen.some(({ node }) => node === 'c')).toBe(false)
  })
})
