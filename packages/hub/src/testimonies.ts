/**
 * What witnesses have said of sites, by site and witness. Testimony is flooded among hubs as link state is, and handed
 * whole to a hub that is new.
 *
 *  1. Of one witness on one site the testimony with the highest (incarnation, sequence) is valid.
 *  2. What is older than an hour is forgotten, unless its witness can still be heard.
 */
import { type Instant, type Testimony, after, instant } from '@causeway/protocol'

const MEMORY_MS = 3_600_000
const SITES_MAX = 4_096
/** Its nodes, and the hubs at which their links ended. */
const WITNESSES_PER_SITE_MAX = 128

export interface Said {
  readonly testimony: Testimony
  /** By our clock. */
  readonly at: Instant
}

export class Testimonies {
  readonly #sites = new Map<string, Map<string, Said>>()

  /** True if it is new here: to be passed on. */
  learn(now: Instant, testimony: Testimony): boolean {
    const { site, witness, ageMs } = testimony
    const known = this.#sites.get(site)
    const before = known?.get(witness)
    if (before && !isNewer(testimony, before.testimony)) return false
    if (known ? !before && known.size >= WITNESSES_PER_SITE_MAX : this.#sites.size >= SITES_MAX) return false
    const said = known ?? new Map<string, Said>()
    said.set(witness, { testimony, at: instant(now - ageMs) })
    this.#sites.set(site, said)
    return true
  }

  of(site: string): Iterable<Said> {
    return this.#sites.get(site)?.values() ?? []
  }

  sites(): Iterable<string> {
    return this.#sites.keys()
  }

  /** Everything, as it is to be passed on now. */
  all(now: Instant): Testimony[] {
    return [...this.#sites.values()].flatMap((said) =>
      [...said.values()].map(({ testimony, at }) => ({ ...testimony, ageMs: Math.max(0, now - at) })),
    )
  }

  forgetOld(now: Instant, heard: (site: string, witness: string) => boolean): void {
    for (const [site, said] of this.#sites) {
      for (const [witness, { at }] of said) if (now >= after(at, MEMORY_MS) && !heard(site, witness)) said.delete(witness)
      if (said.size === 0) this.#sites.delete(site)
    }
  }
}

function isNewer(a: Testimony, b: Testimony): boolean {
  return a.incarnation > b.incarnation || (a.incarnation === b.incarnation && a.sequence > b.sequence)
}
