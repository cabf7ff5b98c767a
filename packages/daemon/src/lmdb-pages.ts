/**
 * Reads an LMDB file without LMDB. LMDB believes what it maps into memory: one wrong page number, and the process dies of a
 * signal or writes over good data. So the whole file is read here first, and every number in it is held against its bounds;
 * only what passes is given to LMDB, and of what does not, everything that can still be reached is read out.
 *
 * Layout: LMDB's `mdb.c` at MDB_DATA_VERSION 2 as lmdb-js 3 builds it, 64 bits, little-endian; offsets in bytes.
 *
 *     page      0 number u64 · 8 transaction u64 · 18 flags u16 · 20 lower u16 · 22 upper u16 · 24 content
 *     meta      pages 0 and 1: 24 magic u32 · 28 version u32 · 48 free tree · 96 main tree · 144 last page u64 · 152 transaction u64
 *     tree      0 page size u32 (free tree) · 6 depth u16 · 32 entries u64 · 40 root u64, all ones if empty
 *     branch    content: offsets of nodes u16, from 24; node: page number u48 · 6 key length u16 · 8 key
 *     leaf      the same; node: value length u32 · 4 flags u16 · 6 key length u16 · 8 key · value
 *     overflow  a value that is not in its leaf, which then has: page number u64 · transaction u64 · pages u64
 *
 * A value of the free tree is a list of u64: its length, then pages; one that is negative counts how many begin at the next.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

const HEADER_BYTES = 24
const NODE_BYTES = 8
const TREE_BYTES = 48
const META = { magic: 24, version: 28, free: 48, lastPage: 144, transaction: 152, end: 160 } as const
const TREE = { pageBytes: 0, depth: 6, entries: 32, root: 40 } as const
const MAGIC = 0xbeefc0de
const VERSION = 2
const [BRANCH, LEAF, OVERFLOW] = [0x01, 0x02, 0x04]
const KINDS = 0x0f
const IN_OVERFLOW = 0x01
const OVERFLOW_POINTER_BYTES = 24
const WORD = 2 ** 32
const PAGE_BYTES = { min: 512, max: 32_768, usual: 4096 } as const
const DEPTH_MAX = 32
/** A file may lack pages at its end that were freed before they were written, but not most of them. */
const MISSING_FACTOR_MAX = 16
const MISSING_MAX = 4096
/** Nobody reads more. */
const COMPLAINTS_MAX = 20

export interface LmdbNode {
  readonly key: Buffer
  readonly value: Buffer
}

export interface LmdbReading {
  /** Of the main tree, in the order of their keys; those that could be reached. */
  readonly nodes: readonly LmdbNode[]
  /** What is wrong, in words; empty if LMDB may have the file. */
  readonly damage: readonly string[]
}

/** Throws an `Error` if it cannot be read, or is of another version of LMDB. A file that is empty is whole. */
export function readLmdbFile(path: string): LmdbReading {
  const damage: string[] = []
  return { nodes: [...lmdbNodes(path, damage)], damage }
}

/** The same node by node, for a file that may be large; all of `damage` is known when the last has been given. */
export function* lmdbNodes(path: string, damage: string[]): Generator<LmdbNode, void> {
  const file = openSync(path, 'r')
  try {
    yield* new LmdbFile(file, damage).nodes()
  } finally {
    closeSync(file)
  }
}

/** What is wrong with a part of the file. */
class Damage extends Error {}

interface Tree {
  readonly name: string
  readonly depth: number
  readonly entries: number
  readonly root: number | undefined
}

interface Meta {
  readonly pageBytes: number
  readonly lastPage: number
  readonly transaction: number
  readonly free: Tree
  readonly main: Tree
}

class LmdbFile {
  readonly #file: number
  readonly #bytes: number
  readonly #damage: string[]
  /** Each page belongs to one place; a second one would be overwritten through the first. */
  readonly #used = new Set<number>([0, 1])
  #pageBytes: number = PAGE_BYTES.usual
  #lastPage = 0

  constructor(file: number, damage: string[]) {
    this.#file = file
    this.#damage = damage
    this.#bytes = fstatSync(file).size
  }

