/**
 * Runs simulated worlds in workers, each of which takes the next seed when it is done with one. An interrupt ends it in good
 * order: no further world is begun, and there is a report of all that were.
 */
import { availableParallelism } from 'node:os'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'

/** What is on its way in a world lives for a virtual moment: in V8's default of 48 MB it is copied and promoted again and again. */
const YOUNG_MB = 192

export interface WorldPool<Task, Report> {
  /** That of the worker, which calls `serveWorlds`. */
  readonly file: string
  readonly task: Task
  readonly seeds: readonly number[]
  /** @default as many as there are processors */
  readonly workers?: number
  readonly done: (report: Report) => void
}

/** In a worker, runs what it is told to; false in the main thread. */
export function serveWorlds(run: (seed: number, task: never) => unknown): boolean {
  if (isMainThread) return false
  parentPort?.on('message', (seed: number) => parentPort?.postMessage(run(seed, workerData as never)))
  return true
}

/** Reports in the order of their seeds. */
export async function runWorlds<Task, Report extends { readonly seed: number }>(pool: WorldPool<Task, Report>): Promise<Report[]> {
  const seeds = [...pool.seeds]
  const reports: Report[] = []
  const stop = (): void => void seeds.splice(0)
  process.once('SIGINT', stop).once('SIGTERM', stop)
  const workers = Array.from({ length: Math.min(seeds.length, pool.workers ?? availableParallelism()) }, async () => {
    const worker = new Worker(pool.file, { workerData: pool.task, resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB } })
    for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
      const report = await ask<Report>(worker, seed)
      reports.push(report)
      pool.done(report)
    }
    await worker.terminate()
  })
  await Promise.all(workers)
  process.removeListener('SIGINT', stop).removeListener('SIGTERM', stop)
  return reports.toSorted((a, b) => a.seed - b.seed)
}

function ask<Report>(worker: Worker, seed: number): Promise<Report> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject)
    worker.once('message', (report: Report) => {
      worker.removeListener('error', reject)
      resolve(report)
    })
    worker.postMessage(seed)
  })
}
