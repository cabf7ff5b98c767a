/**
 * The other end of a probe: stamp it and send it back (RFC 8762, 4.3). One reflector per link and way, because its
 * numbers tell the two directions of loss apart. A reply is as long as the probe, so a reflector never amplifies.
 */
import type { Instant, Probe, ProbeReply } from '@causeway/protocol'
import { stampOf } from '@causeway/protocol/probe-packet'

export class Reflector {
  #replies = 0

  /**
   * The reply to `probe`, which arrived at `received`, to be sent at once (`now`). `ageMs` is how long ago the process
   * last got round to its work: 0 if it is the one that answers.
   */
  reply(now: Instant, received: Instant, probe: Probe, ageMs: number): ProbeReply {
    const reflectorSequence = this.#replies
    this.#replies = (this.#replies + 1) & 0xffff
    return {
      type: 'reply',
      sequence: probe.sequence,
      sent: probe.sent,
      received: stampOf(received),
      reflectorSequence,
      residenceMs: now - received,
      ageMs,
    }
  }
}
