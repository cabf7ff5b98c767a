import { describe, expect, it } from 'vitest'
import { formatTarget, parseProbeTarget } from './probe-target.ts'

describe('parseProbeTarget', () => {
  it.each([
    ['stamp://192.0.2.7', 'stamp://192.0.2.7:862'],
    ['stamp://192.0.2.7:8620', 'stamp://192.0.2.7:8620'],
    ['STAMP://reflector.example/', 'stamp://reflector.example:862'],
    ['stamp://[2001:db8::7]', 'stamp://[2001:db8::7]:862'],
    ['tcp://[2001:db8::7]:443', 'tcp://[2001:db8::7]:443'],
    ['nrt-2-a', 'nrt-2-a'],
  ])('%s is %s', (text, target) => expect(formatTarget(parseProbeTarget(text))).toBe(target))

  it.each([
    ['tcp://host', /host and port cannot be told/],
    ['tcp://host:0', /host and port cannot be told/],
    ['stamp://2001:db8::7', /host and port cannot be told/],
    ['stamp://', /host and port cannot be told/],
    ['icmp://host', /nothing here speaks icmp/],
    ['no name', /it is no name of a node/],
    ['', /it is no name of a node/],
  ])('"%s" is refused', (text, why) => {
    expect(() => parseProbeTarget(text)).toThrow(expect.objectContaining({ code: 'usage', message: expect.stringMatching(why) }))
  })

  it('says what an address without a scheme may have meant', () => {
    expect(() => parseProbeTarget('host:443')).toThrow(expect.objectContaining({ remedy: 'write tcp://host:443 or stamp://host:443' }))
  })
})
