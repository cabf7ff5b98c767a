/** What a node tells of the documents that it holds. A public shape, like those of api.ts. */
import type { ListView } from './api.ts'

/** What one writer wrote in one partition. */
export interface DocumentView {
  readonly collection: string
  readonly partition: string
  readonly writer: string
  /** For each life of the writer that is not folded into a later one: how many of its batches are on this node's disk. */
  readonly logs: readonly { readonly epoch: number; readonly seq: number }[]
  /** Over all records of the partition, of all its writers: the same wherever the same is held. */
  readonly contentHash: string
}

/** `token` changes whenever anything that is held does. */
export type DocumentsView = ListView<DocumentView>
