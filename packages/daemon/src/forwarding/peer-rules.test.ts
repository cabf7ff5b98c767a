import { expect, test } from 'vitest'
import { type PeerFacts, PeerRules, isPeerRule } from './peer-rules.ts'

const PEER: PeerFacts = { name: 'hkg-1-a', site: 'hkg-1', region: 'apac', role: 'edge', labels: { team: 'media', tier: '1.5' } }

test.each<[rules: string[] | undefined, admitted: boolean]>([
  [undefined, true],
  [['site=hkg-*'], true],
  [['site=hkg'], false],
  [['site=*kg-1'], true],
  [['site=nrt-*', 'name=hkg-1-a'], true],
  [['site=nrt-*', 'name=hkg-1-b'], false],
  [['region=apac,label.team=media'], true],
  [['region=apac,label.team=audio'], false],
  [['label.tier=1.5'], true],
  [['label.tier=1x5'], false],
  [['label.owner=*'], false],
  [['role=hub'], false],
  [['label.toString=*'], false],
])('%j admits: %j', (rules, admitted) => {
  expect(new PeerRules(rules).admits(PEER)).toBe(admitted)
})

test('a dot in a rule is a dot', () => {
  expect(new PeerRules(['label.tier=1.5']).admits({ ...PEER, labels: { tier: '1x5' } })).toBe(false)
})

test.each(['', 'hkg-1', 'site', 'site=', '=hkg', 'sites=hkg-1', 'label.=a', 'site=hkg-1,', 'site=a b'])('%j is no rule', (text) => {
  expect(isPeerRule(text)).toBe(false)
})

test('what is no rule admits nobody', () => {
  expect(new PeerRules(['sites=*']).admits(PEER)).toBe(false)
})
