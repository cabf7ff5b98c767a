import { expect, test } from 'vitest'
import type { RecordView } from '@causeway/protocol'
import { heldOffers, offerChanges, offersIn } from './offers.ts'

const MEDIA = { protocol: 'udp', service: 'media', node: 'nrt-2-b' } as const
const SIGNAL = { protocol: 'tcp', service: 'signal', node: 'nrt-2-a' } as const

function record(key: string, value: unknown, writer: string): RecordView {
  return { key, partition: 'nrt-2', value, labels: {}, revision: '1', writer, asOf: 0 }
}

const RECORDS = [
  record('tcp.signal.nrt-2-a', SIGNAL, 'nrt-2-a'),
  record('udp.media.nrt-2-b', { ...MEDIA, later: true }, 'nrt-2-b'),
  // What one node says of another, what is at the wrong place, and what is not understood.
  record('tcp.other.nrt-2-a', { ...SIGNAL, service: 'other' }, 'nrt-2-b'),
  record('tcp.moved.nrt-2-a', SIGNAL, 'nrt-2-a'),
  record('tcp.odd.nrt-2-a', { ...SIGNAL, protocol: 'sctp' }, 'nrt-2-a'),
  record('x', null, 'nrt-2-a'),
]
const held = { list: (_collection: string, site: string) => (site === 'nrt-2' ? RECORDS : []) }

test('a node speaks for itself only', () => {
  expect(offersIn(held, 'nrt-2')).toEqual([SIGNAL, MEDIA])
})

test('records say just what is offered now', () => {
  const audio = { ...SIGNAL, service: 'audio' }
  expect(offerChanges(held, 'nrt-2', 'nrt-2-a', [SIGNAL])).toEqual([])
  expect(offerChanges(held, 'nrt-2', 'nrt-2-a', [audio])).toEqual([
    { key: 'tcp.audio.nrt-2-a', operation: { type: 'put', value: audio, labels: { protocol: 'tcp', service: 'audio' } } },
    { key: 'tcp.signal.nrt-2-a', operation: { type: 'delete' } },
  ])
})

test('who holds the records of a site knows; others have to ask', () => {
  expect(heldOffers(held, { site: 'hkg-1', role: 'edge' }, 'nrt-2')).toEqual([SIGNAL, MEDIA])
  expect(heldOffers(held, { site: 'hkg-1', role: 'edge' }, 'hkg-1')).toEqual([])
  expect(heldOffers(held, { site: 'core', role: 'hub' }, 'lhr-1')).toEqual([])
  expect(heldOffers(held, { site: 'hkg-1', role: 'edge' }, 'lhr-1')).toBeUndefined()
})
