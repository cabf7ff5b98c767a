/**
 * How long a flow is silent, and what it loses, when the network under it fails: Causeway beside a TCP connection and
 * what people run today, set up as quick as they sensibly get, in the same namespaces with the same faults.
 */
import { labMissing } from '../../netlab/lab.ts'
import type { Bench, Flag, Measured, Part } from '../bench.ts'
import { type Carrier, notInstalled } from './carrier.ts'
import { type Outcome, runCarrier } from './carrier-run.ts'
import { BABEL } from './carriers/babel.ts'
import { BIRD } from './carriers/bird.ts'
import { CAUSEWAY, CAUSEWAY_TWIN } from './carriers/causeway.ts'
import { FRR, TCP_OVER_FRR } from './carriers/frr.ts'
import { NATS } from './carriers/nats.ts'
import { NEBULA } from './carriers/nebula.ts'
import { TCP } from './carriers/tcp.ts'
import { TINC } from './carriers/tinc.ts'
import { YGGDRASIL } from './carriers/yggdrasil.ts'
import { FAULTS, type Fault } from './faults.ts'
import { COLUMNS, chartOf, comparisonsOf, judgementsOf, notesOf, rowsOf } from './failover-report.ts'

const FLAGS = {
  runs: { what: 'rounds of faults, one of each kind, upon Causeway', usual: 20, quick: 3 },
  'peer-runs': { what: 'the same upon each of the others', usual: 20, quick: 3 },
} as const satisfies Record<string, Flag>

/** What a network can suffer whatever carries the flow; drains and gateways are our own. */
const CUTS: readonly Fault[] = ['first', 'last', 'middle', 'relay']
const CUTS_AND_LOSS: readonly Fault[] = [...CUTS, 'brown-out']

/** Of all carriers so far; the last part compares them. */
const outcomes: Outcome[] = []

function part(carrier: Carrier, faults: readonly Fault[], light: boolean): Part<keyof typeof FLAGS> {
  return {
    name: carrier.name,
    what: carrier.mode,
    light,
    missing: () => labMissing() ?? notInstalled(carrier),
    measure: async (settings) => {
      const rounds = carrier.name.startsWith('causeway') ? settings.runs : settings['peer-runs']
      const own = await runCarrier(carrier, rounds, faults)
      outcomes.push(...own)
      const judgements = carrier.name.startsWith('causeway') ? judgementsOf(own, carrier === CAUSEWAY_TWIN) : []
      return { columns: COLUMNS, rows: rowsOf(own), judgements, notes: notesOf(own), charts: [] }
    },
  }
}

export const FAILOVER_BENCH: Bench<keyof typeof FLAGS> = {
  name: 'failover',
  what: 'a flow of 100 messages/s under cuts, killed relays and loss, beside what people run today',
  flags: FLAGS,
  parts: [
    part(CAUSEWAY, FAULTS, false),
    part(CAUSEWAY_TWIN, CUTS, false),
    // Each of them hardly uses the processor, but those that judge by tens of milliseconds are kept apart from the rest.
    part(FRR, CUTS_AND_LOSS, true),
    part(BABEL, CUTS_AND_LOSS, true),
    part(TCP, CUTS, true),
    part(BIRD, CUTS_AND_LOSS, false),
    part(TCP_OVER_FRR, CUTS_AND_LOSS, true),
    part(YGGDRASIL, CUTS_AND_LOSS, true),
    part(NATS, CUTS_AND_LOSS, true),
    part(TINC, CUTS_AND_LOSS, true),
    // A frame of it passes one relay at most.
    part(
      NEBULA,
      CUTS_AND_LOSS.filter((fault) => fault !== 'middle'),
      true,
    ),
    {
      name: 'compared',
      what: 'the ordered channel beside the best of the others, fault by fault',
      missing: () =>
        new Set(outcomes.map(({ carrier }) => carrier)).size > 1 ? undefined : 'nothing to compare: only one carrier was run',
      measure: () => Promise.resolve(compare()),
    },
  ],
}

function compare(): Measured {
  const { rows, judgements } = comparisonsOf(outcomes, CAUSEWAY.name)
  return {
    columns: [
      { key: 'what', head: 'WHAT' },
      { key: 'ours', head: 'CAUSEWAY ms' },
      { key: 'best', head: 'BEST OTHER ms' },
      { key: 'carrier', head: 'WHICH' },
      { key: 'ratio', head: 'RATIO', digits: 2 },
    ],
    rows,
    judgements,
    notes: [
      'a gap of 10 ms is the pace of the flow; round trips are twice the median delay before the fault',
      'where the kernel relays (frr, babel, bird, tcp), a relay that dies is a hub whose links all fall silent',
      'one TCP connection over static routes can only wait: its cuts are healed after 4 s',
    ],
    charts: [chartOf(outcomes)],
  }
}
