import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatDestination, parseDestination, parseHostName } from './destination.ts'

test('a destination is a service at a site, and a node if one is named', () => {
  expect(parseDestination('signal@nrt-2')).toEqual({ service: 'signal', site: 'nrt-2', node: null })
  expect(parseDestination('signal@nrt-2/nrt-2.a')).toEqual({ service: 'signal', site: 'nrt-2', node: 'nrt-2.a' })
})

test.each([
  '',
  'signal',
  '@nrt-2',
  'signal@',
  'signal@nrt-2/',
  'sig.nal@nrt-2',
  'Signal@nrt-2',
  'a@b@c',
  'a@b/c/d',
  'a@b c',
  `${'a'.repeat(64)}@b`,
])('%j is none', (text) => {
  expect(parseDestination(text)).toBeUndefined()
})

test('what is written is what is read', () => {
  const word = fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,10}[a-z0-9])?$/)
  fc.assert(
    fc.property(word, word, fc.option(word), (service, site, node) => {
      expect(parseDestination(formatDestination({ service, site, node }))).toEqual({ service, site, node })
    }),
  )
})

test('a host name leads to the same', () => {
  expect(parseHostName('signal.nrt-2.causeway')).toEqual({ service: 'signal', site: 'nrt-2', node: null })
  expect(parseHostName('Signal.NRT-2.Causeway.')).toEqual({ service: 'signal', site: 'nrt-2', node: null })
  expect(parseHostName('signal.nrt-2-a.nrt-2.causeway')).toEqual({ service: 'signal', site: 'nrt-2', node: 'nrt-2-a' })
  expect(parseHostName('signal.a.b.nrt-2.causeway')).toEqual({ service: 'signal', site: 'nrt-2', node: 'a.b' })
  for (const name of [
    'example.org',
    'causeway',
    '.causeway',
    'signal.causeway',
    'signal..causeway',
    'a b.c.causeway',
    'signal.nrt-2.causeway.org',
  ])
    expect(parseHostName(name), name).toBeUndefined()
})
