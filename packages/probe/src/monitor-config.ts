/**
 * The numbers by which a link is judged, with units, defaults and advice. The defaults find a silent cut in
 * 0.3–0.6 s and two round trips on a link in use, in 0.8 s more on an idle one, and do not cry wolf at 5 % loss.
 */
export interface MonitorConfig {
  /** Between probes while the link carries data, ms. Halving it saves 100 ms of detection and doubles the bytes. @default 200 */
  readonly probeInUseMs: number
  /** Between probes otherwise, ms. Adds up to itself to the detection time of an idle link. @default 1000 */
  readonly probeIdleMs: number
  /** Between probes of a link that is down, ms. @default 500 */
  readonly probeDownMs: number
  /** All intervals are spread by ± this share, so that many links do not fall into step. @default 0.05 */
  readonly probeSpreadRatio: number
  /** The link counts as in use for this long after it carried data, ms … @default 2000 */
  readonly inUseMs: number
  /** … if it did so this often within that time. At 4 the vitals of a site keep its uplink in use; 20 is a flow of 10
   *  messages a second over a short link. @default 15 */
  readonly inUseTimes: number
  /** Beside UDP control is probed so often while the link carries data, ms. @default 5000 */
  readonly controlInUseMs: number
  /** The same while it does not, ms. Each costs some 300 bytes with what TCP adds; firewalls of clouds forget a connection
   *  that is silent for 240 s. @default 120000 */
  readonly controlIdleMs: number
  /** The same while control owes us a reply, ms. @default 1000 */
  readonly controlOwesMs: number
  /** While UDP is silent, every n-th probe tries it as well. @default 5 */
  readonly udpTryEvery: number

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
  /** No timeout is shorter, ms. Below 30 the timers of a busy host look like loss. @default 30 */
  readonly timeoutMsMin: number
  /** Added to `srtt + 4·rttvar`, ms: what the hosts themselves need. @default 10 */
  readonly timeoutMarginMs: number
  /** Added while the link carries nothing, ms: suspicion can wait a little, and a late reply then costs no burst.
   *  At 40 an idle link of 400 ms is called down 8 ms late. @default 20 */
  readonly idlePatienceMs: number
  /** No timeout over control is shorter, ms: TCP repairs a loss in 200 ms and a round trip. @default 300 */
  readonly controlTimeoutMsMin: number
  /** Probes of a burst, all of which must fail. 8 keeps false alarms far below one per link and day at 5 % loss. @default 8 */
  readonly burstProbes: number
  /** The same on a link that has lost so much within a minute, either way: losses come in spells, which a burst should outlast.
   *  Each probe more finds a cut 40 ms later. @default 10 */
  readonly burstProbesLossy: number
  /** @default 0.01 */
  readonly lossyRatio: number
  /** Between the probes of a burst, ms. At 50 a silent cut takes 70 ms longer to be called one. @default 40 */
  readonly burstSpacingMs: number
  /** Wait after the last probe of a burst over control alone, ms, if the timeout is not longer: TCP may lose its repair
   *  as well. @default 2000 */
  readonly controlVerdictMs: number
  /** A promised probe may be late by this, or by four times the jitter, ms. @default 20 */
  readonly promiseAllowanceMs: number
  /** The same of a probe over control, ms. @default 400 */
  readonly controlAllowanceMs: number
  /** UDP counts as silent after so many unanswered probes in a row while control answers. @default 8 */
  readonly udpSilentProbes: number
  /** The end that is probed gives up UDP after so many probes over control without one over UDP. @default 3 */
  readonly udpGivenUpProbes: number
  /** Control counts as silent after so many unanswered heartbeats in a row … @default 3 */
  readonly controlSilentProbes: number
  /** … and this long, ms, while UDP answers: then the connection is half open. TCP may be repairing losses; at 5000 a link
   *  that loses 10 % is redialled 24 times a day. @default 10000 */
  readonly controlSilentMs: number

