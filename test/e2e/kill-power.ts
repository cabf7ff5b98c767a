/**
 * A power cut for one process. `strace` notes every write of it below a directory and every flush; from that follows what a disk
 * would hold that loses whatever was not flushed: each piece of an unflushed write by itself may be there or not.
 *
 * Rules, as ext4 keeps them: `fsync` and `fdatasync` make durable what was written to that file before they began, and the
 * name of a new file; `O_DSYNC` each write when it returns; `fsync` of a directory the renames and removals in it. Names
 * change in order, so those that were not flushed are kept up to some point.
 */
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** What a disk keeps of an unflushed write, or loses, as a whole. */
const PIECE_BYTES = 4096
const CALLS =
  'openat,close,lseek,pwrite64,pwritev,pwritev2,write,writev,fsync,fdatasync,ftruncate,rename,renameat,renameat2,link,linkat,unlink,unlinkat'

/** The command in front of that of a process, which then runs as that very process. */
export function powerTracer(traceFile: string): string[] {
  return ['strace', '-D', '-f', '-y', '-v', '-xx', '--seccomp-bpf', '-s', '100000000', '-e', `trace=${CALLS}`, '-o', traceFile]
}

/** Content of the files of a directory, by name. */
export type DiskImage = ReadonlyMap<string, Uint8Array>

export function readImage(directory: string): DiskImage {
  const names = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isFile())
  return new Map(names.map(({ name }) => [name, readFileSync(join(directory, name))]))
}

export function writeImage(directory: string, image: DiskImage): void {
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  for (const [name, content] of image) writeFileSync(join(directory, name), content, { mode: 0o600 })
}

/** One system call that matters. */
export type DiskEvent =
  | { readonly type: 'write'; readonly file: number; readonly at: number; readonly bytes: Uint8Array; readonly durable: boolean }
  | { readonly type: 'size'; readonly file: number; readonly bytes: number }
  /** `upTo`: events before it are durable. */
  | { readonly type: 'flush'; readonly file: number; readonly upTo: number }
  | { readonly type: 'flushNames'; readonly upTo: number }
  /** `file`: what the name stands for from now on; `undefined`: nothing. */
  | { readonly type: 'name'; readonly name: string; readonly file: number | undefined; readonly isNew: boolean }
  /** The process wrote to something that is no file of the directory, such as its output. */
  | { readonly type: 'said'; readonly bytes: Uint8Array }

interface Call {
  readonly name: string
  readonly words: string
  readonly result: number
  /** How many events there were when it began. */
  readonly began: number
}

interface OpenFile {
  readonly file: number
  readonly dsync: boolean
  position: number
}

/** What happened below a directory, in order. Files that were there have the numbers 0, 1, … in the order of `image`. */
export class PowerTrace {
  readonly events: DiskEvent[] = []
  readonly #directory: string
  readonly #image: DiskImage
  readonly #names = new Map<string, number>()
  readonly #open = new Map<number, OpenFile>()
  readonly #directories = new Set<number>()
  readonly #unfinished = new Map<string, { readonly name: string; readonly words: string; readonly began: number }>()
  #files = 0

  /** `image`: what was there when the process began, all of it durable. */
  constructor(directory: string, image: DiskImage, trace: string) {
    this.#directory = directory
    this.#image = image
    for (const name of image.keys()) this.#names.set(name, this.#files++)
    for (const line of trace.split('\n')) {
      const call = this.#callIn(line)
      if (call && call.result >= 0) this.#take(call)
    }
  }

