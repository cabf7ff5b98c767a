import { expect, test } from 'vitest'
import { type Advert, type AdvertisedLink, type Instant, type Sighting, type Testimony, instant, nodeId } from '@causeway/protocol'
import { LinkState } from '@causeway/mesh'
import { Verdicts } from './verdicts.ts'

const START = instant(1_000)

function edge(name: string, site: string): AdvertisedLink {
  const [to, role] = [nodeId(name), 'edge' as const]
  return { to, name, site, role, costMs: 5, costBackMs: 5, impaired: false, domains: [], behind: [] }
}

function lost(node: string): Sighting {
  return { node, state: 'lost', how: 'reset', forMs: 2_000 }
}

class Court {
  readonly events: string[] = []
  readonly vitals = new Map<string, Instant>()
  readonly revoked = new Set<string>()
  readonly linkState = new LinkState(START, { self: nodeId('core-1'), name: 'core-1', incarnation: 1, domains: [] })
  readonly verdicts = new Verdicts(START, {
    self: 'core-1',
    linkState: this.linkState,
    vitals: () => this.vitals,
    publishedSites: () => [],
    isRevoked: (node) => this.revoked.has(node),
    published: () => [],
    report: (name, data) => this.events.push(`${name} ${data['node'] ?? data['gateways']} ${data['verdict'] ?? ''}`.trim()),
  })
  #sequence = 0

  links(now: Instant, links: readonly AdvertisedLink[]): void {
    this.linkState.advertise(now, links)
  }

  hear(now: Instant, witness: string, site: string, seen: readonly Sighting[], more: Partial<Testimony> = {}): void {
    const of = { witness, incarnation: 1, sequence: ++this.#sequence, site, region: 'apac', lan: true, gateway: false, term: 0, ageMs: 0 }
    this.verdicts.learn(now, { ...of, seen, ...more })
  }

  decide(now: Instant): string {
    this.verdicts.decide(now, 0)
    return this.verdicts
      .all()
      .map(({ node, verdict }) => `${node} ${verdict}`)
      .toSorted()
      .join(', ')
  }
}

test('what a site says of a node of another one is not heard', () => {
  const court = new Court()
  court.links(START, [edge('hkg-a', 'hkg'), edge('nrt-a', 'nrt')])
  court.hear(START, 'hkg-a', 'hkg', [])
  court.hear(START, 'nrt-a', 'nrt', [])
  expect(court.decide(START)).toBe('hkg-a alive, nrt-a alive')
  court.links(instant(2_000), [edge('nrt-a', 'nrt')])
  court.hear(instant(2_000), 'nrt-a', 'nrt', [lost('hkg-a')])
  expect(court.decide(instant(20_000))).toBe('hkg-a unknown, nrt-a alive')
})

test('whom nobody of its site hears is not alive for ever because it told vitals once', () => {
  const court = new Court()
  court.links(START, [edge('hkg-a', 'hkg'), edge('hkg-b', 'hkg')])
  court.hear(START, 'hkg-a', 'hkg', [])
  expect(court.decide(START)).toBe('hkg-a alive, hkg-b alive')
  // Long after, so that nothing is looked at any more because it was news.
  court.vitals.set('hkg-b', instant(99_000))
  court.links(instant(100_000), [edge('hkg-a', 'hkg')])
  expect(court.decide(instant(100_000))).toBe('hkg-a alive, hkg-b alive')
  for (let now = 101_000; now < 108_000; now += 1_000) court.decide(instant(now))
  expect(court.events).toEqual([])
  for (let now = 108_000; now < 130_000; now += 500) court.decide(instant(now))
  expect(court.events).toEqual(['verdict-changed hkg-b unknown'])
})

test('who was revoked is not spoken of any more, whatever its neighbours say, and is named as gone', () => {
  const court = new Court()
  court.links(START, [edge('hkg-a', 'hkg')])
  court.hear(START, 'hkg-a', 'hkg', [{ node: 'hkg-b', state: 'alive', how: null, forMs: 0 }])
  expect(court.decide(START)).toBe('hkg-a alive, hkg-b alive')
  court.revoked.add('hkg-b')
  court.verdicts.forget(instant(30_000), 'hkg-b')
  court.hear(instant(30_000), 'hkg-a', 'hkg', [lost('hkg-b')])
  expect(court.decide(instant(30_100))).toBe('hkg-a alive')
  expect(court.verdicts.sites()).toMatchObject([{ site: 'hkg', gone: ['hkg-b'] }])
  court.verdicts.forget(instant(31_000), 'nobody-knows')
})

test('while we have just stood still nobody becomes worse', () => {
  const court = new Court()
  court.links(START, [edge('hkg-a', 'hkg')])
  court.hear(START, 'hkg-a', 'hkg', [{ node: 'hkg-b', state: 'alive', how: null, forMs: 0 }])
  expect(court.decide(START)).toBe('hkg-a alive, hkg-b alive')
  court.verdicts.lagged(instant(30_000), 4_000)
  court.hear(instant(30_000), 'hkg-a', 'hkg', [lost('hkg-b')])
  expect(court.decide(instant(30_100))).toBe('hkg-a alive, hkg-b alive')
  expect(court.decide(instant(38_000))).toBe('hkg-a alive, hkg-b crashed')
  expect(court.events).toEqual(['verdict-changed hkg-b crashed'])
})

test('a split is told when it lasts, and when it ends', () => {
  const court = new Court()
  const claim = { gateway: true, term: 2 }
  court.links(START, [edge('hkg-a', 'hkg'), edge('hkg-b', 'hkg')])
  court.hear(START, 'hkg-a', 'hkg', [{ node: 'hkg-b', state: 'lost', how: 'silent', forMs: 0 }], claim)
  court.hear(START, 'hkg-b', 'hkg', [{ node: 'hkg-a', state: 'lost', how: 'silent', forMs: 0 }], claim)
  court.decide(START)
  expect(court.events).toEqual([])
  expect(court.decide(instant(5_000))).toBe('hkg-a alive, hkg-b alive')
  court.hear(instant(9_000), 'hkg-b', 'hkg', [{ node: 'hkg-a', state: 'alive', how: null, forMs: 0 }])
  court.decide(instant(9_000))
  expect(court.events).toEqual(['site-split hkg-a,hkg-b', 'site-merged hkg-a'])
})

test('a hub that is cut off from all others does not know', () => {
  const court = new Court()
  const advert: Advert = {
    ...{ origin: nodeId('core-2'), name: 'core-2', incarnation: 1, sequence: 1, ageMs: 0, draining: false, domains: [] },
    links: [{ ...edge('core-1', 'core'), role: 'hub' as const }, edge('hkg-a', 'hkg')],
  }
  court.linkState.learn(START, [advert])
  court.links(START, [{ ...edge('core-2', 'core'), role: 'hub' }])
  court.hear(START, 'hkg-a', 'hkg', [])
  expect(court.decide(START)).toBe('hkg-a alive')
  court.hear(instant(60_000), 'core-2', 'hkg', [{ ...lost('hkg-a'), how: 'silent' }], { lan: false })
  court.links(instant(60_000), [])
  expect(court.decide(instant(60_000))).toBe('hkg-a unknown')
})
