/**
 * What the measurement of links is worth: how soon a link that failed is known, how rarely one that works is accused,
 * how exact the figures are, and what it all costs. First in a virtual world, with as many events as rare things need;
 * then with real processes, in network namespaces.
 */
import { labMissing } from '../../netlab/lab.ts'
import type { Bench, Flag, Settings } from '../bench.ts'
import { measureAccuracy } from './accuracy.ts'
import { measureRealDetection } from './real-detection.ts'
import { measureReflecting } from './reflecting.ts'
import { measureAlarms } from './simulated-alarms.ts'
import { measureBrownOuts } from './simulated-brown-outs.ts'
import { measureDetection } from './simulated-detection.ts'
import { measureStalls } from './simulated-stalls.ts'
import { measureWireBytes } from './wire-bytes.ts'

const FLAGS = {
  trials: { what: 'simulated cuts and brown-outs of each kind', usual: 1000, quick: 60 },
  'link-days': { what: 'simulated days of each kind of link and loss', usual: 5, quick: 0.05 },
  stalls: { what: 'simulated stalls of each kind', usual: 400, quick: 30 },
  'accuracy-seconds': { what: 'seconds of the known link (at least 60 for the link itself)', usual: 180, quick: 60 },
  repetitions: { what: 'rounds of six real cuts, one of each kind', usual: 10, quick: 3 },
  'wire-seconds': { what: 'seconds of an idle site', usual: 120, quick: 60 },
  'busy-seconds': { what: 'seconds of a site whose uplink carries data', usual: 60, quick: 15 },
  'reflect-seconds': { what: 'seconds of reflecting, with and without monitors', usual: 20, quick: 4 },
} as const satisfies Record<string, Flag>

export type ProbeSettings = Settings<keyof typeof FLAGS>

export const PROBE_BENCH: Bench<keyof typeof FLAGS> = {
  name: 'probe',
  what: 'detection, false alarms, accuracy and price of link measurement',
  flags: FLAGS,
  parts: [
    { name: 'detection', what: 'silent cut to down, simulated', measure: measureDetection },
    { name: 'false-alarms', what: 'down and degraded of links that only lose packets, simulated', measure: measureAlarms },
    { name: 'stalls', what: 'processes that stand still, simulated', measure: measureStalls },
    { name: 'brown-out', what: '20 % loss to degraded, simulated', measure: measureBrownOuts },
    { name: 'accuracy', what: 'figures of a known link, real sockets', light: true, missing: labMissing, measure: measureAccuracy },
    { name: 'wire-bytes', what: 'what an idle site pays', light: true, missing: labMissing, measure: measureWireBytes },
    { name: 'real-detection', what: 'silent cut to down, real daemons', missing: labMissing, measure: measureRealDetection },
    { name: 'reflecting', what: 'CPU of being probed by 1,000 links', measure: measureReflecting },
  ],
}
