/**
 * A worker: counts up to `spec.to`, one step each `spec.stepMs`, and begins again where a worker before it has got to.
 *
 *     node worker.ts [SLOTS]          beside a node whose socket is ./causeway.sock, or CAUSEWAY_API
 *
 * What such a worker does in earnest (record a channel, render a scene) has the same shape: stop when `signal` is aborted,
 * send `token` along with what you write, tell how far you are, follow `updates` if the spec may change meanwhile.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { connect } from '@causeway/client'

interface Count {
  readonly to: number
  readonly stepMs: number
}

const causeway = await connect()
const end = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end.abort())

await causeway.tasks.work<Count>(
  'kind=count',
  async (task, { signal, token, updates, progress, status, condition }) => {
    let { to, stepMs } = task.spec
    void (async () => {
      for await (const { spec } of updates) ({ to, stepMs } = spec)
    })()
    let at = (task.status as { readonly at?: number } | null)?.at ?? 0
    condition('Counting', `from ${at}, under token ${token}`)
    console.log(`${task.id}: from ${at}`)
    while (at < to) {
      // Throws when the lease is lost or the task is stopped.
      await pause(stepMs, undefined, { signal })
      at++
      status({ at })
      progress(at / to)
    }
    console.log(`${task.id}: done`)
  },
  { slots: Number(process.argv[2] ?? 1), signal: end.signal, onInterrupted: (fault) => console.error(fault.message) },
)
