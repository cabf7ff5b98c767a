import { LIMITS, type RecordView, type WatchEvent, after } from '@causeway/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JournalLimits } from './journal.ts'
import { Lab, type LabNode, WALL_MS } from './replica-lab.ts'
import type { ChangeEffect } from './replica-contract.ts'
import { type WatchQuery, Watches } from './watches.ts'

/** The watches of a node, fed with what its replica says. */
function watchesOf(lab: Lab, node: LabNode, limits: Partial<JournalLimits> = {}): Watches {
  const watches = new Watches(node.replica, lab.random, lab.now, WALL_MS, { ...LIMITS, ...limits })
  const handle = node.replica.handle.bind(node.replica)
  node.replica.handle = (now, input) => {
    const effects = handle(now, input)
    const changes = effects.filter((effect): effect is ChangeEffect => effect.type === 'change')
    watches.changed(now, now + WALL_MS, changes)
    return effects
  }
  return watches
}

/** What a reader knows who believes everything that a watch says. */
class Reader {
  readonly records = new Map<string, RecordView>()
  readonly told: string[] = []
  token = ''

  take(event: WatchEvent): void {
    this.told.push('record' in event ? `${event.type} ${event.record.key}` : event.type)
    if (event.type === 'BOOKMARK') this.token = event.token
    if (!('record' in event)) return
    const id = `${event.record.partition}|${event.record.key}`
    if (event.type === 'DELETED') this.records.delete(id)
    else this.records.set(id, event.record)
  }

  follow(lab: Lab, watches: Watches, query: WatchQuery): () => void {
    const { initial, close } = watches.open(lab.now, query, (event) => this.take(event))
    for (const event of initial) this.take(event)
    return close
  }
}

const QUERY: WatchQuery = { collection: 'tasks', partition: 'hkg-1' }
const put = (node: LabNode, key: string, value: unknown = 1) => node.put('hkg-1', key, value)
const settled = (lab: Lab) => lab.run(60_000)

function pair() {
  const lab = new Lab(3)
  const [a, b] = [lab.add('a'), lab.add('b')]
  const watches = [watchesOf(lab, a), watchesOf(lab, b)] as const
  lab.connect(a, b, 'mesh')
  return { lab, a, b, watches }
}

