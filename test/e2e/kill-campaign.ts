/**
 * A writing node, killed with SIGKILL again and again at random instants and started anew: what it acknowledged must be
 * there, and in the end all nodes hold the same. Half of its lives it spends without any peer, so that nobody can bring
 * back what its own disk lost. Once in between its store is replaced by an old backup.
 *
 * With `power`, each kill is a power cut: before the next start the data directory is made what a disk would hold that had
 * lost what was not flushed, or some of it (`kill-power.ts`).
 */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { type Causeway, connect } from '@causeway/client'
import { SeededRandom } from '@causeway/protocol'
import { Deployment, type NodeSpec, succeeded } from './deployment.ts'
import { eventually } from './eventually.ts'
import { type DiskImage, PowerTrace, powerTracer, readImage, writeImage } from './kill-power.ts'

const VICTIM = 'ams-1-a'
const NODES: readonly NodeSpec[] = [
  { name: 'core-1', role: 'hub', site: 'core' },
  { name: VICTIM, role: 'edge', site: 'ams-1', hubs: ['core-1'] },
  { name: 'ams-1-b', role: 'edge', site: 'ams-1', hubs: ['core-1'], peers: [VICTIM] },
]
const ALONE: NodeSpec = { name: VICTIM, role: 'edge', site: 'ams-1' }
const COLLECTION = 'notes'
const PARTITION = 'ams-1'
const WRITERS = 8
const KEYS_PER_WRITER = 5
/** Every so many kills one falls into the start of the process, before it is ready. */
const EARLY_RATIO = 0.15
const START_MS_MAX = 1_200
const LIFE_MS_MAX = 500

export interface Campaign {
  readonly kills: number
  readonly seed: number
  /** What was not flushed is lost. @default false */
  readonly power?: boolean
  /** Hears how it goes. */
  readonly say?: (line: string) => void
}

export interface CampaignReport {
  readonly kills: number
  readonly acknowledged: number
  readonly lives: { readonly alone: number; readonly connected: number; readonly early: number }
  /** Pieces of writes that the disk had not flushed when the power failed, and that it lost. */
  readonly dropped: number
  /** Acknowledged writes that were not there, in words. */
  readonly lost: readonly string[]
}

export async function runKillCampaign({ kills, seed, power = false, say = () => undefined }: Campaign): Promise<CampaignReport> {
  await using lab = new Deployment()
  await lab.prepare('mynet', NODES)
  const [hub, victim] = NODES
  if (!hub || !victim) throw new Error('there is nobody to kill')
  lab.write('alone.yaml', lab.config(ALONE))
  lab.write('connected.yaml', lab.config(victim))
  for (const { name } of NODES) if (name !== VICTIM) await lab.start(name)
  const writer = new CampaignWriter(await connect({ api: lab.path(`${VICTIM}.sock`) }))
  const random = new SeededRandom(seed)
  const lives = { alone: 0, connected: 0, early: 0 }
  const supply = power ? new PowerSupply(lab, random) : undefined
  const kill = async (): Promise<void> => {
    await lab.end(VICTIM, 'SIGKILL')
    await supply?.fail()
  }
  const lost: string[] = []
  for (let number = 1; number <= kills; number++) {
    const phase = phaseOf(number, kills)
    const alone = phase === undefined && random.float() < 0.5
    lives[alone ? 'alone' : 'connected']++
    lab.write(`${VICTIM}.yaml`, lab.config(alone ? ALONE : victim))
    supply?.prepare()
    if (phase === undefined && random.float() < EARLY_RATIO) {
      lives.early++
      lab.launch(VICTIM)
      await pause(random.float() * START_MS_MAX)
      await kill()
      continue
    }
    await lab.start(VICTIM)
    if (phase === 'restored') await eventually('what the backup lacked is back', async () => (await writer.missing()).length === 0)
    for (const loss of await writer.missing()) lost.push(`after kill ${number - 1}${alone ? ', alone' : ''}: ${loss}`)
    const writing = writer.write()
    if (phase === 'backup') succeeded(await lab.causeway('backup', `${VICTIM}.data`, 'old.backup'))
    await pause(random.float() * LIFE_MS_MAX)
    if (phase === 'replace') await writer.rest()
    if (phase === 'replace') await allEqual(lab)
    await kill()
    writer.resume()
    await writing
    if (phase === 'replace') succeeded(await lab.causeway('restore', 'old.backup', `${VICTIM}.data`, '--force'))
    if (number % 25 === 0) say(`${number} kills, ${writer.acknowledged} writes acknowledged, ${lost.length} lost`)
  }
  lab.write(`${VICTIM}.yaml`, lab.config(victim))
  lab.under(VICTIM, [])
  await lab.start(VICTIM)
  await allEqual(lab)
  for (const loss of await writer.missing()) lost.push(`in the end: ${loss}`)
  for (const { name } of NODES) await lab.end(name, 'SIGTERM')
  for (const { name } of NODES) succeeded(await lab.causeway('docs', 'verify', `${name}.data`))
  return { kills, acknowledged: writer.acknowledged, lives, dropped: supply?.dropped ?? 0, lost }
}

