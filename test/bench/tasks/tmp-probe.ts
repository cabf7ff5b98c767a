import { connect } from '@causeway/client'
import { Deployment } from '../../e2e/deployment.ts'
import { buildProgram } from '../../e2e/built-program.ts'
import { eventually } from '../../e2e/eventually.ts'
import { quantileOf } from '../statistics.ts'
import { readFileSync } from 'node:fs'
const remove = buildProgram()
{
  await using lab = new Deployment()
  const edge = { name: 'hkg-1-a', role: 'edge', site: 'hkg-1', hubs: ['core-1'] } as const
  const hub = { name: 'core-1', role: 'hub', site: 'core' } as const
  await lab.prepare('bench', [hub, edge])
  for (const spec of [hub, edge]) lab.write(`${spec.name}.yaml`, `${lab.config(spec)}leases: {engine: embedded, hub: core-1}\n`)
  if (process.env.PROF) lab.under('core-1', ['/usr/bin/env', `NODE_OPTIONS=--cpu-prof --cpu-prof-dir=${process.env.PROF}`])
  for (const { name } of [hub, edge]) await lab.start(name)
  const c = await connect({ api: lab.path('core-1.sock') })
  const e = await connect({ api: lab.path('hkg-1-a.sock') })
  const end = new AbortController()
  const w = e.tasks.work('', (_, { signal }) => new Promise((_, r) => signal.addEventListener('abort', () => r(signal.reason))), { slots: 10, signal: end.signal })
  await eventually('worker', async () => (await c.collection('task-workers').list()).items.length === 1)
  const cpu = () => { const s = readFileSync(`/proc/${lab.pid('core-1')}/stat`, 'utf8').split(' '); return (Number(s[13]) + Number(s[14])) * 10 }
  const time = async (what: string, n: number, act: (i: number) => Promise<unknown>) => {
    const t: number[] = []; const c0 = cpu()
    for (let i = 0; i < n; i++) { const b = performance.now(); await act(i); t.push(performance.now() - b) }
    console.log(what.padEnd(12), 'p50', quantileOf(t, 0.5)?.toFixed(2), 'p99', quantileOf(t, 0.99)?.toFixed(2), 'hub cpu ms/op', ((cpu() - c0) / n).toFixed(2))
  }
  for (let r = 0; r < 2; r++) {
    await time('status', 200, () => c.status())
    await time('kv put', 200, (i) => c.collection('items').put(`k${i}`, { n: i }, { partition: 'hkg-1' }))
    await time('submit', 200, (i) => c.tasks.submit({ spec: { n: i }, near: 'hkg-1' }))
    await time('get', 200, () => c.tasks.list({ limit: 1 }))
  }
  end.abort(); await w
  if (process.env.PROF) await lab.end('core-1', 'SIGTERM')
}
remove()