describe('a watch', () => {
  it('goes on at the very next change where the journal reaches back', () => {
    const { lab, a, watches } = pair()
    const reader = new Reader()
    put(a, 'x')
    settled(lab)
    const stop = reader.follow(lab, watches[0], QUERY)
    stop()
    for (const value of [2, 3]) {
      put(a, 'x', value)
      settled(lab)
    }
    put(a, 'y')
    a.write('hkg-1', 'x', { type: 'delete' })
    settled(lab)
    reader.told.length = 0
    reader.follow(lab, watches[0], { ...QUERY, since: reader.token })
    expect(reader.told.slice(0, 2)).toEqual(['MODIFIED x', 'MODIFIED x'])
    expect(reader.told.slice(2, 4).sort()).toEqual(['ADDED y', 'DELETED x'])
    expect(reader.told.slice(4)).toEqual(['BOOKMARK'])
  })

  it('goes on at any replica with the token of a partition: each record once, deletes too', () => {
    const { lab, a, b, watches } = pair()
    const reader = new Reader()
    for (const key of ['keep', 'change', 'drop']) put(a, key)
    settled(lab)
    reader.follow(lab, watches[0], QUERY)()
    put(b, 'change', 2)
    put(a, 'change', 3)
    put(b, 'new')
    a.write('hkg-1', 'drop', { type: 'delete' })
    settled(lab)
    reader.told.length = 0
    expect(watches[1].covers(reader.token)).toBe(true)
    reader.follow(lab, watches[1], { ...QUERY, since: reader.token })
    expect(reader.told.slice(0, -1).sort()).toEqual(['DELETED drop', 'MODIFIED change', 'MODIFIED new'])
    expect([...reader.records.values()].map(({ key }) => key).sort()).toEqual(['change', 'keep', 'new'])
    reader.told.length = 0
    reader.follow(lab, watches[1], { ...QUERY, since: reader.token })
    expect(reader.told).toEqual(['BOOKMARK'])
  })

  it('goes on after a write with the token of the write', () => {
    const { lab, a, b, watches } = pair()
    const request = put(a, 'x')
    settled(lab)
    const outcome = a.answers.get(request)!
    if (!outcome.ok) throw new Error(outcome.message)
    put(b, 'y')
    settled(lab)
    const reader = new Reader()
    reader.follow(lab, watches[1], { ...QUERY, since: outcome.token })
    expect(reader.told).toEqual(['MODIFIED y', 'BOOKMARK'])
  })

  it('covers a token only when what it names has come', () => {
    const { lab, a, b, watches } = pair()
    settled(lab)
    lab.cutAll(a)
    put(a, 'x')
    settled(lab)
    const token = watches[0].token('tasks', 'hkg-1')
    expect(watches[1].covers(token)).toBe(false)
    lab.connect(a, b, 'mesh')
    settled(lab)
    expect(watches[1].covers(token)).toBe(true)
    expect(watches[0].covers(watches[0].token('tasks'))).toBe(true)
  })

  it('cannot go on with a wide token elsewhere, or after too long: gone', () => {
    const lab = new Lab(3)
    const node = lab.add('a')
    const watches = watchesOf(lab, node, { journalChangesMax: 2 })
    const other = watchesOf(lab, node)
    const wide = watches.token('tasks')
    const narrow = watches.token('tasks', 'hkg-1')
    for (const key of ['x', 'y', 'z']) put(node, key)
    settled(lab)
    const GONE = expect.objectContaining({ code: 'gone' })
    const open = (of: Watches, query: WatchQuery) => () => of.open(lab.now, query, () => {})
    expect(open(watches, { collection: 'tasks', since: wide })).toThrow(GONE)
    expect(open(other, { collection: 'tasks', since: wide })).toThrow(GONE)
    expect(() => other.covers(wide)).toThrow(GONE)
    const reader = new Reader()
    reader.follow(lab, watches, { ...QUERY, since: narrow })
    expect(reader.told.slice(0, -1).sort()).toEqual(['MODIFIED x', 'MODIFIED y', 'MODIFIED z'])
    const USAGE = expect.objectContaining({ code: 'usage' })
    expect(open(other, { collection: 'tasks', since: narrow })).toThrow(USAGE)
    expect(open(other, { collection: 'tasks', partition: 'nrt-1', since: narrow })).toThrow(USAGE)
    for (const since of ['', 'nonsense', '~', `x~${watches.journal.id}.zzzz`]) expect(open(watches, { ...QUERY, since })).toThrow(USAGE)
    expect(watches.count).toBe(1)
  })

  it('hears of a partition that leaves the interest', () => {
    const { lab, watches } = pair()
    const [of, other, all] = [new Reader(), new Reader(), new Reader()]
    of.follow(lab, watches[0], QUERY)
    other.follow(lab, watches[0], { ...QUERY, partition: 'nrt-1' })
    all.follow(lab, watches[0], { collection: 'tasks' })
    watches[0].unsynced(lab.now, lab.now + WALL_MS, 'tasks', 'hkg-1')
    expect([of, other, all].map(({ told }) => told.length)).toEqual([2, 1, 2])
  })

  it('is given bookmarks when there is something to tell, not more often than each 10 s', () => {
    const { lab, a, watches } = pair()
    const reader = new Reader()
    settled(lab)
    reader.follow(lab, watches[0], QUERY)
    const pass = (seconds: number) => {
      for (let second = 0; second < seconds; second++) {
        lab.run(1_000)
        const due = watches[0].nextWake()
        if (due !== undefined && due <= lab.now) watches[0].wake(lab.now)
      }
    }
    pass(60)
    expect(reader.told).toEqual(['BOOKMARK'])
    for (let second = 0; second < 30; second++) {
      put(a, 'x', second)
      pass(1)
    }
    pass(15)
    const bookmarks = reader.told.slice(1).filter((type) => type === 'BOOKMARK').length
    expect(bookmarks).toBeGreaterThanOrEqual(3)
    expect(bookmarks).toBeLessThanOrEqual(4)
    const before = reader.told.length
    reader.follow(lab, watches[0], { ...QUERY, since: reader.token })
    expect(reader.told.slice(before)).toEqual(['BOOKMARK'])
  })

  it('is told at once when the initial state has become complete', () => {
    const lab = new Lab(5)
    const [site, hub] = [lab.add('site'), lab.add('hub')]
    const watches = watchesOf(lab, site)
    lab.connect(site, hub, 'up')
    const events: WatchEvent[] = []
    const { initial } = watches.open(lab.now, QUERY, (event) => void events.push(event))
    expect([...initial]).toMatchObject([{ type: 'BOOKMARK', complete: false }])
    settled(lab)
    watches.wake(after(lab.now, 0))
    expect(events).toMatchObject([{ type: 'BOOKMARK', complete: true }])
  })

  it('that is opened when told of a change has seen all that came with it', () => {
    const { lab, a, watches } = pair()
    const late = new Reader()
    let opened = false
    watches[0].open(lab.now, QUERY, () => {
      if (!opened) late.follow(lab, watches[0], QUERY)
      opened = true
    })
    a.writeAll(
      'hkg-1',
      ['x', 'y'].map((key) => ({ key, operation: { type: 'put', value: 1 } })),
    )
    settled(lab)
    expect(late.told).toEqual(['ADDED x', 'ADDED y', 'BOOKMARK'])
  })
})

