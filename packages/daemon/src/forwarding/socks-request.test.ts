import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SOCKS_REPLY, readGreeting, readRequest, requestAnswer } from './socks-request.ts'

const NAME = Buffer.from('signal.nrt-2.causeway')
const REQUEST = Buffer.concat([Buffer.from([5, 1, 0, 3, NAME.length]), NAME, Buffer.from([0x1b, 0x59])])

test('a greeting is read when it is complete', () => {
  const greeting = Buffer.from([5, 2, 2, 0, 99])
  for (const length of [0, 1, 2, 3]) expect(readGreeting(greeting.subarray(0, length))).toBe('more')
  expect(readGreeting(greeting)).toEqual({ length: 4, acceptable: true })
  expect(readGreeting(Buffer.from([5, 1, 2]))).toEqual({ length: 3, acceptable: false })
  expect(readGreeting(Buffer.from('GET / HTTP/1.1'))).toBe('malformed')
})

test('a request is read when it is complete', () => {
  for (let length = 0; length < REQUEST.length; length++) expect(readRequest(REQUEST.subarray(0, length))).toBe('more')
  expect(readRequest(Buffer.concat([REQUEST, Buffer.from('more')]))).toEqual({ length: REQUEST.length, host: NAME.toString(), port: 7001 })
})

test('what is not CONNECT to a name is refused with the code for it', () => {
  expect(readRequest(Buffer.from([5, 2, 0, 3]))).toMatchObject({ refused: SOCKS_REPLY.commandNotSupported })
  expect(readRequest(Buffer.from([5, 3, 0, 1]))).toMatchObject({ refused: SOCKS_REPLY.commandNotSupported })
  expect(readRequest(Buffer.from([5, 1, 0, 1]))).toMatchObject({ refused: SOCKS_REPLY.addressTypeNotSupported })
  expect(readRequest(Buffer.from([5, 1, 0, 4]))).toMatchObject({ refused: SOCKS_REPLY.addressTypeNotSupported })
  expect(readRequest(Buffer.from([5, 1, 0, 9]))).toBe('malformed')
  expect(readRequest(Buffer.from([4, 1, 0, 3]))).toBe('malformed')
  expect(requestAnswer(SOCKS_REPLY.hostUnreachable).toString('hex')).toBe('05040001000000000000')
})

test('whatever comes is read without a fault', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      readGreeting(bytes)
      readRequest(bytes)
    }),
  )
})
