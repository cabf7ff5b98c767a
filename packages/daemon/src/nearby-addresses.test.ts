import { expect, test } from 'vitest'
import { nearbyAddresses, reachableAddresses } from './nearby-addresses.ts'

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

test('from other sites a node is dialled where it says, or at addresses that mean no other machine there', () => {
  const nearby = ['10.0.0.5:7400', '172.20.0.1:7400', '192.168.1.1:7400', '100.64.0.1:7400', '[fd00::5]:7400', '127.0.0.1:7400']
  expect(reachableAddresses(nearby, [])).toEqual([])
  const global = ['203.0.112.9:7400', '172.32.0.1:7400', '[2a01:4f8::5]:7400']
  expect(reachableAddresses([...nearby, ...global], [])).toEqual(global)
  expect(reachableAddresses([...nearby, ...global], ['a.example:7400'])).toEqual(['a.example:7400'])
})