  *nodes(): Generator<LmdbNode, void> {
    const meta = this.#bytes === 0 ? undefined : this.#readMeta()
    if (!meta) return
    this.#pageBytes = meta.pageBytes
    this.#lastPage = meta.lastPage
    let before: Buffer | undefined
    let inOrder = true
    for (const node of this.#walk(meta.main)) {
      inOrder &&= before === undefined || Buffer.compare(before, node.key) < 0
      before = node.key
      yield node
    }
    if (!inOrder) this.#complain('its keys are out of order')
    const free = [...this.#walk(meta.free)]
    for (const { value } of free) this.#try('the list of free pages', () => this.#checkFree(value))
  }

  /** The newer of the two that is whole. */
  #readMeta(): Meta | undefined {
    const first = this.#try('page 0', () => this.#metaAt(0))
    const second = this.#try('page 1', () => this.#metaAt(first?.pageBytes ?? PAGE_BYTES.usual))
    return second && second.transaction > (first?.transaction ?? -1) ? second : first
  }

  #metaAt(offset: number): Meta {
    const page = this.#readAt(offset, META.end)
    if (page.readUInt32LE(META.magic) !== MAGIC) throw new Damage('is not that of an LMDB file')
    const version = page.readUInt32LE(META.version) & 0xffff
    if (version !== VERSION) throw new Error(`it is an LMDB file of version ${version}; this program reads version ${VERSION}`)
    const pageBytes = page.readUInt32LE(META.free + TREE.pageBytes)
    const isPower = (pageBytes & (pageBytes - 1)) === 0
    if (!isPower || pageBytes < PAGE_BYTES.min || pageBytes > PAGE_BYTES.max) throw new Damage(`names pages of ${pageBytes} bytes`)
    const lastPage = readU64(page, META.lastPage)
    if (!(lastPage <= (this.#bytes / pageBytes) * MISSING_FACTOR_MAX + MISSING_MAX)) throw new Damage(`names ${lastPage} as the last page`)
    const tree = (name: string, at: number): Tree => treeAt(name, page, at)
    return {
      pageBytes,
      lastPage,
      transaction: readU64(page, META.transaction),
      free: tree('free tree', META.free),
      main: tree('main tree', META.free + TREE_BYTES),
    }
  }

  *#walk(tree: Tree): Generator<LmdbNode, void> {
    if (tree.root === undefined) return
    const before = this.#damage.length
    let entries = 0
    for (const node of this.#visit(tree, tree.root, 1)) {
      entries++
      yield node
    }
    if (entries !== tree.entries && this.#damage.length === before)
      this.#complain(`${tree.name}: it has ${entries} entries where ${tree.entries} were counted`)
  }

  *#visit(tree: Tree, number: number, level: number): Generator<LmdbNode, void> {
    const where = `${tree.name}: page ${number}`
    if (level === tree.depth) yield* this.#try(where, () => this.#leaf(number)) ?? []
    else for (const child of this.#try(where, () => this.#branch(number)) ?? []) yield* this.#visit(tree, child, level + 1)
  }

  #branch(number: number): number[] {
    const page = this.#page(number, BRANCH)
    return offsetsIn(page).map((at) => {
      if (at + NODE_BYTES + page.readUInt16LE(at + 6) > page.length) throw new Damage('a key ends beyond it')
      return page.readUIntLE(at, 6)
    })
  }

  /** Those that are damaged left out. */
  #leaf(number: number): LmdbNode[] {
    const page = this.#page(number, LEAF)
    return offsetsIn(page).flatMap((at) => this.#try(`page ${number}`, () => this.#nodeAt(page, at)) ?? [])
  }

  #nodeAt(page: Buffer, at: number): LmdbNode {
    const flags = page.readUInt16LE(at + 4)
    if ((flags & ~IN_OVERFLOW) !== 0) throw new Damage(`a node has the flags ${flags}`)
    const from = at + NODE_BYTES + page.readUInt16LE(at + 6)
    const bytes = page.readUInt32LE(at)
    const end = from + (flags === IN_OVERFLOW ? OVERFLOW_POINTER_BYTES : bytes)
    if (end > page.length) throw new Damage('a value ends beyond it')
    const key = page.subarray(at + NODE_BYTES, from)
    return { key, value: flags === IN_OVERFLOW ? this.#overflow(page.subarray(from, end), bytes) : page.subarray(from, end) }
  }

  #overflow(pointer: Buffer, bytes: number): Buffer {
    const number = readU64(pointer, 0)
    const pages = Math.floor((HEADER_BYTES - 1 + bytes) / this.#pageBytes) + 1
    if (readU64(pointer, 16) !== pages) throw new Damage(`a value of ${bytes} bytes claims ${readU64(pointer, 16)} pages`)
    for (let page = number; page < number + pages; page++) this.#claim(page)
    const content = this.#readAt(number * this.#pageBytes, HEADER_BYTES + bytes)
    this.#checkHeader(content, number, OVERFLOW)
    if (content.readUInt32LE(20) !== pages) throw new Damage(`page ${number} heads ${content.readUInt32LE(20)} pages, not ${pages}`)
    return content.subarray(HEADER_BYTES)
  }

  #page(number: number, kind: number): Buffer {
    this.#claim(number)
    const page = this.#readAt(number * this.#pageBytes, this.#pageBytes)
    this.#checkHeader(page, number, kind)
    return page
  }

