/**
 * A small network for tests of vitals: nodes, sessions between them that deliver in order after a delay, and one clock.
 * A session is asked what there is to tell when it is due.
 */
import { type Instant, type Role, type VitalValues, after, instant } from '@causeway/protocol'
import type { Relation } from '../replica-contract.ts'
import type { NodeIdentity } from './vital.ts'
import { Vitals } from './vitals.ts'
import type { VitalView } from './vitals-contract.ts'

export function identity(name: string, site: string, role: Role = 'edge', region = 'apac'): NodeIdentity {
  return { name, site, region, role }
}

/** Names are those of the site and a letter; hubs begin with `core`. */
function siteOfName(name: string): string | undefined {
  return name.startsWith('core') ? undefined : name.slice(0, name.lastIndexOf('-'))
}

const OPPOSITE: Readonly<Record<Relation, Relation>> = { up: 'down', down: 'up', mesh: 'mesh' }

interface End {
  readonly node: LabNode
  readonly session: number
}

interface Line {
  /** The first is below, or beside. */
  readonly ends: readonly [End, End]
  readonly delayMs: number
  readonly under: { to: End; at: Instant; bytes: Uint8Array }[]
  bytes: number
  messages: number
}

export class LabNode {
  readonly identity: NodeIdentity
  vitals: Vitals
  violations: string[] = []

  constructor(self: NodeIdentity, incarnation: number, thresholds?: VitalValues) {
    this.identity = self
    this.vitals = new Vitals({ self, incarnation, thresholds, siteOf: siteOfName })
  }

  view(now: Instant, node: string): VitalView | undefined {
    return this.vitals.views(now).find((view) => view.identity.name === node)
  }
}

export class VitalsLab {
  now: Instant = instant(1_000_000)
  readonly lines: Set<Line> = new Set()
  #lastSession = 0

  /** A session between two nodes; `relation` is what the second is to the first, `wants` what the first wants to hear. */
  join(first: LabNode, second: LabNode, relation: 'up' | 'mesh', options: { wants?: readonly string[]; delayMs?: number } = {}): Line {
    const { wants = [], delayMs = 20 } = options
    const ends: Line['ends'] = [
      { node: first, session: ++this.#lastSession },
      { node: second, session: ++this.#lastSession },
    ]
    const line: Line = { ends, delayMs, under: [], bytes: 0, messages: 0 }
    first.vitals.opened(ends[0].session, relation, { peer: second.identity.name })
    const scope = { peer: first.identity.name, wants: (partition: string) => wants.includes(partition) }
    second.vitals.opened(ends[1].session, OPPOSITE[relation], scope)
    this.lines.add(line)
    return line
  }

  cut(line: Line): void {
    this.lines.delete(line)
    for (const { node, session } of line.ends) node.vitals.closed(session)
  }

  /** Steps of `stepMs`; `each` is called in every one of them. */
  run(ms: number, each: (now: Instant) => void = () => {}, stepMs = 10): void {
    const end = after(this.now, ms)
    while (this.now < end) {
      this.now = after(this.now, stepMs)
      each(this.now)
      for (const line of this.lines) this.#deliver(line)
      for (const node of this.#nodes()) for (const session of node.vitals.takeDue(this.now)) this.#send(session)
    }
  }

  #nodes(): Set<LabNode> {
    return new Set([...this.lines].flatMap(({ ends }) => ends.map(({ node }) => node)))
  }

  #send(session: number): void {
    for (const line of this.lines) {
      const [first, second] = line.ends
      if (first.session !== session && second.session !== session) continue
      const [from, to] = first.session === session ? [first, second] : [second, first]
      const { vitals } = from.node
      for (let bytes = vitals.gather(this.now, session); bytes; bytes = vitals.gather(this.now, session)) {
        line.under.push({ to, at: after(this.now, line.delayMs), bytes })
        line.bytes += bytes.length
        line.messages++
      }
    }
  }

  #deliver(line: Line): void {
    while (line.under[0] && line.under[0].at <= this.now) {
      const arrived = line.under.shift()
      if (!arrived) return
      const { node, session } = arrived.to
      const fault = node.vitals.receive(this.now, session, arrived.bytes)
      if (fault !== undefined) node.violations.push(fault)
    }
  }
}
