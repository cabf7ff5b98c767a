/**
 * Names of collections and partitions, and the patterns that select them. A pattern is a path
 * `collection/partition…` in which `*` stands for one name and a last `**` for any rest, also an empty one:
 * `tasks/hkg-1`, `nodes/apac/*`, `config/**`, `**`.
 */
import { NAME_PATTERN } from '@causeway/protocol'
import { PatternTree } from './pattern-tree.ts'

const PARTITION_NAMES_MAX = 4
/** A name is at most 63 characters: a collection and four names with their slashes. */
const PATTERN_CHARACTERS_MAX = 5 * 64

export function isCollection(name: string): boolean {
  return NAME_PATTERN.test(name)
}

/** One to four names joined by `/`. */
export function isPartition(path: string): boolean {
  if (path.length > PATTERN_CHARACTERS_MAX) return false
  const names = path.split('/')
  return names.length <= PARTITION_NAMES_MAX && names.every((name) => NAME_PATTERN.test(name))
}

export function isPattern(pattern: string): boolean {
  if (pattern.length > PATTERN_CHARACTERS_MAX) return false
  const parts = pattern.split('/')
  return (
    parts.length <= 1 + PARTITION_NAMES_MAX &&
    parts.every((part, at) => part === '*' || NAME_PATTERN.test(part) || (part === '**' && at === parts.length - 1))
  )
}

/** A pattern that documents may match: they have a collection and a partition. */
export function canMatch(pattern: string): boolean {
  return isPattern(pattern) && (pattern === '**' || pattern.includes('/'))
}

export function matchesInterest(pattern: string, collection: string, partition: string): boolean {
  return matchesParts(pattern.split('/'), [collection, ...partition.split('/')])
}

function matchesParts(pattern: readonly string[], path: readonly string[]): boolean {
  for (let at = 0; at < pattern.length; at++) {
    const part = pattern[at]
    if (part === '**') return true
    const name = path[at]
    if (name === undefined || (part !== '*' && part !== name)) return false
  }
  return pattern.length === path.length
}

/** A set of patterns, sorted and without repeats. */
export class Interest {
  readonly patterns: readonly string[]
  readonly #tree = new PatternTree<true>()

  constructor(patterns: Iterable<string>) {
    this.patterns = [...new Set(patterns)].sort()
    for (const pattern of this.patterns) this.#tree.add(pattern, true)
  }

  matches(collection: string, partition: string): boolean {
    return this.#tree.has(collection, partition)
  }

  equals(other: Interest): boolean {
    return this.patterns.length === other.patterns.length && this.patterns.every((pattern, at) => pattern === other.patterns[at])
  }
}
