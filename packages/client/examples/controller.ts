/**
 * A controller: sees to it that there is one task for each name it is given, and tells what becomes of them.
 *
 *     node controller.ts NAME…        beside a node whose socket is ./causeway.sock, or CAUSEWAY_API
 *
 * It may be started twice, or again after a crash: the converge key makes one task of however many submissions. It ends when
 * all of them are done.
 */
import { connect } from '@causeway/client'

const causeway = await connect()
const wanted = new Map<string, string>()
for (const name of process.argv.slice(2)) {
  const task = await causeway.tasks.submit({
    spec: { to: 10, stepMs: 50 },
    convergeKey: `count-${name}`,
    labels: { kind: 'count', name },
    policy: 'at-most-one',
  })
  wanted.set(task.id, name)
  console.log(`${name}: ${task.created ? 'submitted' : 'there already'}, ${task.phase}`)
}

for await (const event of causeway.tasks.watch({ selector: 'kind=count' })) {
  if (!('task' in event)) continue
  const { id, phase, node, progress } = event.task
  const name = wanted.get(id)
  if (name === undefined) continue
  console.log(`${name}: ${phase} at ${node ?? 'no node'}, ${Math.round((progress ?? 0) * 100)} %`)
  if (phase === 'deleting' || phase === 'gone') wanted.delete(id)
  if (wanted.size === 0) break
}
