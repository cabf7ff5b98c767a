/** A thread that simulates cells of one kind, task by task. */
import { parentPort, workerData } from 'node:worker_threads'
import { runAlarmCell } from './simulated-alarms.ts'
import { runBrownOutCell } from './simulated-brown-outs.ts'
import { runDetectionCell } from './simulated-detection.ts'
import { runStallCell } from './simulated-stalls.ts'

const CELLS = { alarms: runAlarmCell, brownOuts: runBrownOutCell, detection: runDetectionCell, stalls: runStallCell } as const

const run = CELLS[workerData as keyof typeof CELLS] as (task: unknown) => unknown
parentPort?.on('message', (task) => parentPort?.postMessage(run(task)))
