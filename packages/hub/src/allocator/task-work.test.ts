import type { GrantRecord, StatusRecord, TaskRecord } from '@causeway/protocol'
import { instant } from '@causeway/protocol'
import { TaskParts } from '@causeway/node'
import { describe, expect, test } from 'vitest'
import { adoptAt, refusedFor, unseenGrant } from './task-work.ts'

const ID = 't-1'
const NOW = instant(60_000)

describe('a grant that the records do not show', () => {
  test('is told by the node that runs the task under it, at whatever site', () => {
    const [here, there] = [parts('site-3', 12), parts('site-1')]
    tells(there, 'site-1-a', { token: 17, state: 'running' })
    expect(unseenGrant(NOW, here, [here, there], undefined)).toEqual({ node: 'site-1-a', token: 17, since: NOW })
  })

  test('is told by the engine, which does not grant the task for its sake', () => {
    const lease = { task: ID, holder: 'site-1-a', token: 17 }
    expect(refusedFor(NOW, ID, { ok: false, leases: [{ ...lease, free: false }] })).toEqual({ node: 'site-1-a', token: 17, since: NOW })
    const runOut = { ok: false, leases: [{ ...lease, free: true }] } as const
    expect(refusedFor(NOW, ID, runOut)).toEqual({ node: 'site-1-a', token: 17, since: NOW })
    expect(refusedFor(NOW, ID, { ok: true, leases: [{ ...lease, free: false }] })).toBeUndefined()
    expect(refusedFor(NOW, ID, { ok: null, error: 'no answer' })).toBeUndefined()
  })

  test('is told by the record of the task, which does not say whose it is until that one tells', () => {
    const here = parts('site-2')
    here.task = { value: { token: 24 } as TaskRecord, asOf: 0, labels: {}, revision: 'r' }
    const known = { node: null, token: 24, since: NOW }
    expect(unseenGrant(NOW, here, [here], undefined)).toEqual(known)
    tells(here, 'site-2-b', { token: 23, state: 'running' })
    tells(here, 'site-2-a', { token: 24, state: 'running' })
    expect(unseenGrant(instant(61_000), here, [here], known)).toEqual({ ...known, node: 'site-2-a' })
    here.grants.set('core-2', parts('site-2', 24).grants.get('core-1')!)
    expect(unseenGrant(instant(61_000), here, [here], known)).toBeUndefined()
  })

  test('stays known, with the time at which it was heard of, until the records show it', () => {
    const here = parts('site-3', 12)
    const known = { node: 'site-1-a', token: 17, since: instant(58_000) }
    tells(here, 'site-1-a', { token: 17, state: 'running' })
    expect(unseenGrant(NOW, here, [here], known)).toBe(known)
    expect(adoptAt(known)).toBe(63_000)
    const shown = parts('site-1', 17)
    expect(unseenGrant(NOW, shown, [here, shown], known)).toBeUndefined()
  })

  test('is none if what was run has stopped, or was run under a grant that the records show or an earlier one', () => {
    const here = parts('site-3', 12)
    tells(here, 'site-3-a', { token: 12, state: 'running' })
    tells(here, 'site-3-b', { token: 9, state: 'running' })
    tells(here, 'site-1-a', { token: 17, state: 'stopped' })
    expect(unseenGrant(NOW, here, [here], undefined)).toBeUndefined()
  })
})

function parts(site: string, token?: number): TaskParts {
  const made = new TaskParts(ID, site)
  if (token === undefined) return made
  const grant: GrantRecord = { phase: 'initialised', token, node: null, reason: '', goal: null, to: null, conditions: [] }
  made.grants.set('core-1', { value: grant, asOf: 0 })
  return made
}

function tells(of: TaskParts, node: string, said: Pick<StatusRecord, 'token' | 'state'>): void {
  const value: StatusRecord = { ...said, observedGeneration: 1, progress: null, status: null, conditions: [], alone: true }
  of.statuses.set(node, { value, asOf: 0 })
}
