/**
 * What the operating system says of this machine, as vitals: processors, memory, the disk of the data folder, network,
 * load. Rates are over the time since the last reading, so the first reading has none. What cannot be had on this system
 * is absent; nothing here fails.
 */
import { readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { type CpuInfo, cpus, freemem, loadavg, platform, totalmem } from 'node:os'
import type { VitalValues } from '@causeway/protocol'

export interface SystemReaderOptions {
  readonly dataDir: string
  /** Counters of the network interfaces, in the format of Linux. @default /proc/net/dev */
  readonly networkFile?: string
}

/** How often the disk is looked at: it fills slowly, and to ask takes another thread. */
const DISK_MS = 10_000

interface ProcessorTimes {
  readonly busyMs: number
  readonly totalMs: number
}

interface Counters extends ProcessorTimes {
  readonly atMs: number
  readonly network: { readonly in: number; readonly out: number } | undefined
}

export class SystemReader {
  readonly #dataDir: string
  readonly #networkFile: string
  #before: Counters | undefined
  #disk: VitalValues = {}
  #diskAt = -Infinity

  constructor({ dataDir, networkFile = '/proc/net/dev' }: SystemReaderOptions) {
    this.#dataDir = dataDir
    this.#networkFile = networkFile
  }

  async read(): Promise<VitalValues> {
    if (performance.now() - this.#diskAt >= DISK_MS) {
      this.#disk = await readDisk(this.#dataDir)
      this.#diskAt = performance.now()
    }
    const now: Counters = { atMs: performance.now(), ...processorTimes(), network: networkTotals(readKernelFile(this.#networkFile)) }
    const rates = this.#before ? ratesBetween(this.#before, now) : {}
    this.#before = now
    // Windows has no load average, and says 0.
    const load = platform() === 'win32' ? {} : { load: loadavg()[0] ?? 0 }
    const memory = totalmem()
    return { ...rates, mem: percent(memory - freemem(), memory), ...this.#disk, ...load }
  }
}

function ratesBetween(before: Counters, now: Counters): VitalValues {
  const totalMs = now.totalMs - before.totalMs
  const cpu = totalMs > 0 ? { cpu: percent(now.busyMs - before.busyMs, totalMs) } : {}
  const seconds = (now.atMs - before.atMs) / 1000
  if (!now.network || !before.network || seconds <= 0) return cpu
  const netIn = (now.network.in - before.network.in) / seconds
  const netOut = (now.network.out - before.network.out) / seconds
  // An interface that has gone takes its counters with it.
  return netIn < 0 || netOut < 0 ? cpu : { ...cpu, netIn, netOut }
}

/** `os.cpus` reads a page for each processor beside the times, which takes a large machine milliseconds. */
function processorTimes(): ProcessorTimes {
  return processorTotals(readKernelFile('/proc/stat')) ?? timesOf(cpus())
}

/** `cpu  user nice system idle iowait irq softirq steal …`, in hundredths of a second, all processors together. */
export function processorTotals(text: string): ProcessorTimes | undefined {
  const [, columns] = /^cpu +(\d+(?: \d+){7})/.exec(text) ?? []
  if (columns === undefined) return undefined
  const ticks = columns.split(' ').map(Number)
  const total = ticks.reduce((sum, each) => sum + each, 0)
  const [, , , idle = 0, waiting = 0] = ticks
  return { busyMs: 10 * (total - idle - waiting), totalMs: 10 * total }
}

function timesOf(processors: readonly CpuInfo[]): ProcessorTimes {
  let idleMs = 0
  let totalMs = 0
  for (const { times } of processors) {
    idleMs += times.idle
    totalMs += times.user + times.nice + times.sys + times.idle + times.irq
  }
  return { busyMs: totalMs - idleMs, totalMs }
}

/** Of what ordinary users may use, as `df` counts. */
async function readDisk(folder: string): Promise<VitalValues> {
  try {
    const { blocks, bfree, bavail } = await statfs(folder)
    const used = blocks - bfree
    return used + bavail > 0 ? { disk: percent(used, used + bavail) } : {}
  } catch {
    return {}
  }
}

/**
 * The kernel writes it while it is read: no disk is waited for, and another thread would cost more than the reading. Empty if there
 * is none.
 */
function readKernelFile(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** Bytes of all interfaces but loopback; `name: bytes packets … (8 columns received), bytes packets … (sent)`. */
export function networkTotals(text: string): { in: number; out: number } | undefined {
  const totals = { in: 0, out: 0 }
  let interfaces = 0
  for (const line of text.split('\n')) {
    const [, name, rest] = /^\s*([^:\s]+):\s*(.*)$/.exec(line) ?? []
    if (name === undefined || rest === undefined) continue
    const columns = rest.split(/\s+/).map(Number)
    const [received, sent] = [columns[0], columns[8]]
    if (received === undefined || sent === undefined || Number.isNaN(received + sent)) continue
    interfaces++
    if (name === 'lo') continue
    totals.in += received
    totals.out += sent
  }
  return interfaces === 0 ? undefined : totals
}

function percent(part: number, whole: number): number {
  return whole > 0 ? Math.min(100, Math.max(0, (100 * part) / whole)) : 0
}
