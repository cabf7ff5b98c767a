/**
 * The other end of a probe: stamp it and send it back (RFC 8762, 4.3). A reply is as long as the probe, so a
 * reflector never amplifies.
 */
import type { Instant, Probe, ProbeReply } from '@causeway/protocol'

/**
 * The reply to `probe`, to be sent at once. `received` is when the probe arrived, `now` when the reply leaves;
 * `reflectorSequence` counts the replies sent to this peer over this way (UDP and control are counted apart).
 */
export function reflect(now: Instant, received: Instant, probe: Probe, reflectorSequence: number): ProbeReply {
  return {
    type: 'reply',
    sequence: probe.sequence,
    sent: probe.sent,
    reflectorSequence: reflectorSequence >>> 0,
    received,
    transmitted: now,
  }
}
