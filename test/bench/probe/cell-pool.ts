/** Simulated cells over all cores: a worker per core, each of which takes the next task when it is done with one. */
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'

/** Results stand in the order of the tasks. `kind` names the cell (`cell-worker.ts`). */
export async function runCells<Result>(kind: string, tasks: readonly unknown[]): Promise<Result[]> {
  const results: Result[] = []
  let next = 0
  const workers = Array.from({ length: Math.min(tasks.length, availableParallelism()) }, async () => {
    const worker = new Worker(new URL('./cell-worker.ts', import.meta.url), { workerData: kind })
    try {
      for (let index = next++; index < tasks.length; index = next++) {
        const answered = once(worker, 'message') as Promise<[Result]>
        worker.postMessage(tasks[index])
        ;[results[index] as Result] = await answered
      }
    } finally {
      await worker.terminate()
    }
  })
  await Promise.all(workers)
  return results
}
