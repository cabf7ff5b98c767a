/**
 * Who has which pattern of interest, as a tree of names. Who wants a partition is found by walking the names of its path, so
 * that it costs the same however many patterns there are: a hub asks for each batch, of hundreds of sites.
 */

interface Branch<T> {
  readonly names: Map<string, Branch<T>>
  /** Members whose pattern ends here, and those whose last `**` stands here. */
  readonly ends: Set<T>
  readonly rests: Set<T>
}

export class PatternTree<T> {
  readonly #root: Branch<T> = branch()

  add(pattern: string, member: T): void {
    const [names, place] = partsOf(pattern)
    let at = this.#root
    for (const name of names) {
      let next = at.names.get(name)
      if (!next) at.names.set(name, (next = branch()))
      at = next
    }
    at[place].add(member)
  }

  delete(pattern: string, member: T): void {
    const [names, place] = partsOf(pattern)
    const way = [this.#root]
    for (const name of names) {
      const next = way.at(-1)?.names.get(name)
      if (!next) return
      way.push(next)
    }
    way.at(-1)?.[place].delete(member)
    for (let depth = names.length; depth > 0 && isBare(way[depth]); depth--) way[depth - 1]?.names.delete(names[depth - 1] ?? '')
  }

  /** Everybody with a pattern that matches, once. */
  find(collection: string, partition: string): Set<T> {
    const found = new Set<T>()
    this.#walk(collection, partition, (members) => {
      for (const member of members) found.add(member)
      return false
    })
    return found
  }

  has(collection: string, partition: string): boolean {
    return this.#walk(collection, partition, () => true)
  }

  /** Visits all that match, until one visit says that it is enough. */
  #walk(collection: string, partition: string, visit: (members: ReadonlySet<T>) => boolean): boolean {
    const path = [collection, ...partition.split('/')]
    const descend = ({ names, ends, rests }: Branch<T>, depth: number): boolean => {
      if (rests.size > 0 && visit(rests)) return true
      const name = path[depth]
      if (name === undefined) return ends.size > 0 && visit(ends)
      const [named, any] = [names.get(name), names.get('*')]
      return (named !== undefined && descend(named, depth + 1)) || (any !== undefined && descend(any, depth + 1))
    }
    return descend(this.#root, 0)
  }
}

function branch<T>(): Branch<T> {
  return { names: new Map(), ends: new Set(), rests: new Set() }
}

function isBare<T>(at: Branch<T> | undefined): boolean {
  return at !== undefined && at.names.size + at.ends.size + at.rests.size === 0
}

function partsOf(pattern: string): readonly [names: string[], place: 'ends' | 'rests'] {
  const names = pattern.split('/')
  if (names.at(-1) !== '**') return [names, 'ends']
  return [names.slice(0, -1), 'rests']
}
