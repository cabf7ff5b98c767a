import { describe, expect, test } from 'vitest'
import { type Ending, type Sighting, type Testimony, instant } from '@causeway/protocol'
import type { NodeVerdict } from '@causeway/node'
import { type SiteFacts, judgeSite } from './site-judge.ts'
import type { Said } from './testimonies.ts'

const NOW = instant(100_000)
const PLACE = { site: 'hkg-1', region: 'apac' }

function alive(node: string): Sighting {
  return { node, state: 'alive', how: null, forMs: 0 }
}

function lost(node: string, how: Ending, forMs = 1_700): Sighting {
  return { node, state: 'lost', how, forMs }
}

function said(witness: string, seen: readonly Sighting[], more: Partial<Testimony> = {}, agoMs = 0): Said {
  const testimony = { ...PLACE, witness, incarnation: 1, sequence: 1, lan: true, gateway: false, term: 0, ageMs: 0, seen, ...more }
  return { testimony, at: instant(NOW - agoMs) }
}

function hubSaid(hub: string, seen: readonly Sighting[]): Said {
  return said(hub, seen, { lan: false })
}

function facts(attached: readonly string[], testimony: readonly Said[], more: Partial<SiteFacts> = {}): SiteFacts {
  return {
    ...PLACE,
    attached: new Map(attached.map((node) => [node, { hubs: ['core-1'], since: instant(10_000) }])),
    said: testimony,
    before: new Map(),
    vitalAt: () => undefined,
    since: instant(10_000),
    wallOffsetMs: 0,
    doubt: undefined,
    self: 'core-1',
    ...more,
  }
}

function verdicts(given: SiteFacts): Record<string, string> {
  return Object.fromEntries(judgeSite(NOW, given).map(({ node, verdict }) => [node, verdict]))
}

function known(node: string, verdict: NodeVerdict['verdict']): [string, NodeVerdict] {
  return [node, { ...PLACE, node, verdict, since: 5, gatewayTerm: null, evidence: [] }]
}

test('of whom nothing has been heard since the hub started, the evidence says that', () => {
  const [b] = judgeSite(NOW, facts([], [], { before: new Map([known('b', 'alive')]) }))
  expect(b).toMatchObject({ verdict: 'unknown', evidence: [{ by: 'core-1', saw: expect.stringContaining('since it was started') }] })
})

