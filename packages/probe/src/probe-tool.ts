/**
 * The half of the probe tool that needs no sockets: STAMP packets and the reflector's rules, and the tally of a
 * measurement. Apart from the package's index, because links use none of it.
 */
export type { ByWay, ProbeReport } from './probe-report.ts'
export { type ClockClaim } from './ntp-timestamp.ts'
export { ProbeTally, type TallyOptions } from './probe-tally.ts'
export {
  type ReflectorPacket,
  STAMP_BYTES,
  STAMP_PORT,
  isStampSize,
  readReflectorPacket,
  stampReply,
  writeSenderPacket,
} from './stamp-packet.ts'
export { type StampCounts, StampResponder } from './stamp-responder.ts'