  /** What the disk holds if the power fails after so many events. `keeps`: whether a piece that was not flushed is there. */
  imageAfter(count: number, keeps: () => boolean): DiskImage {
    const past = this.events.slice(0, count)
    const flushed = new Map<number, number>()
    let namesFlushed = 0
    for (const event of past) {
      if (event.type === 'flush') flushed.set(event.file, Math.max(flushed.get(event.file) ?? 0, event.upTo))
      if (event.type === 'flushNames') namesFlushed = Math.max(namesFlushed, event.upTo)
    }
    const contents = new Map<number, Buffer>([...this.#image.values()].map((content, file) => [file, Buffer.from(content)]))
    const names = new Map([...this.#image.keys()].map((name, file) => [name, file]))
    let namesGoOn = true
    for (const [at, event] of past.entries()) {
      if (event.type === 'name') {
        const durable = at < namesFlushed || (event.isNew && event.file !== undefined && at < (flushed.get(event.file) ?? 0))
        namesGoOn &&= durable || keeps()
        if (!durable && !namesGoOn) continue
        if (event.file === undefined) names.delete(event.name)
        else names.set(event.name, event.file)
      } else if (event.type === 'write' || event.type === 'size') {
        const durable = at < (flushed.get(event.file) ?? 0) || (event.type === 'write' && event.durable)
        contents.set(event.file, applied(contents.get(event.file) ?? Buffer.alloc(0), event, durable ? () => true : keeps))
      }
    }
    return new Map([...names].map(([name, file]) => [name, contents.get(file) ?? Buffer.alloc(0)]))
  }

  #callIn(line: string): Call | undefined {
    const [, thread = '', rest = ''] = /^(\d+) +(.*)$/.exec(line) ?? []
    const resumed = /^<\.\.\. (\w+) resumed>(.*)$/.exec(rest)
    const before = resumed ? this.#unfinished.get(thread) : undefined
    if (resumed && !before) return undefined
    const [, name = '', words = ''] = before ? ['', before.name, before.words + (resumed?.[2] ?? '')] : (/^(\w+)\((.*)$/.exec(rest) ?? [])
    const began = before?.began ?? this.events.length
    if (words.endsWith(' <unfinished ...>')) {
      this.#unfinished.set(thread, { name, words: words.slice(0, -' <unfinished ...>'.length), began })
      return undefined
    }
    this.#unfinished.delete(thread)
    const [, result] = /\) += (-?\d+)[^=]*$/.exec(words) ?? []
    return result === undefined ? undefined : { name, words, result: Number(result), began }
  }

  #take({ name, words, result, began }: Call): void {
    const fd = Number.parseInt(words, 10)
    const open = this.#open.get(fd)
    switch (name) {
      case 'openat':
        return this.#opened(words, result)
      case 'close':
        this.#open.delete(fd)
        this.#directories.delete(fd)
        return
      case 'lseek':
        if (open) open.position = result
        return
      case 'write':
      case 'writev':
        this.#wrote(open, open?.position ?? 0, words, result)
        if (open) open.position += result
        return
      case 'pwrite64':
      case 'pwritev':
      case 'pwritev2':
        return this.#wrote(open, offsetIn(name, words), words, result)
      case 'ftruncate':
        if (open) this.events.push({ type: 'size', file: open.file, bytes: Number(/, (\d+)\) +=/.exec(words)?.[1]) })
        return
      case 'fsync':
      case 'fdatasync':
        if (open) this.events.push({ type: 'flush', file: open.file, upTo: began })
        else if (this.#directories.has(fd)) this.events.push({ type: 'flushNames', upTo: began })
        return
      default:
        this.#renamed(name, words)
    }
  }

  /** Also for reading: whoever flushes a file need not be able to write to it. */
  #opened(words: string, fd: number): void {
    const [path = ''] = pathsIn(words)
    if (path === this.#directory) {
      this.#directories.add(fd)
      return
    }
    if (dirname(path) !== this.#directory) return
    const name = basename(path)
    let file = this.#names.get(name)
    if (file === undefined) {
      if (!/O_CREAT/.test(words)) return
      file = this.#files++
      this.#names.set(name, file)
      this.events.push({ type: 'name', name, file, isNew: true })
    }
    if (/O_TRUNC/.test(words)) this.events.push({ type: 'size', file, bytes: 0 })
    this.#open.set(fd, { file, dsync: /O_D?SYNC/.test(words), position: 0 })
  }

  #wrote(open: OpenFile | undefined, at: number, words: string, count: number): void {
    const bytes = Buffer.concat(stringsIn(words)).subarray(0, count)
    if (open) this.events.push({ type: 'write', file: open.file, at, bytes, durable: open.dsync })
    else this.events.push({ type: 'said', bytes })
  }

  #renamed(call: string, words: string): void {
    const [from = '', to = ''] = pathsIn(words)
    if (dirname(from) !== this.#directory) return
    const file = this.#names.get(basename(from))
    const goes = call.startsWith('unlink') || call.startsWith('rename')
    if (!call.startsWith('unlink')) {
      if (file === undefined) return
      this.#names.set(basename(to), file)
      this.events.push({ type: 'name', name: basename(to), file, isNew: false })
    }
    if (!goes) return
    this.#names.delete(basename(from))
    this.events.push({ type: 'name', name: basename(from), file: undefined, isNew: false })
  }
}

function applied(content: Buffer, event: DiskEvent & { type: 'write' | 'size' }, keeps: () => boolean): Buffer {
  if (event.type === 'size') return keeps() ? resized(content, event.bytes) : content
  let made = content
  for (let at = 0; at < event.bytes.length; at += PIECE_BYTES) {
    if (!keeps()) continue
    const piece = event.bytes.subarray(at, at + PIECE_BYTES)
    const end = event.at + at + piece.length
    if (end > made.length) made = resized(made, end)
    made.set(piece, event.at + at)
  }
  return made
}

function resized(content: Buffer, bytes: number): Buffer {
  const made = Buffer.alloc(bytes)
  content.copy(made)
  return made
}

/** All strings among the arguments; their bytes are written as \x00. */
function stringsIn(words: string): Buffer[] {
  return [...words.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex = '']) => Buffer.from(hex.replaceAll('\\x', ''), 'hex'))
}

function pathsIn(words: string): string[] {
  return stringsIn(words).map((path) => path.toString())
}

/** The last number among the arguments, or, of `pwritev2`, the one before its flags. */
function offsetIn(name: string, words: string): number {
  const [, offset, last] = /, (\d+)(?:, ([^,]+))?\) += \d+$/.exec(words) ?? []
  return Number(name === 'pwritev2' || last === undefined ? offset : last)
}
