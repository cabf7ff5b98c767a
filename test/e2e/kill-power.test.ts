import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SeededRandom } from '@causeway/protocol'
import { expect, onTestFinished, test } from 'vitest'
import { LmdbStore } from '../../packages/daemon/src/lmdb-store.ts'
import { readStoreFile, storeFile } from '../../packages/daemon/src/store-file.ts'
import { lastWholeTicket, startStoreWriter } from '../../packages/daemon/src/store-writer.ts'
import { eventually } from './eventually.ts'
import { runKillCampaign } from './kill-campaign.ts'
import { type DiskEvent, PowerTrace, powerTracer, writeImage } from './kill-power.ts'

const CUTS = 60
const NO_STRACE = spawnSync('strace', ['-V']).error ? 'strace is not installed: apt-get install strace' : undefined

test.skipIf(NO_STRACE)(`a store keeps all that it reported through power cuts anywhere${NO_STRACE ? ` (${NO_STRACE})` : ''}`, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'cw-power-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const dataDir = join(directory, 'data')
  mkdirSync(dataDir)
  const traceFile = join(directory, 'trace')
  const writer = startStoreWriter(dataDir, powerTracer(traceFile))
  await eventually('the store is written anew a few times', () => writer.reported.length > 300)
  writer.process.kill('SIGKILL')
  await once(writer.process, 'close')
  await eventually('the trace is written', () => readFileSync(traceFile, 'latin1').endsWith('+++ killed by SIGKILL +++\n'))
  const trace = new PowerTrace(dataDir, new Map(), readFileSync(traceFile, 'latin1'))
  expect(trace.events.filter(({ type }) => type === 'flush').length).toBeGreaterThan(5)
  expect(trace.events.filter((event) => event.type === 'name' && event.name === 'store.mdb').length).toBeGreaterThan(1)
  const random = new SeededRandom(11)
  let checked = 0
  for (let cut = 0; cut < CUTS; cut++) {
    const count = Math.floor(random.float() * trace.events.length)
    const ratio = random.float()
    const path = join(directory, 'after')
    writeImage(
      path,
      trace.imageAfter(count, () => random.float() < ratio),
    )
    const { entries, damage } = readStoreFile(storeFile(path))
    const reported = reportedIn(trace.events.slice(0, count))
    // A file that was being made when the power failed is set aside: there was nothing in it.
    if (reported === 0 && damage.length > 0) continue
    expect(damage, `after ${count} events`).toEqual([])
    expect(entries.length === 0 ? 0 : lastWholeTicket(entries), `after ${count} events`).toBeGreaterThanOrEqual(reported)
    if (reported > 0) checked++
    if (cut % 10 === 0) await goOn(path, entries.length)
  }
  expect(checked).toBeGreaterThan(CUTS / 2)
})

test.skipIf(NO_STRACE)('no acknowledged write of a node is lost to power cuts', { timeout: 240_000 }, async () => {
  const report = await runKillCampaign({ kills: 8, seed: 3, power: true })
  expect(report.lost).toEqual([])
  expect(report.acknowledged).toBeGreaterThan(10)
  expect(report.dropped).toBeGreaterThan(0)
})

/** LMDB takes the file, too. */
async function goOn(dataDir: string, entries: number): Promise<void> {
  const store = await LmdbStore.open({
    dataDir,
    onPersisted: () => undefined,
    onFailure: (error) => {
      throw error
    },
  })
  expect([...store.load()]).toHaveLength(entries)
  store.persist({ type: 'persist', ticket: 1, entries: [{ key: 'z', value: Uint8Array.of(1) }] })
  await store.close()
  expect(readStoreFile(storeFile(dataDir))).toMatchObject({ damage: [], entries: { length: entries + 1 } })
}

/** The last ticket that the process had called persisted. */
function reportedIn(events: readonly DiskEvent[]): number {
  let last = 0
  for (const event of events) {
    if (event.type !== 'said') continue
    const text = Buffer.from(event.bytes).toString('latin1')
    if (/^(\d+\n)+$/.test(text)) last = Math.max(last, ...text.trim().split('\n').map(Number))
  }
  return last
}
