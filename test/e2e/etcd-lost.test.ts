/**
 * A real etcd that loses what it knew: it goes back to an older copy of its disk, or begins with an empty one. What runs goes on
 * under its token, nothing is granted twice, and tokens go on growing.
 */
import { describe, test } from 'vitest'
import { EtcdClient } from '../../packages/daemon/src/tasks/etcd-client.ts'
import { EtcdLeases } from '../../packages/daemon/src/tasks/etcd-leases.ts'
import type { LeaseState } from '../../packages/node/src/index.ts'
import { type Causeway, connect } from '../../packages/client/src/index.ts'
import { Deployment, type NodeSpec } from './deployment.ts'
import { EtcdCluster, etcdMissing } from './etcd-cluster.ts'
import { eventually } from './eventually.ts'

const POLICIES = ['at-most-one', 'sticky', 'at-least-one'] as const
const PAUSE_MS_MAX = 60_000
const missing = etcdMissing()

describe.skipIf(missing !== undefined)('etcd that has lost what it knew', () => {
  // These two wait for the same pause.
  test.concurrent('goes back: who renews has what it had, of two the later one; then tokens go on above all before', async ({ expect }) => {
    await using etcd = await EtcdCluster.start(1)
    const health: (string | null)[] = []
    const hub = (onHealth?: (fault: string | null) => void): EtcdLeases =>
      new EtcdLeases({ client: new EtcdClient(etcd.endpoints), network: 'back', ...(onHealth && { onHealth }) })
    const [one, two] = [hub((fault) => void health.push(fault)), hub()]
    const grant = async (task: string, holder: string, seen: number, expected: number | null = null): Promise<LeaseState> => {
      const answer = await one.answer({ op: 'grant', task, holder, expected, seen })
      if (answer.ok !== true || !answer.leases[0]) throw new Error(`${task} is not granted: ${JSON.stringify(answer)}`)
      return answer.leases[0]
    }
    const renew = async (engine: EtcdLeases, { task, token, holder }: LeaseState): Promise<boolean | null> => {
      const answer = await engine.answer({ op: 'renew', holder, leases: [{ task, token }] })
      return answer.ok === null ? null : answer.leases.length > 0
    }

    const before = await grant('moved', 'hkg-1-a', 0)
    await etcd.copyDisks()
    const moved = await grant('moved', 'nrt-2-a', before.token, before.token)
    const late = await grant('late', 'nrt-2-a', 0)
    const silent = await grant('silent', 'ams-3-a', 0)
    expect(await renew(two, late)).toBe(true)
    await etcd.loseDisks()

    // A hub that has heard of nothing finds it out by what it is asked.
    expect(await renew(hub(), late)).toBeNull()
    await eventually('the late one is put back', () => renew(two, late), 10_000)
    expect(await renew(two, before)).toBe(true)
    expect(await renew(one, moved)).not.toBe(false)
    await eventually('the later grant is put back', () => renew(one, moved), 10_000)
    expect(await renew(two, before)).toBe(false)
    expect(await one.answer({ op: 'list' })).toMatchObject({ ok: null })
    expect(await two.answer({ op: 'grant', task: 'new', holder: 'x', expected: null, seen: 0 })).toMatchObject({ ok: null })
    expect(await two.answer({ op: 'claim', name: 'strict/a/b', expected: null, value: 'x' })).toMatchObject({ ok: null })

    const listed = await eventually(
      'the pause ends',
      async () => {
        for (const lease of [moved, late]) expect(await renew(two, lease)).toBe(true)
        const answer = await one.answer({ op: 'list' })
        return answer.ok === true ? answer.leases : undefined
      },
      PAUSE_MS_MAX,
    )
    expect(listed.map(({ task, holder, token }) => ({ task, holder, token }))).toEqual(
      [late, moved].map(({ task, holder, token }) => ({ task, holder, token })),
    )
    expect(health).toEqual([expect.stringContaining('etcd has lost what it knew'), null])
    expect(await two.answer({ op: 'grant', task: 'late', holder: 'x', expected: null, seen: late.token })).toMatchObject({ ok: false })

    const again = await grant('silent', 'hkg-1-a', silent.token)
    const further = await grant('moved', 'ams-3-a', moved.token, moved.token)
    for (const { token } of [again, further]) expect(token).toBeGreaterThan(Math.max(moved.token, late.token, silent.token))
    expect(await renew(two, moved)).toBe(false)
    expect(await renew(two, further)).toBe(true)
    expect(await one.answer({ op: 'release', task: 'late', token: late.token })).toEqual({ ok: true, leases: [] })
    expect(await renew(two, late)).toBe(false)
  })

  test.concurrent('begins anew: tasks of every policy run on, and then new ones are taken, and old ones moved', async ({ expect }) => {
    await using etcd = await EtcdCluster.start(1)
    const HUB: NodeSpec = { name: 'core-1', role: 'hub', site: 'core-1' }
    const EDGES: readonly NodeSpec[] = ['hkg-1', 'nrt-2'].map((site) => ({ name: `${site}-a`, role: 'edge', site, hubs: ['core-1'] }))
    await using lab = new Deployment()
    await lab.prepare('mynet', [HUB, ...EDGES])
    lab.write('core-1.yaml', `${lab.config(HUB)}leases: {engine: etcd, endpoints: ${JSON.stringify(etcd.endpoints)}}\n`)
    for (const spec of EDGES) lab.write(`${spec.name}.yaml`, `${lab.config(spec)}leases: {engine: etcd}\n`)
    for (const { name } of [HUB, ...EDGES]) await lab.start(name)
    const at = (node: string): Promise<Causeway> => connect({ api: lab.path(`${node}.sock`) })
    const [core, hkg, nrt] = (await Promise.all(['core-1', 'hkg-1-a', 'nrt-2-a'].map(at))) as [Causeway, Causeway, Causeway]

    const runs: { readonly id: string; readonly token: number; ended?: string }[] = []
    const end = new AbortController()
    const work = ({ tasks }: Causeway): Promise<void> =>
      tasks.work(
        'kind=etcd',
        ({ id }, { token, signal }) => {
          const run: (typeof runs)[number] = { id, token }
          runs.push(run)
          return new Promise((_, reject) =>
            signal.addEventListener('abort', () => {
              run.ended = (signal.reason as Error).message
              reject(signal.reason as Error)
            }),
          )
        },
        { slots: 50, signal: end.signal },
      )
    const works = [work(hkg), work(nrt)]
    try {
      const workers = core.collection('task-workers')
      await eventually('the pool is known', async () => (await workers.list()).items.length === 2, 60_000)
      const submit = (near: string, policy: (typeof POLICIES)[number]) =>
        core.tasks.submit({ spec: {}, near, policy, labels: { kind: 'etcd' } })
      const submitted = await Promise.all(POLICIES.flatMap((policy) => ['hkg-1', 'nrt-2'].map((near) => submit(near, policy))))
      await eventually('all run', () => runs.length === submitted.length, 60_000)
      const highest = Math.max(...runs.map(({ token }) => token))
      await etcd.loseDisks()

      const late = await eventually('a task is taken', () => submit('hkg-1', 'at-most-one').catch(() => undefined), PAUSE_MS_MAX)
      const run = await eventually('it runs', () => runs.find(({ id }) => id === late.id), PAUSE_MS_MAX)
      expect(run.token).toBeGreaterThan(highest)
      expect(runs.filter(({ ended }) => ended !== undefined)).toEqual([])
      expect(runs).toHaveLength(submitted.length + 1)

      const [first] = submitted
      if (!first) throw new Error('there is a first')
      await core.tasks.move(first.id)
      const movedTo = await eventually('it moves', () => runs.find(({ id, token }) => id === first.id && token > highest), PAUSE_MS_MAX)
      expect(movedTo.token).toBeGreaterThan(run.token)
    } finally {
      end.abort()
      await Promise.all(works)
    }
  })
})
