/**
 * Leases from a real etcd of three members: what the engine promises, one by one, with a member killed and with a hub cut off
 * from etcd; then a network of two hubs that grant by it. Whatever happens, nothing is held twice, and tokens only grow.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EtcdClient } from '../../packages/daemon/src/tasks/etcd-client.ts'
import { EtcdLeases } from '../../packages/daemon/src/tasks/etcd-leases.ts'
import type { LeaseAnswer, LeaseState } from '../../packages/node/src/index.ts'
import { type Causeway, connect } from '../../packages/client/src/index.ts'
import { Deployment, type NodeSpec } from './deployment.ts'
import { EtcdCluster, etcdMissing } from './etcd-cluster.ts'
import { eventually } from './eventually.ts'

const missing = etcdMissing()
if (missing !== undefined) process.stderr.write(`leases from etcd are not tested: ${missing}\n`)

describe.skipIf(missing !== undefined)('leases from etcd', () => {
  let etcd: EtcdCluster

  beforeAll(async () => {
    etcd = await EtcdCluster.start(3)
  })
  afterAll(() => etcd?.[Symbol.asyncDispose]())

  /** A hub's engine. Each test has a network of its own. */
  const hub = (network: string, endpoints: readonly string[] = etcd.endpoints, health: (string | null)[] = []) =>
    new EtcdLeases({ client: new EtcdClient(endpoints), network, onHealth: (fault) => void health.push(fault) })

  async function granted(engine: EtcdLeases, task: string, holder: string, expected: number | null = null): Promise<LeaseState> {
    const answer = await engine.answer({ op: 'grant', task, holder, expected })
    if (answer.ok !== true || !answer.leases[0]) throw new Error(`not granted: ${JSON.stringify(answer)}`)
    return answer.leases[0]
  }

  const names = (answer: LeaseAnswer) => (answer.ok === null ? answer.error : answer.leases.map(({ task, token }) => `${task} ${token}`))

  test('grant, renew, take over, release, list; a token is never lower than one before', async () => {
    const [one, two] = [hub('calm'), hub('calm', etcd.endpoints.toReversed())]
    const first = await granted(one, 'a', 'hkg-1-a')
    expect(first).toMatchObject({ task: 'a', holder: 'hkg-1-a', free: false })
    expect(await two.answer({ op: 'grant', task: 'a', holder: 'nrt-2-a', expected: null })).toEqual({ ok: false, leases: [first] })
    const other = await granted(two, 'b', 'hkg-1-a')
    expect(other.token).toBeGreaterThan(first.token)
    const leases = [first, other, { task: 'gone', token: 1 }]
    expect(await two.answer({ op: 'renew', holder: 'hkg-1-a', leases })).toEqual({ ok: true, leases: [first, other] })
    expect(await two.answer({ op: 'renew', holder: 'nrt-2-a', leases })).toEqual({ ok: true, leases: [] })

    const moved = await granted(two, 'a', 'nrt-2-a', first.token)
    expect(moved.token).toBeGreaterThan(other.token)
    expect(names(await one.answer({ op: 'renew', holder: 'hkg-1-a', leases }))).toEqual([`b ${other.token}`])
    expect(await one.answer({ op: 'grant', task: 'a', holder: 'x', expected: first.token })).toEqual({ ok: false, leases: [moved] })
    expect(await one.answer({ op: 'release', task: 'a', token: first.token })).toEqual({ ok: false, leases: [moved] })
    expect(names(await one.answer({ op: 'list' }))).toEqual([`a ${moved.token}`, `b ${other.token}`])
    expect(await one.answer({ op: 'release', task: 'a', token: moved.token })).toEqual({ ok: true, leases: [] })
    expect(await one.answer({ op: 'release', task: 'a', token: moved.token })).toEqual({ ok: true, leases: [] })
    expect((await granted(one, 'a', 'hkg-1-a')).token).toBeGreaterThan(moved.token)
  })

  test('who knows of less than was granted last is refused, and told who had it, also when that has run out', async () => {
    const [one, two] = [hub('away'), hub('away', etcd.endpoints.toReversed())]
    const ask = { op: 'grant', task: 'a', expected: null } as const
    const first = await one.answer({ ...ask, holder: 'hkg-1-a', seen: 0 })
    const [had] = first.ok === true ? first.leases : []
    if (!had) throw new Error(`not granted: ${JSON.stringify(first)}`)
    // As long as it is held that is what is told.
    expect(await two.answer({ ...ask, holder: 'nrt-2-a', seen: 0 })).toEqual({ ok: false, leases: [had] })
    await one.answer({ op: 'release', task: 'a', token: had.token })
    for (const seen of [0, had.token - 1])
      expect(await two.answer({ ...ask, holder: 'nrt-2-a', seen })).toEqual({ ok: false, leases: [{ ...had, free: true }] })
    expect(await two.answer({ op: 'list' })).toEqual({ ok: true, leases: [] })
    expect(await two.answer({ ...ask, holder: 'nrt-2-a', seen: had.token })).toMatchObject({ ok: true, leases: [{ holder: 'nrt-2-a' }] })
    expect(await one.answer({ ...ask, task: 'b', holder: 'x', seen: 0 })).toMatchObject({ ok: true })
  })

  test('of hubs that want the same at once one gets it; many leases of a holder are renewed in one go, and listed in pages', async () => {
    const hubs = [hub('crowd'), hub('crowd'), hub('crowd')]
    const tasks = Array.from({ length: 250 }, (_, index) => `t-${String(index).padStart(4, '0')}`)
    const answers = await Promise.all(
      tasks.flatMap((task) => hubs.map((engine, index) => engine.answer({ op: 'grant', task, holder: `hub-${index}`, expected: null }))),
    )
    const winners = answers.filter((answer) => answer.ok === true).flatMap(({ leases }) => leases)
    expect(winners.map(({ task }) => task).toSorted()).toEqual(tasks)
    expect(new Set(winners.map(({ token }) => token)).size).toBe(tasks.length)
    const told = answers.filter((answer) => answer.ok === false).flatMap(({ leases }) => leases)
    for (const lease of told) expect(winners).toContainEqual(lease)
    const mine = winners.filter(({ holder }) => holder === 'hub-1')
    const renewed = await hub('crowd').answer({ op: 'renew', holder: 'hub-1', leases: mine })
    expect(names(renewed)).toHaveLength(mine.length)
    const all = await new EtcdClient(etcd.endpoints).list('/causeway/crowd/leases/', 40)
    expect(all.map(({ key }) => key.split('/').at(-1))).toEqual(tasks)
  })

  test('a renewal of many that etcd reads piece by piece renews them all', async () => {
    const engine = hub('slow', [etcd.gatedEndpoints[0] ?? ''])
    const held = await Promise.all(Array.from({ length: 40 }, (_, index) => granted(engine, `t-${index}`, 'hkg-1-a')))
    etcd.gate(0).pieceBytes = 100
    const renewed = await engine.answer({ op: 'renew', holder: 'hkg-1-a', leases: held })
    etcd.gate(0).pieceBytes = Infinity
    expect(names(renewed)).toEqual(held.map(({ task, token }) => `${task} ${token}`))
  })

  test('a claim is won by who knows what is there, stays without a lease, and is in no list of leases', async () => {
    const [one, two] = [hub('claims'), hub('claims')]
    const name = 'strict/counters/all'
    const first = await one.answer({ op: 'claim', name, expected: null, value: 'first' })
    expect(first).toMatchObject({ ok: true, leases: [{ task: name, holder: 'first' }] })
    const token = first.ok === true ? (first.leases[0]?.token ?? 0) : 0
    expect(await two.answer({ op: 'claim', name, expected: null, value: 'other' })).toEqual({
      ok: false,
      leases: first.ok === true ? first.leases : [],
    })
    const both = await Promise.all([one, two].map((engine) => engine.answer({ op: 'claim', name, expected: token, value: 'next' })))
    expect(new Set(both.map(({ ok }) => ok))).toEqual(new Set([true, false]))
    expect(await one.answer({ op: 'list' })).toEqual({ ok: true, leases: [] })
  })

  // These two wait for the same 17 s.
  test.concurrent('a lease that nobody renews runs out after 17 s, not before; one that is renewed does not; what decides creation stays', async () => {
    const engine = hub('expiry')
    const began = performance.now()
    const [kept, left] = [await granted(engine, 'kept', 'hkg-1-a'), await granted(engine, 'left', 'hkg-1-a')]
    const creation = await granted(engine, 'create/left', 'hkg-1-a')
    const renewing = setInterval(() => void engine.answer({ op: 'renew', holder: 'hkg-1-a', leases: [kept] }), 4_000)
    try {
      await eventually('the lease has run out', async () => {
        const answer = await engine.answer({ op: 'grant', task: 'left', holder: 'nrt-2-a', expected: null })
        return answer.ok === true && answer.leases[0]
      })
      expect(performance.now() - began).toBeGreaterThan(16_900)
      expect(await engine.answer({ op: 'renew', holder: 'hkg-1-a', leases: [left] })).toEqual({ ok: true, leases: [] })
      const listed = names(await engine.answer({ op: 'list' }))
      expect(listed).toContain(`kept ${kept.token}`)
      expect(listed).toHaveLength(2)
      const again = await engine.answer({ op: 'grant', task: 'create/left', holder: 'nrt-2-a', expected: null })
      expect(again).toEqual({ ok: false, leases: [creation] })
    } finally {
      clearInterval(renewing)
    }
  })

  test.concurrent('a hub that is cut off from etcd knows nothing, and holds nothing; its task goes elsewhere once, with a higher token', async () => {
    const health: (string | null)[] = []
    const [cut, other] = [hub('cut', etcd.gatedEndpoints, health), hub('cut')]
    const before = await granted(cut, 'a', 'hkg-1-a')
    const since = performance.now()
    for (const index of [0, 1, 2]) etcd.gate(index).shut = true
    const answers: LeaseAnswer[] = []
    const trying = (async () => {
      while (performance.now() - since < 16_000) answers.push(await cut.answer({ op: 'renew', holder: 'hkg-1-a', leases: [before] }))
    })()
    const after = await eventually('the other hub gets it', async () => {
      const answer = await other.answer({ op: 'grant', task: 'a', holder: 'nrt-2-a', expected: null })
      return answer.ok === true && answer.leases[0]
    })
    expect(performance.now() - since).toBeGreaterThan(16_500)
    expect(after.token).toBeGreaterThan(before.token)
    await trying
    expect(answers.length).toBeGreaterThan(2)
    for (const answer of answers) expect(answer).toMatchObject({ ok: null, error: expect.stringContaining('no answer within') as string })
    expect(health).toEqual([expect.stringContaining('no member of etcd answers')])
    for (const index of [0, 1, 2]) etcd.gate(index).shut = false
    await eventually('the cut hub hears that it holds nothing', async () => {
      const answer = await cut.answer({ op: 'renew', holder: 'hkg-1-a', leases: [before] })
      return answer.ok === true && answer.leases.length === 0
    })
    expect(health.at(-1)).toBeNull()
  })

  test('a member is killed, the leader first: grants and renewals go on, no task has two holders, tokens only grow', async () => {
    const hubs = [hub('kill'), hub('kill', etcd.endpoints.toReversed())]
    const tokens = new Map<string, number[]>()
    const holders = new Map<string, { readonly holder: string; readonly token: number }>()
    let [unknown, grants] = [0, 0]
    const stop = new AbortController()
    /** Takes free tasks, and gives them back: whoever holds one is the only one. */
    const contend = async (engine: EtcdLeases, holder: string): Promise<void> => {
      for (let round = 0; !stop.signal.aborted; round++) {
        const name = `t-${round % 5}`
        const answer = await engine.answer({ op: 'grant', task: name, holder, expected: null })
        const lease = answer.ok === true ? answer.leases[0] : undefined
        if (answer.ok === null) unknown++
        if (!lease) continue
        grants++
        const held = holders.get(name)
        expect(held, `${name} is granted to ${holder} while ${held?.holder} holds it`).toBeUndefined()
        holders.set(name, lease)
        tokens.set(name, [...(tokens.get(name) ?? []), lease.token])
        const renewed = await engine.answer({ op: 'renew', holder, leases: [lease] })
        if (renewed.ok === true) expect(renewed.leases).toEqual([lease])
        holders.delete(name)
        while ((await engine.answer({ op: 'release', task: name, token: lease.token })).ok === null && !stop.signal.aborted) unknown++
      }
    }
    const contending = hubs.map((engine, index) => contend(engine, `hub-${index}`))
    await eventually('some were granted', () => grants > 20)
    const leader = await etcd.leader()
    await etcd.kill(leader)
    const [before, at] = [grants, performance.now()]
    await eventually('grants go on', () => grants > before + 20)
    process.stderr.write(
      `etcd's leader was killed: 20 grants later after ${Math.round(performance.now() - at)} ms, ${unknown} answers unknown\n`,
    )
    etcd.launch(leader)
    await etcd.answers()
    const calm = grants
    await eventually('and on', () => grants > calm + 20)
    stop.abort()
    await Promise.all(contending)
    for (const list of tokens.values()) expect(list).toEqual([...new Set(list)].toSorted((a, b) => a - b))
  })

  test('two hubs grant by it: what is submitted to both at once exists once, and runs on when a member and a hub are killed', async () => {
    const HUBS: readonly NodeSpec[] = [
      { name: 'core-1', role: 'hub', site: 'core-1', hubs: ['core-2'] },
      { name: 'core-2', role: 'hub', site: 'core-2', hubs: ['core-1'] },
    ]
    const EDGES: readonly NodeSpec[] = ['hkg-1', 'nrt-2'].map((site) => ({
      name: `${site}-a`,
      role: 'edge',
      site,
      hubs: ['core-1', 'core-2'],
    }))
    await using lab = new Deployment()
    await lab.prepare('mynet', [...HUBS, ...EDGES])
    for (const spec of HUBS)
      lab.write(`${spec.name}.yaml`, `${lab.config(spec)}leases: {engine: etcd, endpoints: ${JSON.stringify(etcd.endpoints)}}\n`)
    for (const spec of EDGES) lab.write(`${spec.name}.yaml`, `${lab.config(spec)}leases: {engine: etcd}\n`)
    for (const { name } of [...HUBS, ...EDGES]) await lab.start(name)
    const at = (node: string): Promise<Causeway> => connect({ api: lab.path(`${node}.sock`) })
    const [one, two, hkg, nrt] = (await Promise.all(['core-1', 'core-2', 'hkg-1-a', 'nrt-2-a'].map(at))) as [
      Causeway,
      Causeway,
      Causeway,
      Causeway,
    ]

    const running = new Map<string, number[]>()
    const end = new AbortController()
    const work = ({ tasks }: Causeway): Promise<void> =>
      tasks.work(
        'kind=etcd',
        ({ id }, { token, signal }) => {
          running.set(id, [...(running.get(id) ?? []), token])
          return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
        },
        { slots: 50, signal: end.signal },
      )
    const works = [work(hkg), work(nrt)]
    try {
      for (const hub of [one, two])
        await eventually('the pool is known', async () => (await hub.collection('task-workers').list()).items.length === 2, 60_000)
      const submit = ({ tasks }: Causeway, n: number) => tasks.submit({ spec: { n }, convergeKey: `key-${n}`, labels: { kind: 'etcd' } })
      const submitted = await Promise.all(Array.from({ length: 60 }, (_, n) => submit([one, two, hkg, nrt][n % 4] as Causeway, n % 20)))
      const created = submitted.filter((task) => task.created)
      expect(new Set(submitted.map(({ id }) => id)).size).toBe(20)
      expect(new Set(created.map(({ convergeKey }) => convergeKey)).size).toBe(created.length)
      await eventually('all run', () => running.size === 20)

      await etcd.kill(await etcd.leader())
      await lab.end('core-1', 'SIGKILL')
      const more = await eventually('a task is taken with one hub and two members', () => submit(nrt, 20), 60_000)
      await eventually('it runs', () => running.has(more.id), 60_000)
      const { items } = await two.tasks.list({ selector: 'kind=etcd' })
      expect(items.map(({ convergeKey }) => convergeKey)).toHaveLength(21)
      for (const [id, tokens] of running) expect(tokens, id).toEqual([...new Set(tokens)].toSorted((a, b) => a - b))
    } finally {
      end.abort()
      await Promise.all(works)
    }
  })
})
