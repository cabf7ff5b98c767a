/** `causeway dump`: all that a node knows of itself, in one file, for whoever is to help. */
import { existsSync, writeFileSync } from 'node:fs'
import { arch, cpus, loadavg, release, totalmem } from 'node:os'
import type { Causeway } from '@causeway/client'
import type { TellProgress } from '@causeway/daemon'
import { CausewayError, type EventView } from '@causeway/protocol'
import { DONE } from '../fault.ts'
import { printDocument } from '../output.ts'
import { withProgress } from '../progress.ts'
import { bytes } from '../quantity.ts'
import { addReadingOptions, connectTo, type DeclareVerb, type ReadingOptions } from '../verb.ts'

const DESCRIPTION = `Writes what a node knows of itself into one JSON file: status, links, channels, documents, nodes, sites, tasks, \
forwards, recent events, metrics, and the machine it runs on. Values of records, specs of tasks and keys are not in it, names and addresses are: \
look at it before you pass it on.`

export const declareDump: DeclareVerb = (program, onResult) => {
  addReadingOptions(program.command('dump'))
    .summary('a support bundle, without secrets')
    .description(DESCRIPTION)
    .argument('[file]', 'default: causeway-dump-NODE-TIME.json, here; - is standard output')
    .addHelpText('after', '\nExamples:\n  $ causeway dump\n  $ causeway dump - --api ./core-1.sock | gzip > core-1.json.gz\n')
    .action(async (file: string | undefined, { api, output }: ReadingOptions) => {
      const causeway = await connectTo(api)
      const { node } = await causeway.status()
      const text = `${JSON.stringify(await withProgress(output, (tell) => bundleOf(causeway, tell)), null, 2)}\n`
      if (file === '-') process.stdout.write(text)
      else {
        const path = file ?? `causeway-dump-${node}-${new Date().toISOString().replaceAll(/[:.]/g, '-')}.json`
        if (existsSync(path)) throw new CausewayError('conflict', `${path} exists`, 'choose another name, or remove it')
        writeNew(path, text)
        const fileBytes = Buffer.byteLength(text)
        await printDocument(output, { node, file: path, fileBytes }, () => `${path}: ${bytes(fileBytes)}`)
      }
      onResult(DONE)
    })
}

function writeNew(path: string, text: string): void {
  try {
    writeFileSync(path, text, { mode: 0o600, flag: 'wx' })
  } catch (cause) {
    throw new CausewayError('usage', `cannot write ${path}: ${(cause as Error).message}`, 'name a file that can be written', { cause })
  }
}

async function bundleOf(causeway: Causeway, tell: TellProgress): Promise<Record<string, unknown>> {
  const parts: Readonly<Record<string, () => Promise<unknown>>> = {
    status: () => causeway.status(),
    links: () => causeway.links(),
    channels: () => causeway.channels(),
    documents: () => causeway.documents(),
    nodes: () => causeway.nodes(),
    sites: () => causeway.sites(),
    tasks: async () => (await causeway.tasks.list()).items.map(({ spec: _spec, status: _status, ...task }) => task),
    forwards: () => causeway.forwards.list(),
    events: () => recentEvents(causeway),
    metrics: () => causeway.metrics(),
  }
  const bundle: Record<string, unknown> = { at: new Date().toISOString(), machine: machineOf() }
  // What cannot be had is a finding, too.
  const reads = Object.entries(parts)
  for (const [index, [name, read]] of reads.entries()) {
    tell(`asking for ${name}`, index / reads.length)
    bundle[name] = await read().catch((error: unknown) => ({ fault: error instanceof Error ? error.message : String(error) }))
  }
  return bundle
}

async function recentEvents(causeway: Causeway): Promise<EventView[]> {
  const events: EventView[] = []
  for await (const event of causeway.events({ follow: false })) events.push(event)
  return events
}

/** The one this command runs on, which is the node's if its socket is reached. */
function machineOf(): Record<string, unknown> {
  return {
    platform: process.platform,
    release: release(),
    arch: arch(),
    node: process.version,
    cpus: cpus().length,
    memoryBytes: totalmem(),
    load: loadavg(),
  }
}
