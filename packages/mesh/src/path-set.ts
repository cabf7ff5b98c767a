/**
 * The paths to one destination, best first: the plan of a hub, the direct link if there is one, and as a last
 * resort any live uplink, whose relay finds the rest of the way by itself. And which of them is in use.
 *
 * To leave a path that fails must be quick, to follow every tenth of a millisecond would be a disease: so there are
 * rescues, which nothing limits, and improvements, which wait.
 *
 *  1. Two paths of a set never have the same route.
 *  2. A path that stays in the plan stays the same object: its round trip and suspicion survive a new plan. One that is
 *     no longer named stays until what is out on it is settled, but nothing new is sent over it.
 *  3. A path that is dead, suspect or impaired is left at once for one that is not. If all are, it stays.
 *  4. A sound path is left only for one that has been better by max(10 ms, 10 %) for 3 s, and only if `mayMove`.
 *  5. What was left for loss is sound again only once it has been clean for a hold, which doubles with every time.
 *  6. What was left for silence and was only late is in use again at once; that it was not for a moment is told to nobody.
 */
import { FlapHold } from '@causeway/probe'
import { type Instant, type NodeId, type PlannedPath, instant } from '@causeway/protocol'
import { Path } from './path.ts'

const BETTER_BY_MS = 10
const BETTER_BY_RATIO = 0.1
const BETTER_FOR_MS = 3_000
/** Paths that differ by less are equally good: who uses which is left to a hash, so that not all use the same. */
const EQUAL_MS = 5
const RETIRED_MS = 3_000
const UNKNOWN_COST_MS = 10_000

/** A guess is a last resort, of which nobody has said that it leads anywhere. */
const GRADE = { sound: 0, failedLately: 1, loses: 2, guess: 3, silent: 4, retired: 5 } as const

/** What a path set needs to know of this node's own links. */
export interface FirstHops {
  /** Cost of the link to a neighbour, `null` if unmeasured; `undefined` if there is no link or it is down. */
  costTo(neighbour: NodeId): number | null | undefined
  /** That link works, but loses more than it should. */
  impaired(neighbour: NodeId): boolean
  /** Live links to hubs, cheapest first: ways out when there is no plan. */
  ways(): readonly NodeId[]
  /** Whether one more destination may change its path for mere delay now. */
  mayMove(now: Instant): boolean
}

export interface PathSetOptions {
  /** Who sends; with the destination it decides among equals. @default the destination */
  readonly from?: NodeId
  readonly onMove?: (from: Path, to: Path, reason: string) => void
}

/** What is known of a path besides what its packets tell. */
interface Standing {
  /** In the plan, direct, or a last resort. */
  wanted: boolean
  /** Some link of it loses more than it should. */
  impaired: boolean
  retiredAt: Instant | undefined
  /** It was left because it failed, and for how long it must be clean now. */
  left: 'loss' | 'silence' | undefined
  cleanSince: Instant | undefined
  usedSince: Instant
  readonly hold: FlapHold
}

interface NamedPath {
  readonly route: readonly NodeId[]
  readonly costMs: number | null
  readonly impaired: boolean
}

interface Move {
  readonly from: Path
  readonly to: Path
  readonly reason: string
}

export class PathSet {
  readonly to: NodeId
  readonly #from: NodeId
  readonly #onMove: PathSetOptions['onMove']
  readonly #standings = new Map<Path, Standing>()
  #planned: readonly PlannedPath[] = []
  #paths: Path[] = []
  #active: Path | undefined
  #betterSince: Instant | undefined
  /** For silence, and not told yet. */
  #untold: Move | undefined
  /** Of the last refresh. */
  #now: Instant = instant(0)

  constructor(to: NodeId, { from = to, onMove }: PathSetOptions = {}) {
    this.to = to
    this.#from = from
    this.#onMove = onMove
  }

  /** All paths, best first. */
  get paths(): readonly Path[] {
    return this.#paths
  }

  get active(): Path | undefined {
    return this.#active
  }

  plan(now: Instant, planned: readonly PlannedPath[], hops: FirstHops): void {
    this.#planned = planned
    this.refresh(now, hops)
  }