/** A third of the way a backup is made, at two thirds it is put back, and the next life begins with it. */
function phaseOf(kill: number, kills: number): 'backup' | 'replace' | 'restored' | undefined {
  if (kill === Math.ceil(kills / 3)) return 'backup'
  const replace = Math.ceil((2 * kills) / 3)
  return kill === replace ? 'replace' : kill === replace + 1 ? 'restored' : undefined
}

/** What the victim hangs on: notes what it writes, and what of that a disk would have lost. */
class PowerSupply {
  readonly #lab: Deployment
  readonly #random: SeededRandom
  readonly #directory: string
  #life = 0
  #image: DiskImage = new Map()
  dropped = 0

  constructor(lab: Deployment, random: SeededRandom) {
    this.#lab = lab
    this.#random = random
    this.#directory = lab.path(`${VICTIM}.data`)
  }

  /** Before a start. */
  prepare(): void {
    this.#image = existsSync(this.#directory) ? readImage(this.#directory) : new Map()
    this.#lab.under(VICTIM, powerTracer(this.#lab.path(`power-${++this.#life}.trace`)))
  }

  /** After a kill. */
  async fail(): Promise<void> {
    const file = this.#lab.path(`power-${this.#life}.trace`)
    const isWhole = (): boolean => existsSync(file) && /\+\+\+ (killed|exited)[^\n]*\n$/.test(readFileSync(file, 'latin1').slice(-200))
    await eventually('the trace is written', isWhole)
    const trace = new PowerTrace(this.#directory, this.#image, readFileSync(file, 'latin1'))
    rmSync(file)
    // Now and then the disk loses all of it, or nothing.
    const ratio = Math.min(1, Math.max(0, 1.5 * this.#random.float() - 0.25))
    const keeps = (): boolean => {
      const kept = this.#random.float() < ratio
      if (!kept) this.dropped++
      return kept
    }
    writeImage(this.#directory, trace.imageAfter(trace.events.length, keeps))
  }
}

/** Waits until all nodes hold the same records. */
async function allEqual(lab: Deployment): Promise<void> {
  await eventually('all nodes hold the same', async () => {
    const hashes = await Promise.all(
      NODES.map(async ({ name }) => {
        const { items } = await (await connect({ api: lab.path(`${name}.sock`) })).documents()
        return items.find(({ collection, partition }) => collection === COLLECTION && partition === PARTITION)?.contentHash
      }),
    )
    return hashes[0] !== undefined && new Set(hashes).size === 1
  })
}

/** Eight programs at once, each with keys of its own, under which it writes growing numbers. */
class CampaignWriter {
  readonly #causeway: Causeway
  readonly #asked = new Map<string, number>()
  readonly #acknowledged = new Map<string, number>()
  #number = 0
  #rest = Promise.withResolvers<void>()
  #busy = 0
  acknowledged = 0

  constructor(causeway: Causeway) {
    this.#causeway = causeway
    this.resume()
  }

  /** Writes until the node is gone. */
  async write(): Promise<void> {
    await Promise.all(Array.from({ length: WRITERS }, (_, index) => this.#writeAs(index)))
  }

  /** Lets no more writes begin, and waits for those that have. */
  async rest(): Promise<void> {
    this.#rest = Promise.withResolvers()
    await eventually('all writes are answered', () => this.#busy === 0)
  }

  resume(): void {
    this.#rest.resolve()
  }

  /** Keys whose value is older than what was acknowledged, or newer than anything that was asked for. */
  async missing(): Promise<string[]> {
    const { items } = await this.#causeway.collection(COLLECTION).list({ partition: PARTITION })
    const found = new Map(items.map(({ key, value }) => [key, value]))
    return [...this.#asked].flatMap(([key, asked]) => {
      const value = found.get(key)
      const acknowledged = this.#acknowledged.get(key)
      if (acknowledged === undefined && value === undefined) return []
      if (typeof value === 'number' && value >= (acknowledged ?? 0) && value <= asked) return []
      return [`${key} reads ${JSON.stringify(value)}, but ${acknowledged} was acknowledged and ${asked} asked for`]
    })
  }

  async #writeAs(index: number): Promise<void> {
    const records = this.#causeway.collection(COLLECTION)
    for (let turn = 0; ; turn++) {
      await this.#rest.promise
      const key = `w${index}-${turn % KEYS_PER_WRITER}`
      const value = ++this.#number
      this.#asked.set(key, value)
      this.#busy++
      try {
        await records.put(key, value, { partition: PARTITION })
      } catch {
        return
      } finally {
        this.#busy--
      }
      this.#acknowledged.set(key, value)
      this.acknowledged++
    }
  }
}
