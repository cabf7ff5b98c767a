import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseBody } from './request-body.ts'

const encoder = new TextEncoder()
const parse = (text: string): unknown => parseBody(encoder.encode(text).buffer)
const refuses = (message: string): unknown => expect.objectContaining({ code: 'usage', message: expect.stringContaining(message) })

describe('the body of a request', () => {
  it('is any JSON that is not too deep', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 20, stringUnit: 'binary' }), (value) => {
        expect(parse(JSON.stringify(value))).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
    expect(parse(`${'['.repeat(100)}${']'.repeat(100)}`)).toBeDefined()
    expect(parse(JSON.stringify({ text: '["\\'.repeat(1_000) }))).toEqual({ text: '["\\'.repeat(1_000) })
  })

  it.each([
    ['', 'not JSON'],
    ['{"a": 1', 'not JSON'],
    ['['.repeat(500_000), 'nested more than 100 deep'],
    [`${'{"a":'.repeat(101)}1${'}'.repeat(101)}`, 'nested more than 100 deep'],
    [String.raw`"\ud800"`, 'half of a surrogate pair'],
    [String.raw`{"\udc00": 1}`, 'half of a surrogate pair'],
  ])('is not %.20s', (text, message) => {
    expect(() => parse(text)).toThrow(refuses(message))
    expect(parse(String.raw`"\ud83d\ude00"`)).toBe('😀')
  })

  it('is UTF-8', () => {
    for (const bytes of [
      [0x22, 0xff, 0x22],
      [0x22, 0xc0, 0xaf, 0x22],
      [0xfe, 0xff],
    ]) {
      expect(() => parseBody(Uint8Array.from(bytes).buffer)).toThrow(refuses('not UTF-8'))
    }
  })
})
