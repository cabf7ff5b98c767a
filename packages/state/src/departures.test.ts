import { describe, expect, it } from 'vitest'
import { Lab, type LabNode } from './replica-lab.ts'

const KEEP_MS = 60_000
const ACKS_MS = 8_000

function keys(node: LabNode): string[] {
  return node.replica.list('tasks').map(({ partition, key }) => `${partition}:${key}`)
}

function batches(node: LabNode): string[] {
  return [...node.store.keys()].filter((key) => key.startsWith('state/batch|')).map((key) => key.split('|').slice(2, 4).join(':'))
}

function world(...interest: string[]): { lab: Lab; hub: LabNode; gateway: LabNode; member: LabNode } {
  const lab = new Lab(4)
  const hub = lab.add('core-1', { core: true })
  const gateway = lab.add('hkg-1-a', { interest, write: ['tasks/**'] })
  const member = lab.add('hkg-1-b', { interest: ['tasks/hkg-1'], write: ['tasks/**'] })
  lab.connect(gateway, hub, 'up')
  lab.connect(member, gateway, 'up')
  hub.put('hkg-1', 'a', 1)
  hub.put('nrt-1', 'b', 2)
  lab.run(ACKS_MS)
  return { lab, hub, gateway, member }
}

describe('what nobody wants any more', () => {
  it('comes and goes with the interest, while the node runs', () => {
    const { lab, hub, member, gateway } = world('tasks/hkg-1')
    expect(keys(member)).toEqual(['hkg-1:a'])
    member.input({ type: 'interest', patterns: ['tasks/nrt-1'] })
    lab.run(1_000)
    // Through the gateway, which wants it for its member only.
    expect([keys(member), keys(gateway)]).toEqual([
      ['hkg-1:a', 'nrt-1:b'],
      ['hkg-1:a', 'nrt-1:b'],
    ])
    expect(member.replica.complete()).toBe(true)
    hub.put('hkg-1', 'a', 3)
    lab.run(KEEP_MS / 2)
    // Kept up to date as long as it is held.
    expect(member.replica.get('tasks', 'hkg-1', 'a')?.value).toBe(3)
    expect(member.unsynced).toEqual([])
    lab.run(KEEP_MS)
    expect(member.unsynced).toEqual(['tasks/hkg-1'])
    expect(keys(member)).toEqual(['nrt-1:b'])
    expect(batches(member)).toEqual(['nrt-1:core-1'])
    expect(member.followed.size).toBe(1)
    expect(keys(gateway)).toEqual(['hkg-1:a', 'nrt-1:b'])
    member.restart()
    expect(keys(member)).toEqual(['nrt-1:b'])
    member.options = { ...member.options, interest: ['tasks/hkg-1'] }
    member.restart()
    lab.connect(member, gateway, 'up')
    lab.run(3 * KEEP_MS)
    expect(keys(member)).toEqual(['hkg-1:a'])
    expect(keys(gateway)).toEqual(['hkg-1:a'])
    for (const node of lab.nodes) expect(node.violations()).toEqual([])
  })

  it('is dropped by a gateway when its members have gone', () => {
    const { lab, gateway, member } = world()
    expect(keys(gateway)).toEqual(['hkg-1:a'])
    lab.cutAll(member)
    lab.run(KEEP_MS / 2)
    lab.connect(member, gateway, 'up')
    lab.run(2 * KEEP_MS)
    expect(gateway.unsynced).toEqual([])
    lab.cutAll(member)
    lab.run(2 * KEEP_MS)
    expect(gateway.unsynced).toEqual(['tasks/hkg-1'])
    expect(keys(gateway)).toEqual([])
    expect(batches(gateway)).toEqual([])
    // And nobody who is told of nothing is told by it.
    lab.connect(member, gateway, 'up')
    lab.run(ACKS_MS)
    expect(keys(gateway)).toEqual(['hkg-1:a'])
  })

  it('stays until somebody towards the core has it, and what the node wrote itself stays for good', () => {
    const { lab, hub, gateway, member } = world('tasks/hkg-1')
    lab.cutAll(gateway)
    lab.connect(member, gateway, 'up')
    member.put('hkg-1', 'of the member', 1)
    gateway.put('hkg-1', 'of the gateway', 1)
    lab.run(1_000)
    lab.cutAll(member)
    gateway.input({ type: 'interest', patterns: [] })
    lab.run(5 * KEEP_MS)
    expect(keys(gateway)).toEqual(['hkg-1:a', 'hkg-1:of the gateway', 'hkg-1:of the member'])
    lab.connect(gateway, hub, 'up')
    lab.run(2 * KEEP_MS)
    expect(keys(hub)).toEqual(['hkg-1:a', 'hkg-1:of the gateway', 'hkg-1:of the member', 'nrt-1:b'])
    expect(gateway.unsynced).toEqual(['tasks/hkg-1'])
    expect(keys(gateway)).toEqual(['hkg-1:of the gateway'])
    expect([...gateway.followed.keys()]).toEqual(['hkg-1|of the gateway'])
  })

  it('is not dropped by who is alone', () => {
    const { lab, gateway } = world('tasks/hkg-1')
    gateway.options = { ...gateway.options, interest: [] }
    gateway.restart()
    lab.run(5 * KEEP_MS)
    expect(keys(gateway)).toEqual(['hkg-1:a'])
    expect(gateway.unsynced).toEqual([])
  })
})
