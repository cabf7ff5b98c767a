/**
 * What a store holds, for people: its documents, and whether each log is whole and as its writer signed it. It asks for no
 * authority: that a writer was allowed to write is judged where batches come in.
 */
import { type StoreEntry, credentialIn } from '@causeway/protocol'
import { type Batch, documentId, verifyBatch } from './batch.ts'
import { readStore } from './batch-store.ts'
import { logKey } from './sync-logs.ts'
import type { Signer } from './replica-contract.ts'

const NO_LINK = new Uint8Array(0)
const NO_KEY = new Uint8Array(32)

export interface StoredDocument {
  readonly collection: string
  readonly partition: string
  readonly writer: string
  /** Logs: one for each life of the writer that is not folded yet. */
  readonly epochs: number
  readonly batches: number
  /** Of the batches as they are encoded. */
  readonly bytes: number
}

export interface StoreAudit {
  /** Sorted by collection, partition and writer. */
  readonly documents: readonly StoredDocument[]
  /** The node was stopped in good order, and nothing was written since. */
  readonly cleanStop: boolean
  /** What is damaged or missing, one sentence each; a node that starts with this store drops it and asks its peers. */
  readonly faults: readonly string[]
}

/** Throws `store-corrupt` if the store is of another version. */
export function auditStore(crypto: Pick<Signer, 'hash' | 'verify'>, stored: Iterable<StoreEntry>): StoreAudit {
  const logs = new Map<string, Batch[]>()
  const faults: string[] = []
  const { cleanEpoch } = readStore(crypto, stored, {
    batch: (batch) => {
      const log = logKey(batch, batch.epoch)
      const batches = logs.get(log)
      if (batches) batches.push(batch)
      else logs.set(log, [batch])
    },
    damaged: (key) => faults.push(`${key}: its checksum does not match`),
  })
  const documents = new Map<string, StoredDocument>()
  for (const batches of logs.values()) {
    const [first] = batches
    if (!first) continue
    const { collection, partition, writer } = first
    const fault = faultIn(crypto, batches)
    if (fault !== undefined) faults.push(`${collection}/${partition} of ${writer}, epoch ${first.epoch}: ${fault}`)
    const known = documents.get(documentId(first)) ?? { collection, partition, writer, epochs: 0, batches: 0, bytes: 0 }
    const bytes = batches.reduce((sum, { encoded }) => sum + encoded.length, known.bytes)
    documents.set(documentId(first), { ...known, epochs: known.epochs + 1, batches: known.batches + batches.length, bytes })
  }
  const sorted = [...documents].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, document]) => document)
  return { documents: sorted, cleanStop: cleanEpoch !== undefined, faults }
}

/** What is wrong with a log, its batches in order. */
function faultIn(crypto: Pick<Signer, 'hash' | 'verify'>, batches: readonly Batch[]): string | undefined {
  const head = batches[0]?.head
  if (batches[0]?.seq !== 1 || !head) return 'its first batch is missing'
  // Who signed the credential is not asked here: any signature will do.
  const credential = credentialIn({ verify: () => true }, head.credential, NO_KEY)
  if (typeof credential === 'string') return credential
  let link: Uint8Array = NO_LINK
  for (const [index, batch] of batches.entries()) {
    if (batch.seq !== index + 1) return `batch ${index + 1} is missing`
    const next = verifyBatch({ ...crypto, sign: () => NO_LINK }, batch, link, credential.key)
    if (!next) return `batch ${batch.seq} is not what its writer signed`
    link = next
  }
  return undefined
}
