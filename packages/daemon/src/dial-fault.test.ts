import { expect, test } from 'vitest'
import { dialFault } from './dial-fault.ts'

const HUNG_UP = 'what answers there hung up without a word; if that is a node of this network, see its log'

test.each([
  ['connection error 127.0.0.1:7999: connect ECONNREFUSED 127.0.0.1:7999', 'refused: nothing listens there (ECONNREFUSED)'],
  ['getaddrinfo ENOTFOUND hub.invalid', 'its name leads to no address (ENOTFOUND)'],
  ['Missing newline', 'what answers there does not speak this protocol: Missing newline'],
  ['Encryption failed', HUNG_UP],
  ['Unexpected EOF - stream closed while reading 0/1 bytes', HUNG_UP],
  ['Can not dial self', 'this is myself'],
  ['no answer within 5 s', 'no answer within 5 s'],
  ['connect EMFILE', 'connect EMFILE'],
])('%s is told as: %s', (message, told) => {
  expect(dialFault(new Error(message))).toBe(told)
})
