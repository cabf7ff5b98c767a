/**
 * The logs of one document, and what they rest on. A log that was begun after a restart names the ends of those before it (its
 * base); a fold stands for all of lower epochs. So a few points, the frontier, say all that somebody holds.
 *
 *  1. A base comes before what rests on it: epochs only grow.
 *  2. What a fold has replaced counts as held, whether it is still kept or not.
 */
import { type LogPoint, type WriterPoints, contradict } from './batch.ts'
import type { Log } from './log.ts'

/** How much of each log counts: all that is here, what readers are shown, or what is on disk. */
export type Extent = 'applied' | 'shown' | 'durable'

export class LogSet {
  /** It is this node that writes them. */
  readonly #isOwn: boolean
  readonly #logs = new Map<number, Log>()
  #ordered: readonly Log[] | undefined
  /** Of the newest fold that took the place of all logs of lower epochs. */
  #foldEpoch = 0

  constructor(isOwn: boolean) {
    this.#isOwn = isOwn
  }

  get foldEpoch(): number {
    return this.#foldEpoch
  }

  /** The newest fold that took the place of others. */
  get foldLog(): Log | undefined {
    return this.#logs.get(this.#foldEpoch)
  }

  /** Complete folds that have not taken the place of what was before. */
  get openFolds(): readonly Log[] {
    return this.logs().filter((log) => log.epoch > this.#foldEpoch && log.folded(log.seq))
  }

  get hasOpenFold(): boolean {
    return this.openFolds.length > 0
  }

  /** The newest of them that may take that place now, as far as `held` says. */
  takeable(held: (after: WriterPoints) => boolean): Log | undefined {
    return this.openFolds.findLast((log) => this.#mayTake(log, held))
  }

  #mayTake({ epoch, head }: Log, held: (after: WriterPoints) => boolean): boolean {
    const others = this.logs()
    if (others.some((log) => log.epoch > epoch && log.head.base.some((point) => point.epoch < epoch))) return false
    // A fold of an earlier life, found again, of a clock that was ahead: it must not take the place of what it cannot know.
    const covered = this.closure(head.base)
    if (this.#isOwn && others.some((log) => log.epoch < epoch && log.epoch >= this.foldEpoch && !covered.has(log.epoch))) return false
    return others[0]?.epoch === epoch || (head.more?.after ?? []).every(held)
  }

  protected foldedAt(epoch: number): void {
    this.#foldEpoch = epoch
  }

  protected addLog(log: Log): void {
    this.#logs.set(log.epoch, log)
    this.#ordered = undefined
  }

  /** Of the batches since the newest fold, and of that. */
  get logBytes(): number {
    return this.currentLogs().reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** About what these take of the disk. */
  get storedBytes(): number {
    return this.currentLogs().reduce((sum, log) => sum + log.storedBytes, 0)
  }

  log(epoch: number): Log | undefined {
    return this.#logs.get(epoch)
  }

  /** Oldest epoch first: a base comes before what rests on it. */
  logs(): readonly Log[] {
    this.#ordered ??= [...this.#logs.values()].sort((a, b) => a.epoch - b.epoch)
    return this.#ordered
  }

  /** Those that no fold has replaced. */
  currentLogs(): readonly Log[] {
    return this.#foldEpoch === 0 ? this.logs() : this.logs().filter(({ epoch }) => epoch >= this.#foldEpoch)
  }

  get epochMax(): number {
    return Math.max(0, ...this.#logs.keys())
  }

  /** Nothing of it is on its way to the disk. */
  get settled(): boolean {
    return this.logs().every(({ durable, seq }) => durable === seq)
  }

  /** Held, or replaced by a fold. */
  holds({ epoch, seq }: LogPoint): boolean {
    return epoch < this.#foldEpoch || (this.#logs.get(epoch)?.seq ?? 0) >= seq
  }

  /** The same of what is durable. */
  holdsDurably({ epoch, seq }: LogPoint): boolean {
    return epoch < this.#foldEpoch || (this.#logs.get(epoch)?.durable ?? 0) >= seq
  }

  /** The same of what readers are shown. */
  shows({ epoch, seq }: LogPoint): boolean {
    return epoch < this.#foldEpoch || (this.#logs.get(epoch)?.shown ?? 0) >= seq
  }

  /** Somebody else holds another batch of this number than we do. */
  contradicts(point: LogPoint): boolean {
    const log = this.#logs.get(point.epoch)
    const own = log && point.seq > 0 && log.seq >= point.seq ? log.point(point.seq).link : undefined
    return own !== undefined && contradict(point, own)
  }

  /** The ends of the logs which no other log includes: who holds these holds everything. */
  frontier(which: Extent): LogPoint[] {
    const ends = new Map<number, number>()
    // What a fold has replaced is nobody's end, also where it is kept for a while.
    const fold = this.foldLog
    const from = which === 'applied' || fold?.folded(fold[which]) ? this.#foldEpoch : 0
    for (const log of this.#logs.values()) {
      if (log.epoch < from) continue
      const seq = which === 'applied' ? log.seq : log[which]
      if (seq > 0) ends.set(log.epoch, seq)
    }
    for (const epoch of [...ends.keys()]) {
      const log = this.#logs.get(epoch)
      if (!log || (log.head.parts > 0 && !log.folded(ends.get(epoch) ?? 0))) continue
      for (const point of log.head.base) if ((ends.get(point.epoch) ?? 0) <= point.seq) ends.delete(point.epoch)
    }
    const points = [...ends].map(([epoch, seq]) => (this.#logs.get(epoch) as Log).point(seq))
    return points.sort((a, b) => a.epoch - b.epoch)
  }

  /** What somebody holds who names `points` as the frontier, as far as we can tell from the logs we hold. */
  closure(points: readonly LogPoint[]): Map<number, number> {
    const held = new Map<number, number>()
    const open = [...points]
    for (let point = open.pop(); point; point = open.pop()) {
      const before = held.get(point.epoch) ?? 0
      if (before < point.seq) held.set(point.epoch, point.seq)
      const log = this.#logs.get(point.epoch)
      const rests = log && (log.head.parts === 0 ? before === 0 && point.seq > 0 : log.folded(point.seq) && !log.folded(before))
      if (rests) open.push(...log.head.base)
    }
    return held
  }

  /** The logs that nobody needs any more, since a fold that is durable has taken their place. */
  replaced(): readonly Log[] {
    const fold = this.foldLog
    return fold?.folded(fold.durable) ? this.logs().filter(({ epoch }) => epoch < fold.epoch) : []
  }

  /**
   * The logs that a peer needs who has so much of each. Those that a fold has replaced only if their ends are less than the
   * fold: then the peer can make that by itself.
   */
  logsFor(seqOf: (epoch: number) => number): readonly Log[] {
    const replaced = this.replaced()
    const fold = this.foldLog
    if (!fold || replaced.length === 0) return this.logs()
    // Who cannot make it has no use for what it replaces.
    if (fold.head.more?.whole) return this.currentLogs()
    const missing = replaced.reduce((bytes, log) => bytes + log.bytes * (1 - Math.min(seqOf(log.epoch), log.seq) / log.seq), 0)
    const whole = fold.bytes * (fold.head.parts / fold.seq)
    return missing <= whole ? this.logs() : this.currentLogs()
  }

  /** Those that a seal of that epoch makes void. */
  voidUnder(seal: number): readonly Log[] {
    return this.logs().filter(({ head }) => (head.more?.since ?? 0) < seal)
  }

  /** The newest seal of its writer that any of them knows of. */
  get since(): number {
    return Math.max(0, ...this.logs().map(({ head }) => head.more?.since ?? 0))
  }

  drop(logs: readonly Log[]): void {
    for (const { epoch } of logs) this.#logs.delete(epoch)
    if (logs.length > 0) this.#ordered = undefined
  }

  protected hasLogs(count: number): boolean {
    return this.#logs.size >= count
  }
}
