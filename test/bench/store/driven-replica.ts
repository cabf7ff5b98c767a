/**
 * A replica on a real LMDB store and a real clock, without network and API. If asked for, a hub's replica is beside it in the
 * same process, with a disk that takes no time: a writer folds its documents only once a hub has told what it holds of them.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { LmdbStore, createNetwork, issueCredential } from '@causeway/daemon'
import { LIMITS, type Role, type StoreEntry, instant } from '@causeway/protocol'
import { Replica } from '@causeway/state'
import { loadCredential } from '../../../packages/daemon/src/credential-file.ts'
import { LOG_PACKING } from '../../../packages/daemon/src/log-packing.ts'
import { createNodeCrypto } from '../../../packages/daemon/src/node-crypto.ts'
import { SystemRandom } from '../../../packages/daemon/src/system-random.ts'
import { ReplicaDriver } from './replica-driver.ts'
import type { Table } from './table.ts'

export const COLLECTION = 'tasks'
export const SITE = 'hkg-1'
export const [WRITER, HUB]: readonly [string, string] = ['writer-1', 'core-1']

export class DrivenReplica implements Table {
  readonly #driver: ReplicaDriver
  readonly #store: LmdbStore

  /** Opens what is in the directory, or a new store. */
  static async open(directory: string, withHub: boolean): Promise<DrivenReplica> {
    const store = await LmdbStore.open({
      dataDir: join(directory, 'data'),
      onPersisted: (ticket) => driver.handle({ type: 'persisted', ticket }),
      onFailure: (error) => {
        throw error
      },
    })
    const driver: ReplicaDriver = new ReplicaDriver(replicaOf(directory, WRITER, [`*/${SITE}`], store.load()), (effect) =>
      store.persist(effect),
    )
    if (withHub) {
      const hub: ReplicaDriver = new ReplicaDriver(replicaOf(directory, HUB, ['**'], []), ({ ticket }) =>
        queueMicrotask(() => hub.handle({ type: 'persisted', ticket })),
      )
      hub.meet(WRITER, 'down', (message) => queueMicrotask(() => driver.hear(message)))
      driver.meet(HUB, 'up', (message) => queueMicrotask(() => hub.hear(message)))
    }
    return new DrivenReplica(driver, store)
  }

  /** Makes the credentials that a store in this directory will be written with. */
  static prepare(directory: string): void {
    mkdirSync(directory, { recursive: true })
    createNetwork(join(directory, 'net'), 'bench')
    const issue = (name: string, role: Role): unknown =>
      issueCredential(join(directory, 'net'), { name, site: SITE, region: 'lab', role, out: join(directory, `${name}.cred`) })
    issue(WRITER, 'edge')
    issue(HUB, 'hub')
  }

  private constructor(driver: ReplicaDriver, store: LmdbStore) {
    this.#driver = driver
    this.#store = store
  }

  async put(key: string, value: unknown): Promise<void> {
    const outcome = await this.#driver.write(COLLECTION, SITE, [{ key, operation: { type: 'put', value } }])
    if (!outcome.ok) throw new Error(outcome.message)
  }

  get(key: string): unknown {
    return this.#driver.replica.get(COLLECTION, SITE, key)?.value
  }

  async close(): Promise<void> {
    await this.#driver.stop()
    await this.#store.close()
  }
}

/** `foldBytesMin`: a document whose log takes less is not folded. */
export function replicaOf(
  directory: string,
  name: string,
  interest: readonly string[],
  stored: Iterable<StoreEntry>,
  foldBytesMin: number = LIMITS.foldBytesMin,
): Replica {
  const { credential, signed, seed, authorityKey } = loadCredential(join(directory, `${name}.cred`), Date.now())
  const { write, role } = credential
  const config = {
    writer: name,
    interest,
    write,
    limits: { ...LIMITS, foldBytesMin },
    core: role === 'hub',
    credential: signed,
    authorityKey,
  }
  const environment = {
    crypto: createNodeCrypto(seed),
    random: new SystemRandom(),
    now: instant(performance.now()),
    wallOffsetMs: performance.timeOrigin,
    logPacking: LOG_PACKING,
  }
  return new Replica(config, environment, stored)
}
