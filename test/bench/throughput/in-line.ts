/** A carrier at work along a line of hosts, with both ends ready to send, for the time of a measurement. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Lab } from '../../netlab/lab.ts'
import { FlowEnd } from '../flow/flow-end.ts'
import { FLOWS } from '../flow/medium.ts'
import type { Haul } from './hauler.ts'

export interface Line {
  readonly lab: Lab
  readonly a: FlowEnd
  readonly b: FlowEnd
}

export async function inLine<Result>(
  links: readonly string[],
  start: (lab: Lab, directory: string) => Promise<Haul>,
  measure: (line: Line) => Promise<Result>,
): Promise<Result> {
  const directory = mkdtempSync(join(tmpdir(), 'cw-tp-'))
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(() => rmSync(directory, { recursive: true, force: true }))
  const lab = cleanup.use(await Lab.up(links))
  const haul = await start(lab, directory)
  cleanup.defer(() => haul.stop?.())
  const [a, b] = await Promise.all([FlowEnd.start(lab, 'a', haul.a, directory), FlowEnd.start(lab, 'b', haul.b, directory)])
  cleanup.defer(() => Promise.all([a.stop(), b.stop()]).then(() => undefined))
  for (const flow of FLOWS) await b.order({ order: 'open', flow })
  await haul.ready?.()
  for (const flow of FLOWS) await a.order({ order: 'open', flow })
  // Awaited here: what was set up goes when this function ends.
  return await measure({ lab, a, b })
}