  #checkHeader(page: Buffer, number: number, kind: number): void {
    if (readU64(page, 0) !== number) throw new Damage(`it says that it is page ${readU64(page, 0)}`)
    if ((page.readUInt16LE(18) & KINDS) !== kind) throw new Damage(`it is of kind ${page.readUInt16LE(18)}, not ${kind}`)
  }

  #claim(number: number): void {
    if (!(number >= 2 && number <= this.#lastPage)) throw new Damage(`there is no page ${number}`)
    if (this.#used.has(number)) throw new Damage(`page ${number} is used twice`)
    this.#used.add(number)
  }

  #checkFree(list: Buffer): void {
    const words = list.length / 8
    const length = readU64(list, 0)
    if (!Number.isInteger(words) || length + 1 > words) throw new Damage('is longer than its value')
    for (let at = 1; at <= length; at++) {
      const entry = Number(list.readBigInt64LE(at * 8))
      if (entry === 0) continue
      const count = entry < 0 ? -entry : 1
      const from = entry < 0 ? readU64(list, ++at * 8) : entry
      // A block that was used up is left in the list with the page after it.
      if (!(from >= 2 && from + count - 1 <= this.#lastPage) || at > length) throw new Damage(`names page ${from}`)
      for (let page = from; page < from + count; page++) if (this.#used.has(page)) throw new Damage(`names page ${page}, which is in use`)
    }
  }

  #readAt(offset: number, bytes: number): Buffer {
    if (offset + bytes > this.#bytes) throw new Damage('it lies beyond the end of the file')
    const content = Buffer.allocUnsafe(bytes)
    for (let done = 0; done < bytes;) {
      const read = readSync(this.#file, content, done, bytes - done, offset + done)
      if (read === 0) throw new Damage('it lies beyond the end of the file')
      done += read
    }
    return content
  }

  /** What `attempt` gives; `undefined` if it finds damage, which is noted. */
  #try<Result>(where: string, attempt: () => Result): Result | undefined {
    try {
      return attempt()
    } catch (fault) {
      if (!(fault instanceof Damage || fault instanceof RangeError)) throw fault
      this.#complain(`${where}: ${fault.message}`)
      return undefined
    }
  }

  #complain(what: string): void {
    if (this.#damage.length < COMPLAINTS_MAX) this.#damage.push(what)
  }
}

function treeAt(name: string, page: Buffer, at: number): Tree {
  const root = readU64(page, at + TREE.root)
  const depth = page.readUInt16LE(at + TREE.depth)
  if (depth > DEPTH_MAX) throw new Damage(`names a tree of ${depth} levels`)
  // All ones, which no number holds exactly.
  const isEmpty = root >= Number.MAX_SAFE_INTEGER
  return { name, depth, entries: readU64(page, at + TREE.entries), root: isEmpty ? undefined : root }
}

/** Where the nodes of a branch or leaf begin. */
function offsetsIn(page: Buffer): number[] {
  const [lower, upper] = [page.readUInt16LE(20), page.readUInt16LE(22)]
  if (lower > upper || HEADER_BYTES + upper > page.length || lower % 2 !== 0) throw new Damage('its bounds are wrong')
  return Array.from({ length: lower / 2 }, (_, index) => {
    const at = HEADER_BYTES + page.readUInt16LE(HEADER_BYTES + 2 * index)
    if (at < HEADER_BYTES + upper || at + NODE_BYTES > page.length) throw new Damage('a node begins outside')
    return at
  })
}

/** Exact up to 2⁵³, which is more than any of these may be. */
function readU64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4) * WORD + bytes.readUInt32LE(at)
}
