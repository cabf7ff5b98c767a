import { expect, test } from 'vitest'
import { dialFault } from './dial-fault.ts'

test.each([
  ['connection error 127.0.0.1:7999: connect ECONNREFUSED 127.0.0.1:7999', 'refused: nothing listens there (ECONNREFUSED)'],
  ['getaddrinfo ENOTFOUND hub.invalid', 'its name leads to no address (ENOTFOUND)'],
  ['Missing newline', 'what answers there does not speak this protocol: Missing newline'],
  ['Can not dial self', 'this is myself'],
  ['no answer within 5 s', 'no answer within 5 s'],
  ['connect EMFILE', 'connect EMFILE'],
])('%s is told as: %s', (message, told) => {
  expect(dialFault(new Error(message))).toBe(told)
})
