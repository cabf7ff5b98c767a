/**
 * The emulator's process: the links live here, so that neither drawing the progress nor reading the nodes' APIs delays
 * a packet. Takes one command at a time and answers each; ends when whoever started it has gone.
 */
import { EmulatedLink, type LinkSpec, type LinkTraffic } from './emulated-link.ts'

export type Command =
  | { readonly type: 'open'; readonly links: readonly LinkSpec[] }
  /** All links between two nodes, whoever dials. */
  | { readonly type: 'cut' | 'heal'; readonly pairs: readonly (readonly [a: string, b: string])[] }
  | { readonly type: 'traffic' }

export type Answer =
  | { readonly type: 'ports'; readonly ports: readonly number[] }
  | { readonly type: 'traffic'; readonly traffic: readonly LinkTraffic[] }
  | { readonly type: 'done' }
  | { readonly type: 'failed'; readonly reason: string }

const links: EmulatedLink[] = []

async function obey(command: Command): Promise<Answer> {
  if (command.type === 'traffic') return { type: 'traffic', traffic: links.map((link) => link.traffic()) }
  if (command.type === 'open') {
    const opened: EmulatedLink[] = []
    for (const spec of command.links) opened.push(await EmulatedLink.open(spec))
    links.push(...opened)
    return { type: 'ports', ports: opened.map(({ port }) => port) }
  }
  for (const [a, b] of command.pairs) {
    for (const link of links) {
      const { from, to } = link.spec
      if ((from === a && to === b) || (from === b && to === a)) link[command.type]()
    }
  }
  return { type: 'done' }
}

// Ctrl-C reaches the whole process group, but nodes that stop in good order still need their links.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
process.on('disconnect', () => process.exit())

let turn: Promise<void> = Promise.resolve()
process.on('message', (command: Command) => {
  turn = turn
    .then(() => obey(command))
    .catch((error: unknown): Answer => ({ type: 'failed', reason: error instanceof Error ? error.message : String(error) }))
    .then((answer) => void process.send?.(answer))
})
