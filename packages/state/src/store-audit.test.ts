import type { StoreEntry } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { Lab, type LabNode, labCrypto } from './replica-lab.ts'
import { type StoreAudit, auditStore } from './store-audit.ts'

function written(): LabNode {
  const lab = new Lab(3)
  const node = lab.add('a')
  for (let turn = 0; turn < 5; turn++) {
    node.put('hkg-1', `k${turn % 2}`, turn)
    if (turn === 2) node.put('nrt-2', 'k', turn)
    lab.run(50)
  }
  return node
}

function audit(store: ReadonlyMap<string, Uint8Array>): StoreAudit {
  const entries = [...store].map(([key, value]): StoreEntry => ({ key, value }))
  return auditStore(labCrypto('anybody'), entries)
}

describe('auditStore', () => {
  it('lists the documents, and finds no fault with what a replica wrote', () => {
    const { documents, faults, cleanStop } = audit(written().store)
    expect(faults).toEqual([])
    expect(cleanStop).toBe(false)
    expect(documents).toEqual([
      { collection: 'tasks', partition: 'hkg-1', writer: 'a', epochs: 1, batches: 5, bytes: expect.any(Number) },
      { collection: 'tasks', partition: 'nrt-2', writer: 'a', epochs: 1, batches: 1, bytes: expect.any(Number) },
    ])
  })

  it('names a batch that is missing, one that is damaged, and a log without its beginning', () => {
    const { store } = written()
    const keys = [...store.keys()].filter((key) => key.includes('|hkg-1|')).toSorted()
    const [first = '', second = '', third = ''] = keys
    expect(keys).toHaveLength(5)
    const without = (...gone: string[]): StoreAudit => audit(new Map([...store].filter(([key]) => !gone.includes(key))))
    expect(without(third).faults).toEqual([expect.stringMatching(/tasks\/hkg-1 of a, epoch \d+: batch 3 is missing/)])
    expect(without(first).faults).toEqual([expect.stringContaining('its first batch is missing')])
    const damaged = new Map(store)
    const value = Uint8Array.from(damaged.get(second) ?? [])
    value[value.length - 1] = (value[value.length - 1] ?? 0) ^ 1
    damaged.set(second, value)
    expect(audit(damaged).faults).toEqual([`${second}: its checksum does not match`, expect.stringContaining('batch 2 is missing')])
  })
})