describe('readers who break off and go on, here or there', () => {
  const JOURNAL = { journalChangesMax: 5 }
  const FOLDING = { limits: { foldBytesMin: 500 } }
  const step = fc.oneof(
    fc.record({ do: fc.constant('put' as const), node: fc.nat(1), key: fc.nat(4), value: fc.nat(9) }),
    fc.record({ do: fc.constant('patch' as const), node: fc.nat(1), key: fc.nat(4), value: fc.nat(9) }),
    fc.record({ do: fc.constant('delete' as const), node: fc.nat(1), key: fc.nat(4) }),
    fc.record({ do: fc.constant('run' as const), ms: fc.nat(200) }),
    fc.record({ do: fc.constant('stop' as const) }),
    fc.record({ do: fc.constant('restart' as const), node: fc.nat(1) }),
    fc.record({ do: fc.constant('resume' as const), node: fc.nat(1) }),
  )

  it('know in the end what a list shows', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), fc.nat(1_000), (steps, seed) => {
        const lab = new Lab(seed)
        const nodes = [lab.add('a', FOLDING), lab.add('b', FOLDING)] as const
        const watches = nodes.map((node) => watchesOf(lab, node, JOURNAL))
        lab.connect(nodes[0], nodes[1], 'mesh')
        lab.run(1_000)
        const reader = new Reader()
        let stop: (() => void) | undefined = reader.follow(lab, watches[0]!, QUERY)
        let followed = 0
        const pause = () => {
          stop?.()
          stop = undefined
        }
        const resume = (at: number) => {
          if (!watches[at]!.covers(reader.token)) settled(lab)
          stop = reader.follow(lab, watches[at]!, { ...QUERY, since: reader.token })
          followed = at
        }
        const restart = (at: number) => {
          if (followed === at) pause()
          nodes[at]!.restart()
          watches[at] = watchesOf(lab, nodes[at]!, JOURNAL)
          lab.connect(nodes[0], nodes[1], 'mesh')
        }
        for (const act of steps) {
          if (act.do === 'run') lab.run(act.ms)
          else if (act.do === 'stop') pause()
          else if (act.do === 'resume' && !stop) resume(act.node)
          else if (act.do === 'restart') restart(act.node)
          else if (act.do === 'put') put(nodes[act.node]!, `k${act.key}`, { n: act.value })
          else if (act.do === 'delete') nodes[act.node]!.write('hkg-1', `k${act.key}`, { type: 'delete' })
          else if (act.do === 'patch') nodes[act.node]!.write('hkg-1', `k${act.key}`, { type: 'patch', value: { m: act.value } })
        }
        settled(lab)
        if (!stop) resume(1)
        const shown = nodes[0].replica.list('tasks', 'hkg-1')
        expect([...reader.records.values()].sort((x, y) => (x.key < y.key ? -1 : 1))).toEqual(shown)
      }),
      { numRuns: 300 },
    )
  })
})
