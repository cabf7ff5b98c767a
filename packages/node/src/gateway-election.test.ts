import { nodeId } from '@causeway/protocol'
import { describe, expect, test } from 'vitest'
import { type Candidate, GatewayElection } from './gateway-election.ts'

const candidate = (name: string, reaches: boolean): Candidate => ({ id: nodeId(name), name, reaches })

describe('GatewayElection', () => {
  test('the first by name that reaches a hub; without any, the first by name', () => {
    const election = new GatewayElection(nodeId('b'))
    expect(election.elect([candidate('b', false), candidate('c', true), candidate('a', false)])?.name).toBe('c')
    expect(election.elect([candidate('b', true), candidate('c', true)])?.name).toBe('b')
    expect(election.elect([candidate('b', false), candidate('a', false)])?.name).toBe('a')
    expect(election.elect([candidate('a', false), candidate('b', false)])).toBeUndefined()
  })

  test('each claim of ours has a higher term than any that was heard of', () => {
    const election = new GatewayElection(nodeId('b'))
    expect([election.elect([candidate('b', false)]), election.claim]).toEqual([undefined, 1])
    election.heard(7)
    election.elect([candidate('a', true), candidate('b', true)])
    expect([election.isOurs, election.highest]).toEqual([false, 7])
    election.elect([candidate('b', true)])
    expect([election.isOurs, election.claim, election.highest]).toEqual([true, 8, 8])
  })
})