describe('a site that is heard', () => {
  test('whom its gateway has lost to a reset has crashed; who is heard or attached lives', () => {
    const given = facts(['a', 'b'], [said('a', [alive('b'), alive('c'), lost('d', 'reset')], { gateway: true, term: 3 })])
    expect(verdicts(given)).toEqual({ a: 'alive', b: 'alive', c: 'alive', d: 'crashed' })
    const [a, , , d] = judgeSite(NOW, given)
    expect(a?.gatewayTerm).toBe(3)
    expect(d?.evidence).toEqual([{ by: 'a', saw: 'lost it 1.7 s ago: its connections were reset, and nobody there hears it', at: NOW }])
  })

  test('silent alone is a crash, silent together a cut', () => {
    expect(verdicts(facts(['a'], [said('a', [lost('b', 'silent'), alive('c')])]))).toMatchObject({ b: 'crashed' })
    const together = [lost('b', 'silent', 1_700), lost('c', 'silent', 2_500)]
    expect(verdicts(facts(['a'], [said('a', together)]))).toMatchObject({ b: 'cut-off', c: 'cut-off' })
  })

  test('who was lost while nobody heard the site has time to return', () => {
    const testimony = [said('a', [lost('b', 'silent', 20_000)])]
    expect(verdicts(facts(['a'], testimony, { since: instant(NOW - 3_000) }))).toMatchObject({ b: 'cut-off' })
    expect(verdicts(facts(['a'], [said('a', [lost('b', 'silent', 99_000)])], { since: instant(NOW - 61_000) }))).toMatchObject({
      b: 'crashed',
    })
    expect(verdicts(facts(['a'], [said('a', [lost('b', 'reset', 20_000)])], { since: instant(NOW - 3_000) }))).toMatchObject({
      b: 'crashed',
    })
  })

  test('a split LAN kills nobody: the other half is attached, and speaks', () => {
    const half = [
      said('a', [lost('b', 'silent')], { gateway: true, term: 1 }),
      said('b', [lost('a', 'silent')], { gateway: true, term: 2 }),
    ]
    expect(verdicts(facts(['a', 'b'], half))).toEqual({ a: 'alive', b: 'alive' })
    expect(judgeSite(NOW, facts(['a', 'b'], half)).map(({ gatewayTerm }) => gatewayTerm)).toEqual([1, 2])
  })

  test('a link that is only not yet known to be dead proves nothing against newer testimony', () => {
    const quiet = said('b', [alive('a')], {}, 60_000)
    expect(verdicts(facts(['a', 'b'], [quiet, said('a', [lost('b', 'silent')])]))).toEqual({ a: 'alive', b: 'crashed' })
    const relinked = facts(['a'], [quiet, said('a', [lost('b', 'silent')])])
    const attached = new Map([...relinked.attached, ['b', { hubs: ['core-2'], since: instant(NOW - 200) }]])
    expect(verdicts({ ...relinked, attached })).toEqual({ a: 'alive', b: 'alive' })
  })

  test('who told vitals since lives', () => {
    const testimony = [said('a', [lost('b', 'reset', 4_000)])]
    expect(verdicts(facts(['a'], testimony, { vitalAt: () => instant(NOW - 5_000) }))).toMatchObject({ b: 'crashed' })
    expect(verdicts(facts(['a'], testimony, { vitalAt: () => instant(NOW - 1_000) }))).toMatchObject({ b: 'alive' })
    // Until it has told none for long: why, nobody there can say.
    const before = [said('a', [lost('b', 'silent', 60_000)])]
    expect(verdicts(facts(['a'], before, { vitalAt: () => instant(NOW - 9_000) }))).toMatchObject({ b: 'alive' })
    expect(verdicts(facts(['a'], before, { vitalAt: () => instant(NOW - 11_000) }))).toMatchObject({ b: 'unknown' })
    const unmentioned = { before: new Map([known('b', 'alive')]) }
    expect(verdicts(facts(['a'], [said('a', [])], { ...unmentioned, vitalAt: () => instant(NOW - 9_000) }))).toMatchObject({ b: 'alive' })
    expect(verdicts(facts(['a'], [said('a', [])], { ...unmentioned, vitalAt: () => instant(NOW - 11_000) }))).toMatchObject({
      b: 'unknown',
    })
  })

  test('who stopped in good order has not crashed', () => {
    expect(verdicts(facts(['a'], [said('a', [lost('b', 'stopped')])]))).toMatchObject({ b: 'unknown' })
  })

  test('who is not mentioned stays what it was for a while, and a crash stays one', () => {
    const before = new Map([known('b', 'alive'), known('c', 'crashed')])
    expect(verdicts(facts(['a'], [said('a', [])], { before, since: instant(NOW - 4_000) }))).toMatchObject({ b: 'alive', c: 'crashed' })
    expect(verdicts(facts(['a'], [said('a', [])], { before }))).toMatchObject({ b: 'unknown', c: 'crashed' })
  })
})

describe('a site that is silent everywhere', () => {
  test('was cut off if its last links fell silent; nobody has crashed, not even who had', () => {
    const before = new Map([known('a', 'alive'), known('b', 'alive'), known('c', 'crashed')])
    const testimony = [
      hubSaid('core-1', [lost('a', 'silent', 900)]),
      hubSaid('core-2', [lost('b', 'silent', 4_000)]),
      said('a', [lost('c', 'reset')]),
    ]
    expect(verdicts(facts([], testimony, { before }))).toEqual({ a: 'cut-off', b: 'cut-off', c: 'cut-off' })
  })

  test('else it is not known what became of it', () => {
    expect(verdicts(facts([], [hubSaid('core-1', [lost('a', 'reset', 900)])]))).toEqual({ a: 'unknown' })
    expect(verdicts(facts([], [hubSaid('core-1', [lost('a', 'stopped', 900)])]))).toEqual({ a: 'unknown' })
    const old = hubSaid('core-2', [lost('b', 'silent', 60_000)])
    expect(verdicts(facts([], [hubSaid('core-1', [lost('a', 'reset', 900)]), old]))).toEqual({ a: 'unknown', b: 'unknown' })
  })

  test('nor does a hub know that is cut off itself', () => {
    const given = facts([], [hubSaid('core-1', [lost('a', 'silent', 900)])], { doubt: 'is itself cut off from all other hubs' })
    expect(verdicts(given)).toEqual({ a: 'unknown' })
  })

  test('testimony of who cannot be heard any more kills nobody', () => {
    expect(verdicts(facts([], [said('a', [lost('b', 'reset')])]))).not.toMatchObject({ b: 'crashed' })
    expect(verdicts(facts(['c'], [said('a', [lost('b', 'reset')]), said('c', [alive('a')])]))).not.toMatchObject({ b: 'crashed' })
  })
})
