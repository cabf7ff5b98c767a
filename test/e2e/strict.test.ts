/**
 * Strict writes with real processes: a hub that grants, another one, and two sites, one behind each. Everybody counts in one
 * record by strict compare-and-set; then the hub that grants is gone.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Causeway, connect } from '@causeway/client'
import type { StatusView } from '@causeway/protocol'
import { Deployment, type NodeSpec } from './deployment.ts'
import { eventually } from './eventually.ts'

const NODES: readonly NodeSpec[] = [
  { name: 'core-1', role: 'hub', site: 'core' },
  { name: 'core-2', role: 'hub', site: 'core-b', hubs: ['core-1'] },
  { name: 'hkg-1-a', role: 'edge', site: 'hkg-1', hubs: ['core-1'], write: ['notes/**'] },
  { name: 'nrt-2-a', role: 'edge', site: 'nrt-2', hubs: ['core-2'], write: ['notes/**', 'config/all'] },
]
const COUNTERS = ['hkg-1-a', 'nrt-2-a', 'core-2'] as const
const EACH = 15

const lab = new Deployment()
const at = (node: string): Promise<Causeway> => connect({ api: lab.path(`${node}.sock`) })

beforeAll(async () => {
  await lab.prepare('mynet', NODES)
  const more = 'leases: {engine: embedded, hub: core-1}\ncollections: {config: {strict: true}}\n'
  for (const spec of NODES) lab.write(`${spec.name}.yaml`, `${lab.config(spec)}${more}`)
  for (const { name } of NODES) await lab.start(name)
  for (const name of ['hkg-1-a', 'nrt-2-a'])
    await eventually(`${name} has its hub`, async () => !(await lab.ask<StatusView>(name, 'status')).cutOff)
})
afterAll(() => lab.close())

test('of all that count at once in one record nobody loses a count', async () => {
  const first = (await at('hkg-1-a')).collection<{ readonly n: number }>('notes')
  await eventually('a strict write is granted', () => first.create('count', { n: 0 }, { partition: 'all', strict: true }).then(() => true))
  const conflicts = await Promise.all(
    COUNTERS.map(async (name) => {
      const notes = (await at(name)).collection<{ readonly n: number }>('notes')
      await eventually(`${name} has the record`, async () => (await notes.get('count', { partition: 'all' })) !== undefined)
      let refused = 0
      for (let granted = 0; granted < EACH;) {
        const before = await notes.get('count', { partition: 'all' })
        const options = { partition: 'all', revision: before?.revision ?? '', strict: true }
        try {
          await notes.put('count', { n: (before?.value.n ?? 0) + 1 }, options)
          granted++
        } catch (error) {
          expect(error).toMatchObject({ code: 'conflict' })
          refused++
        }
      }
      return refused
    }),
  )
  expect(conflicts.reduce((sum, refused) => sum + refused)).toBeGreaterThan(0)
  for (const name of COUNTERS) {
    const notes = (await at(name)).collection<{ readonly n: number }>('notes')
    await eventually(
      `${name} shows all counts`,
      async () => (await notes.get('count', { partition: 'all' }))?.value.n === COUNTERS.length * EACH,
    )
  }
})

test('a collection that is named strict takes no other writes, and rights are those of the writer', async () => {
  const config = (await at('nrt-2-a')).collection('config')
  const { revision } = await config.put('limits', { a: 1 }, { partition: 'all' })
  const [record] = [await config.get('limits', { partition: 'all' })]
  expect(record).toMatchObject({ revision, writer: 'core-1' })
  await expect((await at('hkg-1-a')).collection('config').put('limits', { a: 2 }, { partition: 'all' })).rejects.toMatchObject({
    code: 'refused',
    message: 'hkg-1-a may not write config/all',
  })
})

test('while the hub that grants is gone strict writes are refused, and plain ones are not; it goes on when it is back', async () => {
  await lab.end('core-1', 'SIGKILL')
  await eventually('hkg-1-a has gone over to the hub that its config does not name', async () => {
    const { cutOff, uplinks } = await lab.ask<StatusView>('hkg-1-a', 'status')
    return !cutOff && uplinks.every(({ hub, home, state }) => (hub === 'core-1' ? state !== 'up' : home))
  })
  const strictly = (): ReturnType<typeof lab.causeway> => lab.causeway('kv', 'put', 'notes/a', '1', '--strict', '--api', 'hkg-1-a.sock')
  // Whether its request has got there is known of a hub to which no way leads, not of one that is silent.
  expect(await strictly()).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/which grants strict writes as `leases` says, (cannot|has not)/),
  })
  await lab.end('core-2', 'SIGKILL')
  await eventually('hkg-1-a knows that it is cut off', async () => (await lab.ask<StatusView>('hkg-1-a', 'status')).cutOff)
  const alone = 'core-1, which grants strict writes as `leases` says, cannot be reached from here: nothing was written'
  expect(await strictly()).toMatchObject({ code: 1, stderr: expect.stringContaining(alone) })
  await lab.at('hkg-1-a', 'kv', 'put', 'notes/a', '1')
  for (const hub of ['core-1', 'core-2']) await lab.start(hub)
  const notes = (await at('hkg-1-a')).collection<{ readonly n: number }>('notes')
  await eventually('it grants again', async () => {
    const before = await notes.get('count', { partition: 'all' })
    const options = { partition: 'all', revision: before?.revision ?? '', strict: true }
    return notes.put('count', { n: (before?.value.n ?? 0) + 1 }, options).then(
      () => true,
      () => false,
    )
  })
  expect((await notes.get('count', { partition: 'all' }))?.value.n).toBe(COUNTERS.length * EACH + 1)
})
