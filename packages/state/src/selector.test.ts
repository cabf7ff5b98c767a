import { describe, expect, it } from 'vitest'
import { parseSelector } from './selector.ts'

const LABELS = { kind: 'record', tier: 'gold', 'example.org/zone': 'a', empty: '', größe: 'große' }

describe('selector', () => {
  it.each([
    ['', true],
    ['kind=record', true],
    ['kind==record', true],
    ['kind=record,tier=silver', false],
    ['kind = record , tier != silver', true],
    ['absent!=x', true],
    ['absent=x', false],
    ['empty=', true],
    ['tier in (gold, silver)', true],
    ['tier in (silver),kind', false],
    ['tier notin (silver,bronze)', true],
    ['absent notin (a)', true],
    ['absent in (a)', false],
    ['kind', true],
    ['!kind', false],
    ['!absent', true],
    ['example.org/zone=a', true],
    ['toString', false],
    ['größe=große', true],
    ['größe in (クラス, große)', true],
  ])('%s', (text, selected) => {
    expect(parseSelector(text)(LABELS)).toBe(selected)
  })

  it.each(['=x', 'a=b=c', 'a in b', 'a in ()', 'a in (b', 'a>1', 'a b', ',', 'a=b,', '!', 'a=$'])('refuses %s', (text) => {
    expect(() => parseSelector(text)).toThrow(expect.objectContaining({ code: 'usage' }))
  })
})