  /** Own links, or their costs, have changed: rebuild the list, keep what is known of the paths that stay. */
  refresh(now: Instant, hops: FirstHops): void {
    this.#now = now
    const before = this.#paths
    const paths: Path[] = []
    const direct = hops.costTo(this.to)
    if (direct !== undefined) this.#name(paths, { route: [this.to], costMs: direct, impaired: false }, hops)
    for (const planned of this.#planned) this.#name(paths, planned, hops)
    paths.sort((a, b) => rank(a) - rank(b))
    const { length } = paths
    for (const way of hops.ways()) {
      if (way === this.to || leavesBy(way, paths, length)) continue
      this.#name(paths, { route: [way, this.to], costMs: null, impaired: false }, hops)
    }
    for (const path of before) if (!paths.includes(path) && this.#retire(path, hops)) paths.push(path)
    this.#paths = paths
    for (const path of this.#standings.keys()) if (!this.#paths.includes(path)) this.#standings.delete(path)
    this.#rescue()
    this.#improve(hops)
    this.#tell()
  }

  /** Adds a path to those that are named from now on; one that is known stays the same object. */
  #name(named: Path[], { route, costMs, impaired }: NamedPath, hops: FirstHops): void {
    if (named.some((path) => isSameRoute(path.route, route))) return
    const path = this.#paths.find((known) => isSameRoute(known.route, route)) ?? new Path(route, costMs)
    path.costMs = costMs
    named.push(path)
    this.#observe(path, hops, impaired)
  }

  /** The path to send on now. Suspect paths come last, dead ones not at all; `avoid` is taken only if there is nothing else. */
  choose(avoid?: Path): Path | undefined {
    this.#rescue()
    const active = this.#active
    if (active && active !== avoid && !active.suspect) return active
    return this.#best(avoid) ?? (avoid?.up ? avoid : undefined)
  }

  /** What was overdue on this path was late, not lost. */
  forgive(path: Path): void {
    path.wasLate()
    const standing = this.#standings.get(path)
    if (standing?.left !== 'silence') return
    standing.left = undefined
    const active = this.#active
    if (!active || active === path || !path.up || this.#grade(path) > GRADE.sound) return
    if (rank(path) - rank(active) > threshold(path)) return
    if (this.#untold?.from !== path) return this.#move(path, 'was only late')
    this.#untold = undefined
    this.#use(path)
  }

  /** Why the path in use is in use, for people. */
  explain(): string {
    const active = this.#active
    if (!active) return 'no path works'
    if (active.isUnproven) return 'nobody here knows a way; what is sent there is handed to a hub in hope'
    const best = this.#paths.find((path) => path.up && this.#standings.get(path)?.wanted)
    if (!best || best === active) return 'it is the best that works'
    const gainMs = rank(active) - rank(best)
    if (best.suspect) return 'the best one is suspect: what was sent over it last has not been acknowledged'
    if (this.#impaired(best)) return 'the best one loses packets'
    if (this.#held(best)) return 'the best one failed lately, and has not been clean for long enough since'
    if (gainMs <= threshold(active)) return `the best one is better by ${gainMs.toFixed(1)} ms only, which is not worth a change`
    return `another has been better for ${((this.#now - (this.#betterSince ?? this.#now)) / 1000).toFixed(1)} s only`
  }

  // ---- what is known of each path

  #observe(path: Path, hops: FirstHops, impaired: boolean): void {
    const standing = this.#standingOf(path)
    const up = hops.costTo(path.firstHop) !== undefined
    if (up && (!path.up || path.forgotten(this.#now))) path.renew()
    path.up = up
    standing.wanted = true
    standing.retiredAt = undefined
    standing.impaired = impaired || hops.impaired(path.firstHop)
    if (path.suspect || this.#impaired(path)) standing.cleanSince = undefined
    else standing.cleanSince ??= this.#now
    const { left, cleanSince, hold } = standing
    const holdMs = left === 'loss' ? hold.holdMs : BETTER_FOR_MS
    if (left && cleanSince !== undefined && this.#now - cleanSince >= holdMs) standing.left = undefined
  }

  /** Whether a path that is no longer named still has something out. */
  #retire(path: Path, hops: FirstHops): boolean {
    const standing = this.#standingOf(path)
    standing.wanted = false
    standing.retiredAt ??= this.#now
    path.up = hops.costTo(path.firstHop) !== undefined
    return path.up && path.inFlightBytes > 0 && this.#now - standing.retiredAt < RETIRED_MS
  }

  #standingOf(path: Path): Standing {
    const known = this.#standings.get(path)
    if (known) return known
    const fresh = { wanted: true, impaired: false, retiredAt: undefined, left: undefined, cleanSince: undefined }
    const standing: Standing = { ...fresh, usedSince: this.#now, hold: new FlapHold() }
    this.#standings.set(path, standing)
    return standing
  }

  #impaired(path: Path): boolean {
    return path.losing || this.#standings.get(path)?.impaired === true
  }

  #held(path: Path): boolean {
    return this.#standings.get(path)?.left !== undefined
  }

  /** How good a path is before its cost counts. */
  #grade(path: Path): number {
    if (!this.#standings.get(path)?.wanted) return GRADE.retired
    if (path.suspect) return GRADE.silent
    if (path.isGuess) return GRADE.guess
    if (this.#impaired(path)) return GRADE.loses
    return this.#held(path) ? GRADE.failedLately : GRADE.sound
  }

  // ---- which is in use

  #best(avoid?: Path): Path | undefined {
    const usable = this.#paths.filter((path) => path.up && path !== avoid)
    let [first] = usable
    if (!first || usable.length === 1) return first
    const doubted = this.#paths.filter((path) => path === avoid || (path.up && path.suspect))
    // Half a grade worse is what leads through a relay of a path that is silent.
    const grades = usable.map((path) => this.#grade(path) + (doubted.some((other) => sharesRelay(path, other)) ? 0.5 : 0))
    let least = grades[0] as number
    for (const [at, path] of usable.entries()) {
      const grade = grades[at] as number
      if (grade > least || (grade === least && rank(path) >= rank(first))) continue
      first = path
      least = grade
    }
    if (first.route.length === 1 || first.costMs === null) return first
    const below = rank(first) + EQUAL_MS
    const equals = usable.filter((path, at) => grades[at] === least && rank(path) < below)
    return equals.reduce((a, b) => (this.#lot(b) < this.#lot(a) ? b : a))
  }

  /** Drawn for this pair and path; the same for every packet of the pair. */
  #lot(path: Path): number {
    let lot = Math.imul(this.#from, 0x9e3779b1) ^ Math.imul(this.to, 0x85ebca6b)
    for (const hop of path.route) lot = Math.imul(lot ^ hop ^ (lot >>> 15), 0xc2b2ae35)
    return (lot ^ (lot >>> 16)) >>> 0
  }

  #rescue(): void {
    const active = this.#active
    if (!active) return this.#use(this.#best())
    if (!active.up) return this.#move(this.#best(), 'its first link is down')
    const grade = this.#grade(active)
    // Asked for every packet: usually all is well.
    if (grade < GRADE.loses) return
    const best = this.#best()
    if (!best || this.#grade(best) >= grade) return
    if (grade === GRADE.silent) this.#move(best, 'is not acknowledged in time', 'silence')
    else if (grade === GRADE.loses) this.#move(best, 'loses packets', 'loss')
    else this.#move(best, 'is not in the plan')
  }

  #improve(hops: FirstHops): void {
    const active = this.#active
    const best = this.#best()
    const gainMs = active && best ? rank(active) - rank(best) : 0
    if (!active || !best || this.#grade(best) > GRADE.sound || gainMs <= threshold(active)) {
      this.#betterSince = undefined
      return
    }
    this.#betterSince ??= this.#now
    if (this.#now - this.#betterSince < BETTER_FOR_MS || !hops.mayMove(this.#now)) return
    this.#move(best, `another is better by ${Math.round(gainMs)} ms`)
  }

  #move(to: Path | undefined, reason: string, left?: 'loss' | 'silence'): void {
    const from = this.#active
    const standing = from && this.#standings.get(from)
    if (standing && left) {
      standing.left = left
      standing.cleanSince = undefined
      if (left === 'loss') {
        standing.hold.fall(this.#now - standing.usedSince)
        from.forgiveLoss()
      }
    }
    this.#use(to)
    if (!from || !to || from === to) return
    if (left !== 'silence') this.#tell()
    this.#untold = { from: this.#untold?.from ?? from, to, reason }
    if (left !== 'silence') this.#tell()
  }

  #tell(): void {
    const move = this.#untold
    this.#untold = undefined
    if (move && move.from !== move.to) this.#onMove?.(move.from, move.to, move.reason)
  }

  #use(path: Path | undefined): void {
    this.#active = path
    this.#betterSince = undefined
    if (path) this.#standingOf(path).usedSince = this.#now
  }
}

/** What a path is worth for the order: its cost; a direct link needs no third party, and wins near ties. */
function rank(path: Path): number {
  const cost = path.costMs ?? UNKNOWN_COST_MS
  return path.route.length === 1 ? cost - BETTER_BY_MS : cost
}

/** By how much another must be better than this one. */
function threshold(path: Path): number {
  return Math.max(BETTER_BY_MS, BETTER_BY_RATIO * rank(path))
}

/** Routes are short, and compared all the time. */
function isSameRoute(one: readonly NodeId[], other: readonly NodeId[]): boolean {
  if (one.length !== other.length) return false
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false
  return true
}

function sharesRelay(one: Path, other: Path): boolean {
  const [a, b] = [one.route, other.route]
  for (let at = 0; at < a.length - 1; at++) {
    const found = b.indexOf(a[at] as NodeId)
    if (found >= 0 && found < b.length - 1) return true
  }
  return false
}

/** Whether one of the first `count` paths begins with that link. */
function leavesBy(way: NodeId, paths: readonly Path[], count: number): boolean {
  for (let at = 0; at < count; at++) if (paths[at]?.firstHop === way) return true
  return false
}