  /** Replies that a link which was `down` must give … @default 5 */
  readonly recoveryReplies: number
  /** … without a gap longer than this, ms. Shorter, and a long hold never ends on a lossy link. @default 3000 */
  readonly recoveryGapMs: number
  /** The last of them must be no older than this when the link comes up, ms. @default 1200 */
  readonly recoveryFreshMs: number
  /** First hold before a link that fell comes up again, ms; doubles with every fall. @default 5000 */
  readonly holdMs: number
  /** The hold grows no further, ms. @default 600000 */
  readonly holdMsMax: number
  /** This long up in one piece halves the next hold, ms. @default 600000 */
  readonly holdDecayMs: number

  /** Loss in either direction above this share is a fault … @default 0.1 */
  readonly degradedLossRatio: number
  /** … if it is above by this many standard errors of what was counted. 1 is a little faster, and an idle link that
   *  loses a steady 5 % is then called degraded 300 times a day. @default 2 */
  readonly degradedLossSigmas: number
  /** No judgement on fewer probes or round trips than this. @default 20 */
  readonly degradedProbesMin: number
  /** p95 of the round trip is a fault above this multiple of the minimum … @default 3 */
  readonly degradedDelayFactor: number
  /** … but not unless it also exceeds the minimum by this, ms. @default 100 */
  readonly degradedDelayMs: number
  /** A fault that the windows show must last this long to degrade the link, ms. With the time the windows take, a delay
   *  that has grown is recognised within 2 s on a link in use. @default 1200 */
  readonly degradedAfterMs: number
  /** A degraded link must be clean this long to be up again, ms. @default 5000 */
  readonly cleanMs: number

  /** A peer whose process has not run for this long is degraded, ms … @default 300 */
  readonly standstillMs: number
  /** … and for this long is dead, although its socket still answers, ms. @default 2000 */
  readonly hungMs: number

  /** Lateness of our own event loop above which we doubt ourselves, ms. @default 50 */
  readonly lagMs: number
  /** A report of lag counts for this long, ms. @default 2000 */
  readonly lagMemoryMs: number
  /** Lag stretches a deadline at most to this multiple. @default 8 */
  readonly stretchFactorMax: number
  /** A burst during which we stood still is repeated at most so often. @default 3 */
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
  probeDownMs: 500,
  probeSpreadRatio: 0.05,
  inUseMs: 2000,
  inUseTimes: 15,
  controlInUseMs: 5000,
  controlIdleMs: 120_000,
  controlOwesMs: 1000,
  udpTryEvery: 5,
  firstProbes: 5,
  firstSpacingMs: 50,
  firstReplies: 2,
  probingMsMax: 3000,
  timeoutMsStart: 1000,
  timeoutMsMin: 30,
  timeoutMarginMs: 10,
  idlePatienceMs: 20,
  controlTimeoutMsMin: 300,
  burstProbes: 8,
  burstProbesLossy: 10,
  lossyRatio: 0.01,
  burstSpacingMs: 40,
  controlVerdictMs: 2000,
  promiseAllowanceMs: 20,
  controlAllowanceMs: 400,
  udpSilentProbes: 8,
  udpGivenUpProbes: 3,
  controlSilentProbes: 3,
  controlSilentMs: 10_000,
  recoveryReplies: 5,
  recoveryGapMs: 3000,
  recoveryFreshMs: 1200,
  holdMs: 5000,
  holdMsMax: 600_000,
  holdDecayMs: 600_000,
  degradedLossRatio: 0.1,
  degradedLossSigmas: 2,
  degradedProbesMin: 20,
  degradedDelayFactor: 3,
  degradedDelayMs: 100,
  degradedAfterMs: 1200,
  cleanMs: 5000,
  standstillMs: 300,
  hungMs: 2000,
  lagMs: 50,
  lagMemoryMs: 2000,
  stretchFactorMax: 8,
  burstRepeatsMax: 3,
  hopMs: 0.5,
  outstandingMax: 64,
  replyMsMax: 10_000,
}
