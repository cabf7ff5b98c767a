import { expect, test } from 'vitest'
import { parseExposition } from './parse-exposition.ts'

const HEAD = '# HELP a_seconds what\n# TYPE a_seconds histogram\n'
const GOOD = `${HEAD}a_seconds_bucket{le="0.1"} 1\na_seconds_bucket{le="+Inf"} 2\na_seconds_sum 0.5\na_seconds_count 2\n`

test('reads what is right', () => {
  expect(parseExposition(GOOD).get('a_seconds')).toMatchObject({ type: 'histogram', help: 'what', samples: { length: 4 } })
  const [sample] = parseExposition('# HELP a x\n# TYPE a gauge\na{b="1,\\"2\\\\",c=""} -1.5e-7\n').get('a')?.samples ?? []
  expect(sample).toEqual({ name: 'a', labels: { b: '1,"2\\', c: '' }, value: -1.5e-7 })
})

test.each([
  ['no newline at the end', GOOD.trimEnd(), 'newline'],
  ['a family twice', GOOD + GOOD, 'declared twice'],
  ['a type without help', '# TYPE a gauge\na 1\n', 'no help'],
  ['a sample of another family', '# HELP a x\n# TYPE a gauge\nb 1\n', 'not a sample of a'],
  ['a sample before any family', 'a 1\n', 'before any family'],
  ['NaN', '# HELP a x\n# TYPE a gauge\na NaN\n', 'not a number'],
  ['one sample twice', '# HELP a x\n# TYPE a gauge\na{b="1",c="2"} 1\na{c="2",b="1"} 1\n', 'two samples'],
  ['a label that is not quoted well', '# HELP a x\n# TYPE a gauge\na{b="1"2"} 1\n', 'cannot be read'],
  ['a counter that is not called total', '# HELP a x\n# TYPE a counter\na 1\n', '_total'],
  ['buckets that are not cumulative', GOOD.replace('"0.1"} 1', '"0.1"} 3'), 'not cumulative'],
  ['a count that is not the last bucket', GOOD.replace('count 2', 'count 3'), '+Inf'],
  ['buckets without +Inf', GOOD.replace('+Inf', '9'), '+Inf'],
  ['a histogram without sum', GOOD.replace('a_seconds_sum 0.5\n', ''), 'one sum'],
])('refuses %s', (_what, text, fault) => {
  expect(() => parseExposition(text)).toThrow(fault)
})
