import { expect, it } from 'vitest'
import { Lab, type LabNode } from './replica-lab.ts'

const SOON_MS = 5_000

interface Pair {
  readonly lab: Lab
  readonly hub: LabNode
  readonly slow: LabNode
  readonly fast: LabNode
}

/** Two edges below a hub; in doubt, the clock of one is ahead. */
function pair(): Pair {
  const lab = new Lab(1)
  const [hub, slow, fast] = [lab.add('core-1', { core: true }), lab.add('hkg-1-a'), lab.add('hkg-1-b', { skewMs: 100 })]
  lab.connect(slow, hub, 'up')
  lab.connect(fast, hub, 'up')
  slow.put('hkg-1', 'k', 'before')
  lab.run(SOON_MS)
  return { lab, hub, slow, fast }
}

function heal({ lab, hub, slow }: Pair): void {
  lab.connect(slow, hub, 'up')
  lab.run(SOON_MS)
}

it('tells the writer, once, whose write lost to one that did not know of it, what lost and what won', () => {
  const all = pair()
  const { lab, hub, slow, fast } = all
  lab.cutAll(slow)
  slow.put('hkg-1', 'k', 'lost')
  const lost = slow.replica.list('tasks')
  lab.run(100)
  fast.put('hkg-1', 'k', 'won')
  lab.run(100)
  fast.put('hkg-1', 'k', 'won and changed')
  lab.run(100)
  expect(lost).toHaveLength(1)
  const mine = slow.replica.get('tasks', 'hkg-1', 'k')!
  expect(mine.value).toBe('lost')
  heal(all)
  expect(slow.replica.get('tasks', 'hkg-1', 'k')!.value).toBe('won and changed')
  expect(slow.told('superseded')).toMatchObject([
    { collection: 'tasks', partition: 'hkg-1', key: 'k', by: 'hkg-1-b', revision: mine.revision },
  ])
  // Nobody else's business; and not said again for what comes later, or comes again.
  fast.put('hkg-1', 'k', 'later')
  lab.run(SOON_MS)
  slow.restart()
  heal(all)
  expect(slow.told('superseded')).toHaveLength(1)
  for (const node of [hub, fast]) expect(node.told('superseded')).toEqual([])
  for (const node of lab.nodes) expect(node.violations()).toEqual([])
})

it('says nothing to whoever is overwritten by somebody who had seen it', () => {
  const { lab, slow, fast } = pair()
  for (let turn = 0; turn < 6; turn++) {
    const [one, other] = turn % 2 === 0 ? [fast, slow] : [slow, fast]
    one.put('hkg-1', 'k', turn)
    lab.run(SOON_MS)
    if (turn === 3) other.write('hkg-1', 'k', { type: 'delete' })
    lab.run(SOON_MS)
  }
  for (const node of lab.nodes) expect(node.told('superseded')).toEqual([])
})

it('tells of a record that both made, of a change that a delete undid, and of a delete that was undone', () => {
  const all = pair()
  const { lab, hub, slow, fast } = all
  for (const key of ['patched', 'deleted']) slow.put('hkg-1', key, { n: 1 })
  lab.run(SOON_MS)
  lab.cutAll(slow)
  slow.put('hkg-1', 'made', 1)
  slow.write('hkg-1', 'patched', { type: 'patch', value: { m: 2 } })
  slow.write('hkg-1', 'deleted', { type: 'delete' })
  lab.run(100)
  fast.put('hkg-1', 'made', 2)
  fast.write('hkg-1', 'patched', { type: 'delete' })
  fast.put('hkg-1', 'deleted', { n: 2 })
  lab.run(100)
  heal(all)
  expect(slow.told('superseded').map(({ key }) => key)).toEqual(expect.arrayContaining(['made', 'patched', 'deleted']))
  expect(slow.told('superseded')).toHaveLength(3)
  expect(slow.replica.contentHash('tasks', 'hkg-1')).toBe(hub.replica.contentHash('tasks', 'hkg-1'))
})

it('tells it also of what comes in a fold', () => {
  const all = pair()
  const { lab, slow, fast } = all
  lab.cutAll(slow)
  slow.put('hkg-1', 'k', 'lost')
  lab.run(200)
  fast.put('hkg-1', 'k', 'won')
  for (let n = 0; n < 400; n++) {
    fast.put('hkg-1', 'other', n)
    lab.run(30)
  }
  lab.run(200_000)
  heal(all)
  expect(slow.told('superseded')).toMatchObject([{ key: 'k', by: 'hkg-1-b' }])
})
