import { expect, test } from 'vitest'
import { nearbyAddresses } from './nearby-addresses.ts'

const HOW = { netmask: '', mac: '', cidr: null }
const INTERFACES = {
  lo: [{ ...HOW, address: '127.0.0.1', family: 'IPv4' as const, internal: true }],
  eth0: [
    { ...HOW, address: '10.0.0.5', family: 'IPv4' as const, internal: false },
    { ...HOW, address: 'fd00::5', family: 'IPv6' as const, internal: false, scopeid: 0 },
    { ...HOW, address: 'fe80::5', family: 'IPv6' as const, internal: false, scopeid: 2 },
  ],
}

test('a wildcard stands for the interfaces that others can reach', () => {
  expect(nearbyAddresses({ host: '0.0.0.0', port: 7400 }, [], INTERFACES)).toEqual(['10.0.0.5:7400'])
  expect(nearbyAddresses({ host: '::', port: 7400 }, [], INTERFACES)).toEqual(['10.0.0.5:7400', '[fd00::5]:7400'])
})

test('what is announced comes first; an unknown port is not told', () => {
  expect(nearbyAddresses({ host: '10.0.0.5', port: 7400 }, ['a.example:7400'], INTERFACES)).toEqual(['a.example:7400', '10.0.0.5:7400'])
  expect(nearbyAddresses({ host: '0.0.0.0', port: 0 }, [], INTERFACES)).toEqual([])
})
