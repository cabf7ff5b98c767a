/**
 * The numbers by which a link is judged, with units, defaults and advice. The defaults find a silent cut in
 * 0.6–0.9 s on a link in use and below 2.5 s on an idle one, for at most 5 probes/s, and do not cry wolf at 5 % loss.
 */
export interface MonitorConfig {
  /** Between probes while the link carries data, ms. Halving it saves 100 ms of detection and doubles the bytes. @default 200 */
  readonly probeInUseMs: number
  /** Between probes otherwise, ms. Adds up to itself to the detection time of an idle link. @default 1000 */
  readonly probeIdleMs: number
  /** Both intervals are spread by ± this share, so that many links do not fall into step. @default 0.1 */
  readonly probeSpreadRatio: number
  /** The link counts as in use for this long after it carried data, ms. @default 2000 */
  readonly inUseMs: number
  /** Every n-th probe takes the other way (control, or UDP while UDP is silent), so that both evidences stay fresh. @default 5 */
  readonly otherViaEvery: number

  /** A new link sends so many probes in quick succession … @default 5 */
  readonly firstProbes: number
  /** … at this distance, ms. @default 50 */
  readonly firstSpacingMs: number
  /** Replies that make a new link `up`. 1 is faster by `firstSpacingMs`, and believes a single packet. @default 2 */
  readonly firstReplies: number
  /** A new link that was not answered by then is `down`, ms. @default 3000 */
  readonly probingMsMax: number

  /** Timeout of a probe before the first reply, ms (RFC 6298, 2.1). @default 1000 */
  readonly timeoutMsStart: number
  /** No timeout is shorter, ms. Below 50 the timers of a busy host look like loss. @default 50 */
  readonly timeoutMsMin: number
  /** Added to `srtt + 4·rttvar`, ms: what the hosts themselves need. @default 10 */
  readonly timeoutMarginMs: number
  /** Probes of a burst, all of which must fail. 8 keeps false alarms far below one per link and day at 5 % loss. @default 8 */
  readonly burstProbes: number
  /** Between the probes of a burst, ms. @default 50 */
  readonly burstSpacingMs: number
  /** Wait after the last probe of a burst, ms, if the timeout is not longer. Raise it for links whose queues swell. @default 250 */
  readonly verdictMsMin: number
  /** A peer that is heard but has answered no probe for this long is tried by a burst as well, ms: our packets may
   *  not reach it. @default 1500 */
  readonly unansweredMsMax: number
  /** UDP counts as silent after so many unanswered probes in a row while control answers. @default 8 */
  readonly udpSilentProbes: number
  /** Control counts as silent after so many unanswered heartbeats in a row … @default 3 */
  readonly controlSilentProbes: number
  /** … and this long, ms, while UDP answers: TCP may be repairing a loss. @default 5000 */
  readonly controlSilentMs: number

  /** Replies that a link which was `down` must give … @default 5 */
  readonly recoveryReplies: number
  /** … without a gap longer than this, ms. Shorter, and a long hold never ends on a lossy link. @default 5000 */
  readonly recoveryGapMs: number
  /** First hold before a link that fell comes up again, ms; doubles with every fall. @default 5000 */
  readonly holdMs: number
  /** The hold grows no further, ms. @default 600000 */
  readonly holdMsMax: number
  /** This long up in one piece halves the next hold, ms. @default 600000 */
  readonly holdDecayMs: number

  /** Loss in either direction above this share is a fault … @default 0.1 */
  readonly degradedLossRatio: number
  /** … if it is above by this many standard errors of what was counted. 0 is a little faster, and a link that loses
   *  a steady 5 % is then called degraded about once a minute. @default 1 */
  readonly degradedLossSigmas: number
  /** No judgement on fewer probes or round trips than this. @default 20 */
  readonly degradedProbesMin: number
  /** p95 of the round trip is a fault above this multiple of the minimum … @default 3 */
  readonly degradedDelayFactor: number
  /** … but not unless it also exceeds the minimum by this, ms. @default 100 */
  readonly degradedDelayMs: number
  /** A fault must last this long to degrade the link, ms. @default 2000 */
  readonly degradedAfterMs: number
  /** A degraded link must be clean this long to be up again, ms. @default 5000 */
  readonly cleanMs: number

  /** Lateness of our own event loop above which we doubt ourselves, ms. @default 50 */
  readonly lagMs: number
  /** A report of lag counts for this long, ms. @default 2000 */
  readonly lagMemoryMs: number
  /** Lag stretches a deadline at most to this multiple. @default 8 */
  readonly stretchFactorMax: number
  /** A burst whose verdict came late by our own fault is repeated at most so often. @default 3 */
  readonly burstRepeatsMax: number

  /** Cost of the next hop's own work, ms. @default 0.5 */
  readonly hopMs: number
  /** Probes remembered per way; older ones can no longer be answered. @default 64 */
  readonly outstandingMax: number
  /** A reply later than this is not counted at all, ms. @default 10000 */
  readonly replyMsMax: number
}

export const MONITOR_DEFAULTS: MonitorConfig = {
  probeInUseMs: 200,
  probeIdleMs: 1000,
  probeSpreadRatio: 0.1,
  inUseMs: 2000,
  otherViaEvery: 5,
  firstProbes: 5,
  firstSpacingMs: 50,
  firstReplies: 2,
  probingMsMax: 3000,
  timeoutMsStart: 1000,
  timeoutMsMin: 50,
  timeoutMarginMs: 10,
  burstProbes: 8,
  burstSpacingMs: 50,
  verdictMsMin: 250,
  unansweredMsMax: 1500,
  udpSilentProbes: 8,
  controlSilentProbes: 3,
  controlSilentMs: 5000,
  recoveryReplies: 5,
  recoveryGapMs: 5000,
  holdMs: 5000,
  holdMsMax: 600_000,
  holdDecayMs: 600_000,
  degradedLossRatio: 0.1,
  degradedLossSigmas: 1,
  degradedProbesMin: 20,
  degradedDelayFactor: 3,
  degradedDelayMs: 100,
  degradedAfterMs: 2000,
  cleanMs: 5000,
  lagMs: 50,
  lagMemoryMs: 2000,
  stretchFactorMax: 8,
  burstRepeatsMax: 3,
  hopMs: 0.5,
  outstandingMax: 64,
  replyMsMax: 10_000,
}
