import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { DemoView } from './demo/view.ts'
import { faultLine } from './fault.ts'
import { renderDocument } from './output.ts'
import { bytes, duration, milliseconds, percent } from './quantity.ts'
import { renderTable } from './table.ts'
import { pingReport } from './verbs/ping.ts'

test('quantities have the digits that mean something, and a dash for what was not measured', () => {
  expect([0.416, 7.25, 184.4, null].map(milliseconds)).toEqual(['0.42', '7.3', '184', '-'])
  expect([0, 0.004, 0.25, 1, null].map(percent)).toEqual(['0%', '0.4%', '25%', '100%', '-'])
  expect([0, 999, 1000, 18_400_000, null].map(bytes)).toEqual(['0 B', '999 B', '1.0 kB', '18.4 MB', '-'])
  expect([5, 250, 12_000, 787_000].map(duration)).toEqual(['5s', '4m10s', '3h20m', '9d2h'])
})

test('tables are aligned, without borders and without trailing blanks', () => {
  expect(
    renderTable(
      ['TO', '>RTT'],
      [
        ['core-1', '7.0'],
        ['x', '184'],
      ],
    ),
  ).toBe('TO      RTT\ncore-1  7.0\nx       184')
})

test('lists become a line per item, also inside a list document', async () => {
  expect(await renderDocument('ndjson', { items: [1, { a: 2 }], token: 't' })).toBe('1\n{"a":2}')
  expect(await renderDocument('ndjson', { a: 1 })).toBe('{"a":1}')
})

test('a fault is one line whatever its message', () => {
  expect(faultLine(new Error('first\n  second'))).toBe('causeway: first second. Set CAUSEWAY_DEBUG=1 to see where this comes from.')
})

test('an interrupted ping counts what lies before its last answer', () => {
  const reply = (sequence: number) => ({
    sequence,
    rttMs: 1,
    path: ['b'],
    remoteMs: 0,
    remoteCount: 1,
    sentAt: 0,
    remoteAt: null,
    arrivedAt: 1,
  })
  expect(pingReport('b', [reply(0), reply(2)], undefined)).toMatchObject({ sent: 3, received: 2, lost: 1 })
  expect(pingReport('b', [], undefined)).toMatchObject({ sent: 0, lost: 0, lossRatio: null, rttMs: { p50: null } })
})

test('off a terminal the demo prints results only, a plain line each', () => {
  let text = ''
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString()
      done()
    },
  }) as unknown as NodeJS.WriteStream
  const view = new DemoView(stream)
  view.say('working')
  view.result({ title: 'link in use cut', held: false, line: 'gap 7 ms' })
  view.end()
  expect(text).toBe('  ✗ link in use cut         gap 7 ms\n')
})
