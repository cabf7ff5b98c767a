/**
 * Strict writes of two sites through two hubs and a real etcd of three members. Each write adds its own name to a record, from the
 * revision that its site has read; so the record says in the end which writes were made, and in which order. Meanwhile a member of
 * etcd is killed, then a hub: what was granted stays, what was refused never was, and no revision is written from twice.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Collection, connect } from '@causeway/client'
import type { StatusView } from '@causeway/protocol'
import { Deployment, type NodeSpec } from './deployment.ts'
import { EtcdCluster, etcdMissing } from './etcd-cluster.ts'
import { eventually } from './eventually.ts'

const missing = etcdMissing()
if (missing !== undefined) process.stderr.write(`strict writes through etcd are not tested: ${missing}\n`)

const HUBS: readonly NodeSpec[] = [
  { name: 'core-1', role: 'hub', site: 'core', hubs: ['core-2'] },
  { name: 'core-2', role: 'hub', site: 'core-b', hubs: ['core-1'] },
]
const EDGES: readonly NodeSpec[] = [
  { name: 'hkg-1-a', role: 'edge', site: 'hkg-1', hubs: ['core-1', 'core-2'], write: ['notes/**'] },
  { name: 'nrt-2-a', role: 'edge', site: 'nrt-2', hubs: ['core-2', 'core-1'], write: ['notes/**'] },
]
const ROUNDS = 20
const PLACE = { partition: 'all' }

interface Note {
  /** The names of the writes, first made first. */
  readonly made: readonly string[]
}

type Ending = 'granted' | 'conflict' | 'not written' | 'unknown'

interface Attempt {
  readonly name: string
  /** The revision that it was made from. */
  readonly from: string
  readonly ending: Ending
}

async function attempt(notes: Collection<Note>, key: string, name: string, record: { revision: string; value: Note }): Promise<Attempt> {
  const from = record.revision
  try {
    await notes.put(key, { made: [...record.value.made, name] }, { ...PLACE, revision: from })
    return { name, from, ending: 'granted' }
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    if (code === 'conflict') return { name, from, ending: 'conflict' }
    return { name, from, ending: message.includes('nothing was written') ? 'not written' : 'unknown' }
  }
}

/** One site that writes again and again until it is told to end. */
class Scribe {
  readonly attempts: Attempt[] = []
  readonly #site: string
  readonly #notes: Collection<Note>
  #ended = false

  constructor(site: string, notes: Collection<Note>) {
    this.#site = site
    this.#notes = notes
  }

  get granted(): number {
    return this.attempts.filter(({ ending }) => ending === 'granted').length
  }

  async write(key: string): Promise<void> {
    while (!this.#ended) {
      const record = await this.#notes.get(key, PLACE)
      if (record) this.attempts.push(await attempt(this.#notes, key, `${this.#site}-${this.attempts.length}`, record))
    }
  }

  end(): void {
    this.#ended = true
  }
}

describe.skipIf(missing !== undefined)('strict writes through etcd', () => {
  const lab = new Deployment()
  let etcd: EtcdCluster

  const notesOf = async (node: string): Promise<Collection<Note>> =>
    (await connect({ api: lab.path(`${node}.sock`) })).collection<Note>('notes')

  beforeAll(async () => {
    etcd = await EtcdCluster.start(3)
    await lab.prepare('mynet', [...HUBS, ...EDGES])
    for (const spec of [...HUBS, ...EDGES]) {
      const endpoints = spec.role === 'hub' ? `, endpoints: ${JSON.stringify(etcd.endpoints)}` : ''
      lab.write(`${spec.name}.yaml`, `${lab.config(spec)}leases: {engine: etcd${endpoints}}\ncollections: {notes: {strict: true}}\n`)
    }
    for (const { name } of [...HUBS, ...EDGES]) await lab.start(name)
    for (const { name } of EDGES) await eventually(`${name} has its hub`, async () => !(await lab.ask<StatusView>(name, 'status')).cutOff)
  })
  afterAll(async () => {
    await lab.close()
    await etcd?.[Symbol.asyncDispose]()
  })

  test('of two that are made from one revision exactly one is granted', async () => {
    const [hkg, nrt] = [await notesOf('hkg-1-a'), await notesOf('nrt-2-a')]
    await eventually('a strict write is granted', () => hkg.create('race', { made: [] }, PLACE).then(() => true))
    const winners: string[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const records = await eventually('both sites show the same revision', async () => {
        const [one, other] = [await hkg.get('race', PLACE), await nrt.get('race', PLACE)]
        return one && other && one.revision === other.revision && other.value.made.length === round ? ([one, other] as const) : undefined
      })
      const attempts = await Promise.all([
        attempt(hkg, 'race', `hkg-${round}`, records[0]),
        attempt(nrt, 'race', `nrt-${round}`, records[1]),
      ])
      expect(attempts.map(({ ending }) => ending).toSorted()).toEqual(['conflict', 'granted'])
      for (const { name, ending } of attempts) if (ending === 'granted') winners.push(name)
    }
    await eventually('all show the winners', async () => (await nrt.get('race', PLACE))?.value.made.length === ROUNDS)
    expect((await nrt.get('race', PLACE))?.value.made).toEqual(winners)
  })

  test('while a member of etcd is killed, and a hub, nothing that was granted is lost, and nothing that was refused is made', async () => {
    const [hkg, nrt] = [await notesOf('hkg-1-a'), await notesOf('nrt-2-a')]
    await eventually('a strict write is granted', () => hkg.create('diary', { made: [] }, PLACE).then(() => true))
    const scribes = [new Scribe('hkg', hkg), new Scribe('nrt', nrt)]
    const writing = Promise.all(scribes.map((scribe) => scribe.write('diary')))
    /** Both sites are granted writes that they make from now on. */
    const goOn = async (when: string): Promise<void> => {
      const before = scribes.map(({ granted }) => granted)
      await eventually(`both write ${when}`, () => scribes.every(({ granted }, index) => granted >= (before[index] ?? 0) + 8), 60_000)
    }
    try {
      await goOn('at first')
      const leader = await etcd.leader()
      await etcd.kill(leader)
      await goOn('with two members of etcd')
      await lab.end('core-1', 'SIGKILL')
      await goOn('with one hub')
      etcd.launch(leader)
      await lab.start('core-1')
      await goOn('with all of them again')
    } finally {
      for (const scribe of scribes) scribe.end()
      await writing
    }
    const attempts = scribes.flatMap((scribe) => scribe.attempts)
    const named = (...endings: Ending[]): string[] => attempts.filter(({ ending }) => endings.includes(ending)).map(({ name }) => name)
    for (const { name } of [...HUBS, ...EDGES]) {
      const notes = await notesOf(name)
      const made = await eventually(`${name} shows all that was granted`, async () => {
        const seen = (await notes.get('diary', PLACE))?.value.made ?? []
        return named('granted').every((each) => seen.includes(each)) ? seen : undefined
      })
      expect(new Set(made).size).toBe(made.length)
      expect(made.filter((each) => !named('granted', 'unknown').includes(each))).toEqual([])
    }
    const froms = attempts.filter(({ ending }) => ending === 'granted').map(({ from }) => from)
    expect(new Set(froms).size).toBe(froms.length)
    // Else nothing was at stake.
    expect(named('conflict').length).toBeGreaterThan(0)
  })
})
