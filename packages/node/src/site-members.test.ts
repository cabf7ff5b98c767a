import { expect, test } from 'vitest'
import { type RecordView, SeededRandom, instant } from '@causeway/protocol'
import { Dialer } from '@causeway/mesh'
import { SiteMembers } from './site-members.ts'

function record(key: string, value: unknown, more: Partial<RecordView> = {}): RecordView {
  return { key, partition: 'hkg-1', value, labels: {}, revision: 'r', writer: key, asOf: 0, ...more }
}

function learned(records: readonly RecordView[]): string[] {
  const dialer = new Dialer(instant(0), { hubs: [], peers: [], uplinks: 4, random: new SeededRandom(1) })
  new SiteMembers({ name: 'hkg-1-a', site: 'hkg-1' }, dialer).learn(instant(0), records)
  return dialer.takeDue(instant(4_000), () => false).map(({ address, others }) => [address, ...others].join(' '))
}

test('dials what nodes of the site say of themselves, and nothing else', () => {
  expect(
    learned([
      record('hkg-1-b', { addresses: ['10.0.0.2:7400', '[fd00::2]:7400'] }),
      record('hkg-1-a', { addresses: ['10.0.0.1:7400'] }),
      record('hkg-1-c', { addresses: ['10.0.0.3:7400'] }, { writer: 'hkg-1-b' }),
      record('hkg-1-d', { addresses: ['10.0.0.4:7400'] }, { partition: 'nrt-1' }),
      record('hkg-1-e', { addresses: ['no port', 'x:0', 'x y:1', 7, 'x/../y:1', 'z:123456'] }),
      ...[null, 7, {}, { addresses: 'x:1' }].map((value, index) => record(`hkg-1-f${index}`, value)),
    ]),
  ).toEqual(['10.0.0.2:7400 [fd00::2]:7400'])
})

test('has news only if the record does not say so', () => {
  const dialer = new Dialer(instant(0), { hubs: [], peers: [], uplinks: 4, random: new SeededRandom(1) })
  const members = new SiteMembers({ name: 'hkg-1-a', site: 'hkg-1' }, dialer)
  const holding = (value?: unknown): { get: () => RecordView | undefined } => ({
    get: () => (value === undefined ? undefined : record('hkg-1-a', value)),
  })
  expect(members.news(holding(), ['x:1'])).toEqual({ addresses: ['x:1'] })
  expect(members.news(holding({ addresses: ['x:2'] }), ['x:1'])).toEqual({ addresses: ['x:1'] })
  expect(members.news(holding({ addresses: ['x:1'] }), ['x:1'])).toBeUndefined()
})
