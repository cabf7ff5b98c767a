/**
 * The probe tool's I/O: sends test packets to STAMP reflectors and connects to TCP ports by a schedule, and reflects.
 * Apart from the package's index, because it needs none of what a node needs.
 *
 * @example
 * const prober = new StampProber('stamp://192.0.2.7', { host: '192.0.2.7', port: STAMP_PORT }, { ...PROBE_DEFAULTS, count: 10 })
 * await prober.run(signal)
 * console.log(prober.tally.report(now()).rttMs.p95)
 */
export { type ProbeReport, ProbeTally, STAMP_BYTES, STAMP_PORT, isStampSize } from '@causeway/probe/probe-tool'
export { type HostPort, parseListenAddress } from '../host-port.ts'
export { followSchedule, waitForStragglers } from './schedule.ts'
export { type ProbeTarget, formatTarget, parseProbeTarget } from './probe-target.ts'
export { PROBE_DEFAULTS, type ProbePlan, type Prober } from './prober.ts'
export { StampReflector, type StampReflectorOptions } from './stamp-reflector.ts'
export { StampProber } from './stamp-prober.ts'
export { TcpProber } from './tcp-prober.ts'
