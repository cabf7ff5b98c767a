/**
 * What a site's vitals cost on its uplink, by the laws of the trace that benches use: eight nodes, each once a second;
 * cpu a walk around its mean (1.5 % a second), mem a walk (0.15 %), disk nearly constant, gpu mostly idle, and a rate in
 * kbit/s that varies by 3 % a second. cpu, mem and disk with one decimal, the others whole; everything is told.
 */
import { expect, test } from 'vitest'
import { type Instant, SeededRandom, type VitalValues } from '@causeway/protocol'
import { LabNode, VitalsLab, identity } from './vitals-lab.ts'

const EVERYTHING: VitalValues = { cpu: 0, mem: 0, disk: 0, gpu: 0 }

class LoadedNode {
  readonly node: LabNode
  readonly #random: SeededRandom
  readonly #phase: number
  readonly #means: { readonly cpu: number; readonly rate: number }
  readonly #hasGpu: boolean
  #cpu: number
  #mem: number
  #disk: number
  #rate: number
  #gpuBusy = false

  constructor(node: LabNode, seed: number) {
    this.node = node
    const random = new SeededRandom(seed)
    this.#random = random
    this.#phase = 10 * Math.floor(100 * random.float())
    this.#means = { cpu: 15 + 50 * random.float(), rate: 200 + 9_000 * random.float() }
    this.#hasGpu = random.float() < 0.25
    this.#cpu = this.#means.cpu
    this.#rate = this.#means.rate
    this.#mem = 30 + 50 * random.float()
    this.#disk = 20 + 60 * random.float()
  }

  step(now: Instant): VitalValues | undefined {
    if (now % 1000 !== this.#phase) return undefined
    const { cpu, rate } = this.#means
    this.#cpu = within(this.#cpu + (cpu - this.#cpu) * 0.05 + this.#normal() * 1.5, 0, 100)
    this.#mem = within(this.#mem + this.#normal() * 0.15, 5, 98)
    this.#rate = Math.max(0, this.#rate + (rate - this.#rate) * 0.05 + this.#normal() * rate * 0.03)
    if (this.#random.float() < 0.03) this.#disk = within(this.#disk + 0.1, 0, 100)
    if (this.#hasGpu && this.#random.float() < 0.05) this.#gpuBusy = !this.#gpuBusy
    const gpu = this.#gpuBusy ? 20 + Math.floor(60 * this.#random.float()) : 0
    const values = { cpu: tenths(this.#cpu), mem: tenths(this.#mem), gpu, disk: tenths(this.#disk), bw: Math.round(this.#rate) }
    this.node.vitals.set(now, values)
    return values
  }

  /** Box and Muller 1958. */
  #normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.#random.float())) * Math.cos(2 * Math.PI * this.#random.float())
  }
}

function within(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value))
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10
}

/** Bytes on the uplinks of some sites, per site, in the minute after the first; what the hub then knows of every node. */
function trace(sites: number): { bytes: number; messages: number; hub: LabNode; last: Map<string, VitalValues>; lab: VitalsLab } {
  const lab = new VitalsLab()
  const hub = new LabNode(identity('core-1', 'core', 'hub', 'eu'), 1)
  const loads: LoadedNode[] = []
  const uplinks = Array.from({ length: sites }, (_, site) => {
    const nodes = Array.from({ length: 8 }, (__, at) => new LabNode(identity(`s${site}-n${at}`, `s${site}`), 1, EVERYTHING))
    for (const [at, node] of nodes.entries()) loads.push(new LoadedNode(node, 64 + 100 * site + at))
    const [gateway, ...members] = nodes as [LabNode, ...LabNode[]]
    for (const member of members) lab.join(member, gateway, 'up', { wants: [`s${site}`], delayMs: 1 })
    return lab.join(gateway, hub, 'up', { wants: [`s${site}`] })
  })
  const last = new Map<string, VitalValues>()
  const step = (now: Instant): void => {
    for (const load of loads) {
      const values = load.step(now)
      if (values) last.set(load.node.identity.name, values)
    }
  }
  lab.run(10_000, step)
  const before = uplinks.map(({ bytes, messages }) => ({ bytes, messages }))
  lab.run(60_000, step)
  const bytes = uplinks.reduce((sum, line, at) => sum + line.bytes - (before[at]?.bytes ?? 0), 0)
  const messages = uplinks.reduce((sum, line, at) => sum + line.messages - (before[at]?.messages ?? 0), 0)
  lab.run(3_000)
  return { bytes: bytes / sites, messages: messages / sites, hub, last, lab }
}

test('eight nodes at 1 Hz cost a site less than 1.7 KB a minute, and the hub knows every value exactly', () => {
  const { bytes, messages, hub, last, lab } = trace(16)
  expect(bytes).toBeLessThan(1_700)
  expect(messages).toBeLessThanOrEqual(64)
  expect(last.size).toBe(128)
  for (const [node, values] of last) expect(hub.view(lab.now, node)?.values, node).toEqual(values)
})
