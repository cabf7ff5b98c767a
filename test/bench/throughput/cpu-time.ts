/** Processor time of the processes of a lab, threads and ended children included, from `/proc/PID/stat` (proc(5)). */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Lab } from '../../netlab/lab.ts'

/** utime, stime, cutime, cstime are fields 14 to 17; counted from behind the name, which may hold anything. */
const [FIRST, LAST] = [11, 15]

let ticksPerSecond: number | undefined

/** Seconds of all processes that live in a host now. */
export function cpuSecondsOf(lab: Lab, host: string): number {
  let seconds = 0
  for (const id of lab.processes(host)) seconds += cpuSecondsOfProcess(id)
  return seconds
}

/** 0 of a process that has ended. */
export function cpuSecondsOfProcess(id: number): number {
  ticksPerSecond ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
  return ticksOf(id) / ticksPerSecond
}

function ticksOf(id: number): number {
  try {
    return ticksIn(readFileSync(`/proc/${id}/stat`, 'utf8'))
  } catch {
    // It has ended meanwhile.
    return 0
  }
}

export function ticksIn(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields.slice(FIRST, LAST).reduce((sum, field) => sum + Number(field), 0)
}
